"""The service's role in the database: with SQL of its own choosing it changes nothing that must stay as it is (campaign/ledger/privileges.py)."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg.errors import InsufficientPrivilege, RestrictViolation
from sqlalchemy import Connection, create_engine, text
from structlog.testing import capture_logs

from campaign.campaigns.campaigns import Campaign
from campaign.cli.setup import migrate, warn_if_owner
from campaign.config import Settings, SettingsError
from campaign.devstack.servers import OWNER_LOGIN, SERVICE_LOGIN
from campaign.edges.db import db
from campaign.ledger import privileges
from campaign.logs import configure
from campaign.reporting.integrity import checker, guard_checks
from tests.factories import paid, start_donation

Psycopg = psycopg.Connection[tuple[Any, ...]]

# Each guarded table, with the columns that a trigger keeps as they are. A column that may be empty is filled once by the service.
GUARDED = """
    SELECT c.relname, array_agg(DISTINCT a.attname::text) FILTER (WHERE t.tgtype & 16 <> 0 AND (
        t.tgqual IS NULL OR a.attnotnull AND pg_get_triggerdef(t.oid) ~ ('(?i)old\\.' || a.attname || '\\M')))
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT attisdropped
    WHERE t.tgfoid = 'refuse_change'::regproc GROUP BY 1
"""
# Guarded by the same triggers, which let the service erase what is personal in them and change nothing else (test_personal_data.py).
ERASABLE = {
    f'UPDATE {name} SET "{column}" = "{column}"'
    for name, column in (
        ("privacy_request", "person"),
        ("privacy_request", "contact"),
        ("staff_note", "text"),
        ("stripe_event", "body"),
    )
}
OF_A_TABLE = (
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
    "ALTER TABLE {table} DISABLE TRIGGER USER",
    "ALTER TABLE {table} ADD COLUMN more text",
    "DROP TABLE {table} CASCADE",
    "CREATE TRIGGER also BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE silent AS ON INSERT TO {table} DO INSTEAD NOTHING",
)
OF_THE_SCHEMA = (
    "SET session_replication_role = replica",
    f"SET ROLE {OWNER_LOGIN}",
    f"ALTER ROLE {SERVICE_LOGIN} SUPERUSER",
    "CREATE TABLE more (id int)",
    "CREATE VIEW more AS SELECT 1",
    "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA more",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION refuse_change() CASCADE",
    "ALTER FUNCTION move_balances() SECURITY INVOKER",
    "INSERT INTO ledger_move VALUES ('match', 'outside', 'matched', true)",
    "INSERT INTO role (name) VALUES ('more')",
    "UPDATE alembic_version SET version_num = 'more'",
    "UPDATE fund SET pledged_cents = 0",
    "UPDATE fund SET ended_at = now()",
    "UPDATE donation SET net_cents = 0",
    "UPDATE donation_match SET matched_cents = 0",
    "UPDATE campaign_totals SET donated_cents = 0",
)
# A trigger of a temporary table passes the guards that ask whether a trigger is at work.
BY_A_TRIGGER_OF_ITS_OWN = """
    CREATE TEMPORARY TABLE wedge (id int);
    CREATE FUNCTION pg_temp.move() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE fund SET pledged_cents = pledged_cents + 1; RETURN NEW; END';
    CREATE TRIGGER move BEFORE INSERT ON wedge FOR EACH ROW EXECUTE FUNCTION pg_temp.move();
    INSERT INTO wedge VALUES (1);
"""
ATTACHED_TO_ANOTHER_TABLE = """
    CREATE TEMPORARY TABLE wedge (LIKE ledger_entry);
    CREATE TRIGGER move AFTER INSERT ON wedge REFERENCING NEW TABLE AS posted FOR EACH STATEMENT EXECUTE FUNCTION move_balances();
"""
# A temporary table comes before the real one for whoever does not name the schema.
LARGER_DONATION = "CREATE TEMPORARY TABLE donation AS SELECT * FROM donation; UPDATE pg_temp.donation SET amount_cents = 1000000"
HOLD = """
    INSERT INTO ledger_entry (kind, from_account, to_account, cents, campaign_id, fund_id, donation_id, reference, cause)
    SELECT 'hold', 'available', 'held', 1, d.campaign_id, f.id, d.id, 'hold:more', 'test' FROM fund f JOIN donation d USING (campaign_id)
"""


@pytest.fixture
def connections(app: Flask) -> Iterator[tuple[Psycopg, Psycopg]]:
    """Connections of the service and of the owner."""
    urls = [db.engine.url.set(drivername="postgresql", username=login) for login in (SERVICE_LOGIN, OWNER_LOGIN)]
    with psycopg.connect(urls[0].render_as_string()) as service, psycopg.connect(urls[1].render_as_string()) as owner:
        yield service, owner
        service.rollback()
        owner.rollback()


@pytest.fixture
def owner(app: Flask) -> Iterator[Connection]:
    engine = create_engine(db.engine.url.set(username=OWNER_LOGIN))
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def refusal(connection: Psycopg, sql: str) -> type[Exception] | None:
    """How the database refuses the statements, which are undone."""
    try:
        connection.execute(sql.encode())
    except psycopg.Error as error:
        return type(error)
    finally:
        connection.rollback()
    return None


def forbidden(connection: Psycopg) -> list[str]:
    """What the service may not do to the tables that a trigger guards, as the catalog lists them, and to the schema."""
    tables = connection.execute(GUARDED).fetchall()
    assert {"ledger_entry", "audit_entry", "stripe_event", "receipt", "fund_change", "balance_transaction"} <= {
        str(table) for table, _ in tables
    }
    of_tables = [statement.format(table=table) for table, _ in tables for statement in OF_A_TABLE]
    updates = [
        f'UPDATE {table} SET "{column}" = "{column}"' for table, columns in tables for column in columns or []
    ]  # names of the catalog
    assert 'UPDATE ledger_entry SET "cents" = "cents"' in updates and 'UPDATE stripe_event SET "body" = "body"' in updates
    return [*of_tables, *(u for u in updates if "of_fund" not in u and u not in ERASABLE), *OF_THE_SCHEMA]


def test_the_service_is_refused_what_the_owner_could_do(campaign: Campaign, connections: tuple[Psycopg, Psycopg]) -> None:
    paid(campaign)
    service, owner = connections
    statements = forbidden(owner)
    assert len(statements) > 200
    assert {sql: refusal(service, sql) for sql in statements} == dict.fromkeys(statements, InsufficientPrivilege)
    by_owner = {sql: refusal(owner, sql) for sql in statements}
    assert InsufficientPrivilege not in by_owner.values(), "the control: the owner has the privilege"
    changes = 'UPDATE ledger_entry SET "cents" = "cents"', "DELETE FROM ledger_entry", "TRUNCATE ledger_entry CASCADE"
    assert {by_owner[sql] for sql in changes} == {RestrictViolation}, "only triggers keep the owner from it"
    assert [refusal(owner, f"ALTER TABLE ledger_entry DISABLE TRIGGER USER; {sql}") for sql in changes] == [None] * 3


def test_the_service_moves_no_balance_by_triggers_of_its_own(app: Flask, connections: tuple[Psycopg, Psycopg]) -> None:
    service, owner = connections
    for sql in (BY_A_TRIGGER_OF_ITS_OWN, ATTACHED_TO_ANOTHER_TABLE):
        assert refusal(service, sql) is InsufficientPrivilege
        assert refusal(owner, sql) is None, "the control: privileges alone are in the way"


def test_a_temporary_table_takes_the_place_of_no_table_in_a_guard(campaign: Campaign, connections: tuple[Psycopg, Psycopg]) -> None:
    start_donation(campaign, 100_00)
    db.session.commit()
    service, owner = connections
    with pytest.raises(psycopg.errors.CheckViolation, match="within_gift"):
        service.execute(f"{LARGER_DONATION}; {HOLD}".encode())
    service.rollback()
    owner.execute("ALTER FUNCTION refuse_match_beyond_terms() RESET search_path")
    owner.commit()
    assert refusal(service, f"{LARGER_DONATION}; {HOLD}") is None, "the control: the guard reads the temporary table"


def test_the_app_connects_as_the_service_and_knows_it(app: Flask, settings: Settings) -> None:
    assert db.session.execute(text("SELECT current_user")).scalar_one() == SERVICE_LOGIN
    configure("INFO")
    with capture_logs() as logs:
        warn_if_owner(settings)
        assert logs == []
        warn_if_owner(settings.model_copy(update={"database_url": settings.database_url.replace(SERVICE_LOGIN, OWNER_LOGIN, 1)}))
        warn_if_owner(settings.model_copy(update={"database_url": "postgresql+psycopg://nobody@127.0.0.1:9/none"}))
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("database.owner", "warning")]


def test_the_service_can_repeat_a_set_up_and_leaves_a_migration_to_the_owner(app: Flask, owner: Connection) -> None:
    migrate()
    owner.execute(text("COMMENT ON FUNCTION refuse_change() IS 'the digest of an older file'"))
    owner.commit()
    with pytest.raises(SettingsError, match="migrated by the owner of its tables"):
        migrate()


@pytest.mark.owner
def test_a_set_up_by_the_owner_mends_the_privileges(app: Flask, owner: Connection) -> None:
    for statement in (
        "GRANT UPDATE ON receipt TO campaign_service",
        "GRANT DELETE ON audit_entry TO PUBLIC",
        "REVOKE UPDATE ON outbox FROM campaign_service",
    ):
        owner.execute(text(statement))
    owner.commit()
    found = checker.findings(db.engine)
    assert found == [
        "I20: the privilege of the service audit_entry.DELETE is not one of this version.",
        "I20: the privilege of the service receipt.UPDATE is not one of this version.",
    ]
    assert len(list(privileges.list_changes(owner))) > 2
    privileges.grant_privileges(owner)
    owner.commit()
    assert checker.findings(db.engine) == []
    assert len(list(privileges.list_changes(owner))) == 2, "and the next set-up changes nothing"


def test_a_database_from_before_the_service_had_a_role_gets_it_at_the_next_set_up(app: Flask, owner: Connection) -> None:
    """In a transaction that is undone, under another name: the role belongs to all databases of the cluster."""
    owner.execute(text("ALTER ROLE campaign_service RENAME TO another; DROP OWNED BY another"))
    assert owner.scalar(text("SELECT count(*) FROM pg_roles WHERE rolname = 'campaign_service'")) == 0
    privileges.grant_privileges(owner)
    may = "SELECT has_table_privilege('campaign_service', 'ledger_entry', 'INSERT'), has_table_privilege('campaign_service', 'ledger_entry', 'UPDATE')"
    assert owner.execute(text(may)).one() == (True, False)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("ALTER ROLE campaign_service SUPERUSER", "campaign_service of the service is a superuser"),
        (
            "CREATE ROLE owner_of_all; GRANT owner_of_all TO campaign_service; ALTER TABLE ledger_entry OWNER TO owner_of_all",
            "is a member of the owner",
        ),
        ("GRANT CREATE ON SCHEMA public TO campaign", "the role campaign of the service may create objects"),
        ("GRANT EXECUTE ON FUNCTION move_balances TO PUBLIC", "may execute the function move_balances as its owner"),
        ("GRANT SET ON PARAMETER session_replication_role TO campaign_service", "may set session_replication_role"),
    ],
)
def test_i20_the_checker_finds_a_role_of_the_service_that_may_do_more(owner: Connection, statement: str, finding: str) -> None:
    """In a transaction that is undone: roles belong to all databases of the cluster."""
    assert list(guard_checks.service_is_not_owner(owner)) == []
    owner.execute(text(statement))
    assert any(finding in sentence for sentence in guard_checks.service_is_not_owner(owner))


@pytest.mark.owner
def test_a_database_with_one_role_alone_is_no_finding(owner: Connection) -> None:
    owner.execute(text("ALTER ROLE campaign_service RENAME TO another"))
    owner.execute(text("GRANT UPDATE ON ledger_entry TO another"))
    assert [*guard_checks.guards_are_unchanged(owner), *guard_checks.service_is_not_owner(owner)] == []
    owner.execute(text("SET LOCAL ROLE campaign"))
    assert not privileges.create_role(owner), "so that `campaign setup` says what is missing"
    owner.execute(text("RESET ROLE"))
    owner.execute(text("ALTER ROLE another RENAME TO campaign_service"))
    assert len(list(guard_checks.guards_are_unchanged(owner))) == 1, "the control"
