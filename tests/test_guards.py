"""The check of the books knows each guard of the database by its content (reporting/integrity/guard_checks.py)."""

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.edges.db import db
from campaign.reporting.integrity import checker, guard_checks

WEAKENED = {
    "function without effect": (
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "function refuse_change()",
    ),
    "setting of a function": (
        "ALTER FUNCTION refuse_match_beyond_terms() SET search_path = pg_temp",
        "function refuse_match_beyond_terms()",
    ),
    "function dropped": ("DROP FUNCTION end_receipt_lines() CASCADE", "function end_receipt_lines() is missing"),
    "trigger disabled": ("ALTER TABLE ledger_entry DISABLE TRIGGER append_only", "trigger ledger_entry.append_only"),
    "trigger on replicas only": ("ALTER TABLE ledger_entry ENABLE REPLICA TRIGGER append_only", "trigger ledger_entry.append_only"),
    "trigger dropped": ("DROP TRIGGER terms_are_frozen ON fund", "trigger fund.terms_are_frozen"),
    "trigger on fewer events": (
        "CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "trigger audit_entry.append_only",
    ),
    "trigger renamed": ("ALTER TRIGGER append_only ON receipt RENAME TO was_append_only", "trigger receipt.was_append_only"),
    "trigger added": (
        "CREATE TRIGGER also BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "trigger ledger_entry.also",
    ),
    "check dropped": ("ALTER TABLE fund DROP CONSTRAINT within_pledge", "constraint fund.within_pledge"),
    "check weaker under its name": (
        "ALTER TABLE fund DROP CONSTRAINT within_pledge; ALTER TABLE fund ADD CONSTRAINT within_pledge CHECK (held_cents > -1)",
        "constraint fund.within_pledge",
    ),
    "key dropped": ("ALTER TABLE campaign_donor DROP CONSTRAINT pk_campaign_donor", "constraint campaign_donor.pk_campaign_donor"),
    "foreign key disabled": ("ALTER TABLE ledger_entry DISABLE TRIGGER ALL", "foreign key of ledger_entry"),
    "key to the moves dropped": ("ALTER TABLE ledger_entry DROP CONSTRAINT move_is_permitted", "constraint ledger_entry.move_is_permitted"),
    "null permitted": ("ALTER TABLE ledger_entry ALTER COLUMN cents DROP NOT NULL", "table ledger_entry"),
    "rule": ("CREATE RULE silent AS ON INSERT TO audit_entry DO INSTEAD NOTHING", "rule audit_entry.silent"),
    "not logged": ("ALTER TABLE pending_rematch SET UNLOGGED", "table pending_rematch"),
    "rows hidden": ("ALTER TABLE campaign ENABLE ROW LEVEL SECURITY", "table campaign"),
    "rows of another table": ("CREATE TABLE more () INHERITS (ledger_entry)", "table ledger_entry"),
    "index added": ("CREATE UNIQUE INDEX one_a_campaign ON fund (campaign_id)", "unique index fund.one_a_campaign"),
    "change granted to the service": ("GRANT UPDATE ON ledger_entry TO campaign_service", "privilege of the service ledger_entry.UPDATE"),
    "column granted to everybody": (
        "GRANT UPDATE (net_cents) ON donation TO PUBLIC",
        "privilege of the service donation.UPDATE(net_cents)",
    ),
    "deletion granted to a login": ("GRANT DELETE ON receipt TO campaign", "privilege of the service receipt.DELETE"),
    "move added": ("INSERT INTO ledger_move VALUES ('match', 'outside', 'matched', true)", "match may move from outside to matched"),
    "move deleted": ("DELETE FROM ledger_move WHERE kind = 'receive'", "receive may move from funder to received"),
}


@pytest.mark.owner
def test_a_new_database_has_exactly_the_guards_in_the_file(app: Flask) -> None:
    """If this fails after a change to the tables or triggers: `make guards`, and read what changed."""
    with db.engine.connect() as connection:
        assert guard_checks.guards_in_force(connection) == guard_checks.permitted_guards()
    assert checker.findings(db.engine) == []


@pytest.mark.owner
@pytest.mark.parametrize("weakened", WEAKENED)
def test_i20_the_checker_finds_a_weakened_guard(app: Flask, weakened: str) -> None:
    statements, named = WEAKENED[weakened]
    if "ledger_move" in statements:
        db.session.execute(text("ALTER TABLE ledger_move DISABLE TRIGGER closed_table"))
    db.session.execute(text(statements))
    db.session.commit()
    found = checker.findings(db.engine)
    assert any(sentence.startswith("I20: ") and named in sentence for sentence in found), found
    assert not any(sentence.startswith(checker.NOT_ABOUT_MATCHING) for sentence in found)


@pytest.mark.owner
def test_i20_the_checker_finds_that_no_trigger_fires_in_this_database(app: Flask) -> None:
    name = db.session.execute(text("SELECT current_database()")).scalar_one()
    db.session.execute(text(f'ALTER DATABASE "{name}" SET session_replication_role = replica'))
    db.session.commit()
    db.engine.dispose()
    assert checker.findings(db.engine) == ["I20: session_replication_role is replica, so no trigger fires."]


@pytest.mark.owner
def test_guards_of_another_version_are_reported_and_pause_nothing(app: Flask) -> None:
    """Between the migration and the restart, the version before runs the check over the tables of the next."""
    db.session.execute(
        text("COMMENT ON FUNCTION refuse_change() IS 'the digest of the next version'; ALTER TABLE fund ADD COLUMN colour text")
    )
    db.session.commit()
    [found] = checker.findings(db.engine)
    assert found.startswith(guard_checks.OF_ANOTHER_VERSION)
    assert found.startswith(checker.NOT_ABOUT_MATCHING)


@pytest.mark.owner
def test_tables_views_functions_and_indexes_of_the_operator_are_no_finding(app: Flask) -> None:
    for statement in (
        "CREATE TABLE pledge_note (id bigint PRIMARY KEY, donation_id bigint REFERENCES donation (id), text text CHECK (text <> ''))",
        "CREATE VIEW latest_donation AS SELECT max(id) AS id FROM donation",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX ix_of_the_operator ON donation (started_at)",
    ):
        db.session.execute(text(statement))
    db.session.commit()
    assert checker.findings(db.engine) == []
