"""Routes, templates, settings, migrations and translations are complete and consistent with each other."""

import ast
import contextlib
import inspect
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

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
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import migrate
from campaign.config import ROOT, SettingsError, setting_descriptions
from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.edges.links import Links
from campaign.edges.wakeups import JOBS, celery
from campaign.ledger.triggers import FOLDER as TRIGGERS
from campaign.ledger.triggers import install_triggers
from campaign.matching.funds import Fund
from campaign.receipts import lifecycle, unreported_return_jobs, unreported_returns
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context
from campaign.reporting.integrity import checker
from campaign.reporting.statement_actions import take_statement
from campaign.stripe_sync import balance_transactions
from campaign.web.security import access
from tests.conftest import Stripe
from tests.factories import balance_transaction_of, create_managers, create_refund, issue_receipt, paid, pay, raise_pledge, start_donation
from tests.stripe import handle, reversal_event
from tools.architecture import source_files

SOURCES = source_files()


def test_every_route_declares_its_access(app: Flask) -> None:
    ours: dict[str, Any] = {
        name: view for name, view in app.view_functions.items() if name != "static" and not name.startswith("security.")
    }
    assert [name for name, view in ours.items() if not hasattr(view, "access")] == []
    staff = {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith("/staff") and rule.endpoint in ours}
    assert all(ours[name].access in {"viewer", "clerk", "manager", "admin"} for name in staff)


def test_a_route_without_declared_access_is_not_found(app: Flask) -> None:
    app.view_functions["campaigns.home"] = lambda: "forgotten"
    assert app.test_client().get("/").status_code == 404


def test_every_link_has_a_route(app: Flask) -> None:
    links = Links("https://give.example.org")
    values = {"language": "fr", "slug": "research", "token": "a" * 22, "code": "a" * 22, "path": "/", "kind": "terms"}
    router = app.url_map.bind("give.example.org", url_scheme="https")
    for name, method in inspect.getmembers(links, inspect.ismethod):
        if not name.startswith("_"):
            address = method(*(values[parameter] for parameter in inspect.signature(method).parameters))
            endpoint, _ = router.match(urlsplit(address).path)
            assert hasattr(app.view_functions[endpoint], "access") or endpoint == "security.reset_password", name


def test_a_role_that_does_not_exist_cannot_be_declared() -> None:
    with pytest.raises(AssertionError):
        access("everybody")


def test_every_wakeup_names_an_existing_task(app: Flask) -> None:
    named = set()
    for path in ROOT.glob("workers/*.py"):
        named |= set(re.findall(r'@celery\.task\(name="([\w.]+)"\)', path.read_text()))
    assert set(JOBS.values()) == named
    assert {q.name for q in celery.conf.task_queues} == set(JOBS), "a plain `celery -A workers worker` must take from every queue"


def test_every_template_is_used_and_exists() -> None:
    sources = "".join(p.read_text() for p in [*SOURCES, *ROOT.glob("templates/**/*.html")])
    named = set(re.findall(r'"([a-z_]+/[a-z_]+\.(?:html|txt|svg|xml))"', sources)) | {"base.html"}
    named |= {f"{folder}/{name}" for folder, name in re.findall(r'resource\("templates"\) / "(\w+)" / "(\w+\.typ)"', sources)}
    named -= {"xl/styles.xml"}  # Of workbooks.
    existing = {str(p.relative_to(ROOT / "templates")) for p in ROOT.glob("templates/**/*.*")}
    assert existing == named


def test_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in setting_descriptions() if f"`{name}`" not in readme] == []
    assert len(readme.splitlines()) <= 150


def test_the_models_equal_the_migrations(app: Flask) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def current_definitions(connection: Connection) -> dict[str, str]:
    """Our functions and triggers as PostgreSQL prints them."""
    functions = text(
        "SELECT proname, pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace AND nspname = 'public'"
        " WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
    )
    triggers = text("SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal")
    return {name: definition for query in (functions, triggers) for name, definition in connection.execute(query)}


@pytest.mark.owner
def test_functions_and_triggers_equal_their_files(app: Flask) -> None:
    """Dropping and reinstalling them from the files gives the same definitions, and there are no others."""
    with db.engine.connect() as connection:
        before = current_definitions(connection)
        functions = connection.execute(
            text(
                "SELECT format('DROP FUNCTION %s CASCADE', p.oid::regprocedure) FROM pg_proc p"
                " JOIN pg_namespace n ON n.oid = pronamespace AND nspname = 'public'"
                " WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
            )
        )
        for drop in functions.scalars().all():
            connection.execute(text(drop))
        assert current_definitions(connection) == {}
        install_triggers(connection)
        assert current_definitions(connection) == before
        connection.rollback()
    assert {path.stem for path in TRIGGERS.glob("*.sql")} == {name for name in before if "." not in name}


@pytest.mark.owner
def test_a_function_whose_file_has_changed_is_replaced_at_the_next_upgrade(app: Flask) -> None:
    with db.engine.connect() as connection:
        before = current_definitions(connection)
        connection.execute(text("CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"))
        connection.execute(text("COMMENT ON FUNCTION refuse_change IS 'the hash of an older file'"))
        assert install_triggers(connection) == ["refuse_change"]
        assert current_definitions(connection) == before
        assert install_triggers(connection) == []
        connection.rollback()


@pytest.mark.owner
def test_a_database_from_before_the_first_release_is_refused_with_instructions(app: Flask) -> None:
    revision = db.session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    db.session.execute(text("UPDATE alembic_version SET version_num = '0022'"))
    db.session.commit()
    try:
        with pytest.raises(SettingsError, match=r"has the revision 0022.*remove the directory var/"):
            migrate()
    finally:
        db.session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        db.session.commit()


def objects_of(connection: Connection) -> set[str]:
    """Every table, index, sequence and constraint of ours, as PostgreSQL prints it."""
    columns = (
        "SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) FROM information_schema.columns"
    )
    constraints = "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
    queries = (
        f"{columns} WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
        "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'",
        f"{constraints} WHERE connamespace = 'public'::regnamespace AND conrelid <> coalesce(to_regclass('alembic_version'), 0)",
    )
    return {row for query in queries for row in connection.execute(text(query)).scalars()}


def migration_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["connection"] = connection
    return config


@pytest.mark.owner
def test_a_downgrade_leaves_nothing_and_an_upgrade_restores_everything(app: Flask) -> None:
    db.session.remove()
    with db.engine.connect() as connection:
        objects, definitions = objects_of(connection), current_definitions(connection)
        moves = connection.execute(text("SELECT * FROM ledger_move ORDER BY 1, 2, 3")).all()
        assert len(objects) > 300
        command.downgrade(migration_config(connection), "base")
        assert (objects_of(connection), current_definitions(connection)) == (set(), {})
        command.upgrade(migration_config(connection), "head")
        assert (objects_of(connection), current_definitions(connection)) == (objects, definitions)
        assert connection.execute(text("SELECT * FROM ledger_move ORDER BY 1, 2, 3")).all() == moves


@pytest.mark.owner
def test_a_downgrade_and_an_upgrade_keep_the_sum_that_a_message_names(app: Flask, campaign: Campaign) -> None:
    create_refund(paid(campaign, 100_00), 30_00)
    db.session.commit()
    db.session.remove()
    sums = text("SELECT cents FROM outbox WHERE kind = 'reversal'")
    with db.engine.connect() as connection:
        assert connection.execute(sums).scalars().all() == [30_00]
        command.downgrade(migration_config(connection), "stripe")
        command.upgrade(migration_config(connection), "head")
        assert connection.execute(sums).scalars().all() == [30_00]


@pytest.mark.owner
def test_an_upgrade_dates_reversals_and_open_returns_by_what_is_stored(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    """A refund by its event, a dispute by its withdrawal from the balance, and another refund, of which neither is stored, by its entry."""
    paid_at = datetime(2026, 1, 2, 12, tzinfo=UTC)
    refunded, disputed, unknown = (start_donation(campaign, 200_00) for _ in range(3))
    for donation in (refunded, disputed, unknown):
        pay(donation, at=paid_at)
        issue_receipt(donation)
    db.session.commit()
    handle(reversal_event(stripe, refunded, 60_00, kind="refund.created", created=int((paid_at + timedelta(days=1)).timestamp())))
    withdrawn = {"source": "dp_1", "cents": -200_00, "created_at": paid_at + timedelta(days=2)}
    balance_transactions.store_transactions([balance_transaction_of(disputed, **withdrawn)])
    create_refund(disputed, 200_00, kind="dispute", name="dp_1")
    create_refund(unknown, 200_00, name="re_unknown")
    db.session.commit()
    for donation in (refunded, disputed, unknown):
        issue_receipt(donation)
    db.session.commit()
    parts = "(SELECT sum(cents) FROM reported_reversal p WHERE p.information_return_id = i.id) = returned_cents"
    rows = text(f"SELECT returned_on, due_on, {parts} FROM information_return i ORDER BY id")
    today = campaign.charity.local(datetime.now(UTC)).date()
    db.session.remove()
    with db.engine.connect() as connection:
        command.downgrade(migration_config(connection), "role_since")
        late = {"today": today, "due_on": today + timedelta(days=90)}
        connection.execute(text("UPDATE information_return SET returned_on = :today, due_on = :due_on"), late)
        connection.commit()
        command.upgrade(migration_config(connection), "head")
        dated = [date(2026, 1, 3), date(2026, 1, 4), today]
        assert [tuple(row) for row in connection.execute(rows)] == [(day, day + timedelta(days=90), True) for day in dated]
        assert connection.execute(text("SELECT count(*) FROM reversal WHERE returned_at IS NULL")).scalar_one() == 0


@pytest.mark.owner
def test_an_upgrade_keeps_what_returns_report_and_what_receipts_left_out(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign, 300_00)
    donation_id = donation.id
    for cents in (100_00, 30_00, 60_00):  # The first is left out by the first receipt, the others are in one return about it.
        create_refund(donation, cents)
        issue_receipt(donation)
    db.session.execute(text("UPDATE outbox SET done_at = now()"))
    db.session.commit()
    reported = text("SELECT reversal_id, information_return_id, cents FROM reported_reversal ORDER BY reversal_id")
    first = text("SELECT receipt_id, receipted_cents, returned_cents FROM information_return")
    db.session.remove()
    with db.engine.connect() as connection:
        before, about = connection.execute(reported).all(), connection.execute(first).one()
        assert ([cents for _, _, cents in before], about.returned_cents, about.receipted_cents) == ([100_00, 30_00, 60_00], 90_00, 200_00)
        command.downgrade(migration_config(connection), "charity_logo")
        connection.execute(
            text("UPDATE information_return SET receipt_id = (SELECT max(receipt_id) - 1 FROM receipt_line), receipted_cents = 17000")
        )
        connection.commit()
        command.upgrade(migration_config(connection), "head")
        assert (connection.execute(reported).all(), connection.execute(first).one()) == (before, about)
    assert checker.findings(db.engine) == []
    create_refund(db.session.get_one(Donation, donation_id), 10_00)
    issue_receipt(db.session.get_one(Donation, donation_id))
    db.session.commit()
    db.session.remove()
    with db.engine.connect() as connection, pytest.raises(DatabaseError, match="several information returns"):
        command.downgrade(migration_config(connection), "charity_logo")


@pytest.mark.owner
def test_after_an_upgrade_the_schedule_reports_what_the_version_before_did_not(app: Flask, campaign: Campaign) -> None:
    """It opened no return for what went back while a replacement was awaited, and compared sums, so that money that went back again was not seen."""
    awaiting, again, small = (paid(campaign, 200_00, email=f"{name}@example.org") for name in ("a", "b", "c"))
    for donation in (awaiting, again, small):
        issue_receipt(donation)
    awaiting.first_name = awaiting.last_name = ""
    reversals = ((awaiting, 60_00, "re_1", "succeeded"), (awaiting, 40_00, "re_2", "succeeded"), (again, 150_00, "re_3", "succeeded"),
                 (again, 150_00, "re_3", "failed"), (again, 170_00, "re_4", "succeeded"), (small, 50_00, "re_5", "succeeded"))  # fmt: skip
    for donation, cents, name, status in reversals:
        create_refund(donation, cents, name=name, status=status, returned_at=datetime(2026, 1, 2, 17, tzinfo=UTC))
        with contextlib.suppress(ReceiptIncomplete):
            issue_receipt(donation)
        lifecycle.report_returned([donation], issue_context())
    db.session.execute(text("UPDATE outbox SET done_at = now()"))
    db.session.commit()
    ids, reported = (awaiting.id, again.id), text("SELECT donation_id, returned_cents, due_on FROM information_return ORDER BY id")
    expected = [(awaiting.id, 60_00, date(2026, 4, 2)), (awaiting.id, 40_00, date(2026, 4, 2)),
                (again.id, 150_00, date(2026, 4, 2)), (again.id, 170_00, date(2026, 4, 2))]  # fmt: skip
    assert db.session.execute(reported).all() == expected
    db.session.remove()
    with db.engine.connect() as connection:
        connection.execute(text("ALTER TABLE reported_reversal DISABLE TRIGGER USER"))
        unreported = "SELECT id FROM information_return WHERE returned_cents IN (4000, 17000)"
        connection.execute(text(f"DELETE FROM reported_reversal WHERE information_return_id IN ({unreported})"))
        connection.execute(text(f"DELETE FROM information_return WHERE id IN ({unreported})"))
        command.downgrade(migration_config(connection), "payment_method")
        connection.commit()
        command.upgrade(migration_config(connection), "head")
    found = [sentence for sentence in checker.findings(db.engine) if "information returns report" in sentence]
    assert len(found) == 2, "the control: the check of the books sees both"
    assert unreported_returns.list_unreported(limit=9) == list(ids)
    assert unreported_return_jobs.report_unreported() == 2
    assert sorted(map(tuple, db.session.execute(reported))) == sorted(expected), "overdue, as the money went back in January"
    assert [sentence for sentence in checker.findings(db.engine) if sentence.startswith("I17")] == []
    assert unreported_return_jobs.report_unreported() == 0


@pytest.mark.owner
def test_an_upgrade_makes_returns_of_open_requests_and_closes_voids_of_ended_receipts(app: Flask, campaign: Campaign) -> None:
    create_managers("one@example.org")
    issue_receipt(paid(campaign, 100_00))
    db.session.commit()
    db.session.remove()
    with db.engine.connect() as connection:
        command.downgrade(migration_config(connection), "confirmed_details")
        connection.execute(
            text("""
            ALTER TABLE funder_payment DISABLE TRIGGER ALL;
            INSERT INTO funder_payment (fund_id, cents, received_on, reference, livemode, recorded_by) VALUES (1, 700, '2026-01-02', '17', false, 'x');
            ALTER TABLE funder_payment ENABLE TRIGGER ALL;
            INSERT INTO funder_payment_request (funder_payment_id, kind, returned_on, reason, requested_by)
            VALUES (1, 'reverse', '2026-01-03', 'r', 'one@example.org');
            INSERT INTO void_request (receipt_id, requested_by, reason) SELECT id, 'one@example.org', 'The funder is a registered charity.' FROM receipt;
            INSERT INTO receipt_end (receipt_id, ended_as, reason, actor, note) SELECT id, 'cancelled', 'void', 'x', 'x' FROM receipt""")
        )
        connection.commit()
        command.upgrade(migration_config(connection), "head")
        asked = connection.execute(text("SELECT kind, cents, returned_on, reference FROM funder_payment_request")).one()
        assert tuple(asked) == ("return", 700, date(2026, 1, 3), "17")
        # That reason is the answer's only on a funder's receipt.
        voids = connection.execute(text("SELECT decision, decided_by, of_charity_answer FROM void_request")).one()
        assert tuple(voids) == ("ended", "the books", False)
        command.downgrade(migration_config(connection), "confirmed_details")
        asked = connection.execute(text("SELECT kind, cents, returned_on, reference FROM funder_payment_request")).one()
        assert tuple(asked) == ("reverse", None, date(2026, 1, 3), None)


@pytest.mark.owner
@pytest.mark.parametrize("is_partial", [True, False])
def test_a_downgrade_that_would_lose_what_a_dispute_reinstated_is_refused(app: Flask, campaign: Campaign, is_partial: bool) -> None:
    create_refund(paid(campaign, 100_00), 100_00, kind="dispute")
    db.session.commit()
    db.session.remove()
    with db.engine.connect() as connection:
        if is_partial:
            connection.execute(text("UPDATE reversal SET posted_cents = 4000"))
        with pytest.raises(DatabaseError, match="reinstated in part") if is_partial else contextlib.nullcontext():
            command.downgrade(migration_config(connection), "baseline")


@pytest.mark.owner
def test_raises_from_before_requests_stay_verified_and_no_downgrade_breaks_the_chain_of_later_ones(app: Flask, campaign: Campaign) -> None:
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE fund_change DISABLE TRIGGER raised_by_two_people"))
        connection.execute(text("ALTER TABLE ledger_entry DISABLE TRIGGER pledged_by_change"))
        raised = "INSERT INTO fund_change (fund_id, kind, cents, actor, reason) VALUES (1, 'pledged', 700, 'one', 'r')"
        connection.execute(text(raised))
        entry = "INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, reference, cause)"
        connection.execute(text(f"{entry} VALUES ('pledge', 'outside', 'available', 700, 1, 1, 'earlier', 'earlier')"))
    assert any("two people" in finding for finding in checker.findings(db.engine)), "control: it is not from before"
    db.session.remove()
    with db.engine.connect() as connection:
        command.downgrade(migration_config(connection), "staff_passwords")
        command.upgrade(migration_config(connection), "head")
    assert checker.findings(db.engine) == []
    raise_pledge(db.session.get_one(Fund, 1), 100)
    assert checker.findings(db.engine) == []
    db.session.remove()
    with db.engine.connect() as connection, pytest.raises(DatabaseError, match="raised by two people"):
        command.downgrade(migration_config(connection), "staff_passwords")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pot = tmp_path_factory.mktemp("pot") / "messages.pot"
    arguments = [
        "pybabel",
        "-q",
        "extract",
        "-F",
        str(ROOT / "translations/extract.cfg"),
        "-k",
        "lazy_gettext",
        "-k",
        "lazy_ngettext:1,2",
        "-k",
        "gettext_noop",
        "-k",
        "pgettext_noop:1c,2",
        "-o",
        str(pot),
        str(ROOT),
    ]
    cast("Any", CommandLineInterface()).run(arguments)
    return pot


def read(path: Path) -> dict[tuple[str | None, str], Message]:
    """Messages by context and English text (the singular where there is a plural)."""
    with path.open("rb") as file:
        catalog = read_mo(file) if path.suffix == ".mo" else read_po(file, locale="fr")
    # Babel reads the context of a compiled message as bytes.
    return {
        (m.context.decode() if isinstance(m.context, bytes) else m.context, m.id if isinstance(m.id, str) else m.id[0]): m
        for m in catalog
        if m.id
    }


def strings_of(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


FRENCH = ROOT / "translations" / "fr" / "LC_MESSAGES"


def test_no_text_to_translate_is_inside_an_f_string_where_the_extractor_does_not_see_it() -> None:
    inside = [
        f"{path}:{call.lineno}"
        for path in SOURCES
        for outer in ast.walk(ast.parse(path.read_text()))
        if isinstance(outer, ast.JoinedStr)
        for call in ast.walk(outer)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("gettext")
    ]
    assert inside == []


def test_french_and_english_are_complete(template: Path) -> None:
    french = read(FRENCH / "messages.po")
    assert read(template).keys() - {key for key, m in french.items() if all(strings_of(m)) and not m.fuzzy} == set()
    assert french.keys() - read(template).keys() == set()


def test_french_has_the_same_placeholders_as_english() -> None:
    placeholders = re.compile(r"%\(\w+\)s")
    for message in read(FRENCH / "messages.po").values():
        english = message.id if isinstance(message.id, str) else message.id[-1]
        for translated in strings_of(message):
            assert set(placeholders.findall(translated)) == set(placeholders.findall(english)), message.id


def test_french_has_no_space_that_could_break_a_line_before_its_punctuation() -> None:
    breakable = re.compile(r" [;:!?»]|« ")
    for message in read(FRENCH / "messages.po").values():
        assert [text for text in strings_of(message) if breakable.search(text)] == []


def test_the_compiled_catalogue_equals_its_source() -> None:
    po, mo = read(FRENCH / "messages.po"), read(FRENCH / "messages.mo")
    assert {k: strings_of(m) for k, m in mo.items()} == {k: strings_of(m) for k, m in po.items()}


def test_no_template_makes_claims_about_the_match() -> None:
    claim = re.compile(r"doubl|every dollar|chaque dollar|dollar for dollar", re.IGNORECASE)
    assert [str(p) for p in ROOT.glob("templates/**/*.html") if claim.search(p.read_text())] == []


def test_pages_load_nothing_from_other_hosts() -> None:
    foreign = re.compile(r"""(?:src|href)=["']https?://|url\(["']?https?://|@import""")
    paths = [*ROOT.glob("templates/**/*.html"), ROOT / "campaign/web/static/site.css"]
    assert [str(p) for p in paths if foreign.search(p.read_text())] == []


# French text that is not a translation: names of the first campaign and of the donors of a seeded history.
FRENCH_SOURCES = {
    "campaign/cli/first_campaign.py",
    "campaign/cli/seeds.py",
    "campaign/cli/bulk_seeds/people.py",
    "campaign/cli/bulk_seeds/donation_rows.py",
}
FRENCH_WORDS = re.compile(
    r"\b(?:le|la|les|des|du|un|une|est|sont|a été|votre|vos|vous|nous|pour|dans|avec|sur|ce|cette|qui|que|pas|par|aux?|et|don|dons|reçu|jumelage)\b",
    re.IGNORECASE,
)
ACCENTS = re.compile(r"[àâçéèêëîïôùûœ«]", re.IGNORECASE)


def is_french(sentence: str) -> bool:
    words = {word.lower() for word in FRENCH_WORDS.findall(sentence)}
    return len(words) >= 3 or (len(words) >= 1 and ACCENTS.search(sentence) is not None)


def texts_in(path: Path) -> list[str]:
    source = path.read_text()
    if path.suffix != ".py":
        bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|<[^>]*>|^\s*//.*$", "\n", source, flags=re.DOTALL | re.MULTILINE)
        return re.sub(r"\{\{.*?\}\}", "\n", bare, flags=re.DOTALL).splitlines() + re.findall(r'"([^"\n]*)"', source)
    tree = ast.parse(source)
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in docstrings]


def test_french_sentences_are_only_in_the_catalogue() -> None:
    paths = [*SOURCES, *(path for suffix in ("html", "txt", "typ") for path in ROOT.glob(f"templates/**/*.{suffix}"))]
    found = {f"{path.relative_to(ROOT)}: {text}" for path in paths for text in texts_in(path) if is_french(text)}
    assert {line for line in found if line.split(":")[0] not in FRENCH_SOURCES} == set()


def test_control_french_is_recognized_and_english_is_not() -> None:
    translated = [" ".join(strings_of(m)) for m in read(FRENCH / "messages.po").values()]
    sentences = [text for text in translated if text.endswith(".")]
    assert sum(map(is_french, sentences)) > 0.85 * len(sentences)
    english = [m.id if isinstance(m.id, str) else m.id[0] for m in read(FRENCH / "messages.po").values()]
    assert [text for text in english if is_french(text)] == []


# Modules with texts in two columns, formats of amounts, locale codes, and the catalogue itself.
CHOOSE_BY_LANGUAGE = {
    "campaign/campaigns/campaigns.py",
    "campaign/campaigns/charities.py",
    "campaign/campaigns/charity_pages.py",
    "campaign/edges/stripe/payments.py",
    "campaign/funders/funders.py",
    "campaign/funders/introductions.py",
    "campaign/matching/funds.py",
    "campaign/rules/journal.py",
    "campaign/rules/money.py",
    "campaign/texts/catalogue.py",
    "campaign/web/languages.py",
}


def test_no_other_code_compares_the_language() -> None:
    compares = re.compile(r"""(?:language|lang|locale)\w*(?:\(\))? == ["'](?:fr|en)["']""")
    paths = [*SOURCES, *ROOT.glob("templates/**/*.typ")]
    assert {str(path.relative_to(ROOT)) for path in paths if compares.search(path.read_text())} == CHOOSE_BY_LANGUAGE


def test_a_template_that_others_extend_defines_no_macro() -> None:
    """Its macros would take the place of values of the same names in the templates that extend it."""
    sources = {path: path.read_text() for path in ROOT.glob("templates/**/*.html")}
    extended = {name for source in sources.values() for name in re.findall(r'{% extends "([^"]+)"', source)}
    assert extended
    with_macros = {str(path.relative_to(ROOT / "templates")) for path, source in sources.items() if "{% macro " in source}
    assert extended & with_macros == set()


@pytest.mark.owner
def test_an_upgrade_states_the_names_of_what_there_is(app: Flask, campaign: Campaign, fund: Fund) -> None:
    paid(campaign, 100_00)
    fund_id, names = fund.id, (fund.name_fr, campaign.slug)
    db.session.remove()
    with db.engine.connect() as connection:
        command.downgrade(migration_config(connection), "known_clients")
        command.upgrade(migration_config(connection), "head")
        install_triggers(connection)
        connection.commit()
    assert checker.findings(db.engine) == []
    stated = take_statement(db.session.get_one(Fund, fund_id)).names
    assert (stated.fund_name("fr"), stated.campaign["slug"]) == names
