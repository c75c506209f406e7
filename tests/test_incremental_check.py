"""The scheduled check reads what is new since a verified point, and once a night at all books (reporting/integrity/scope.py).

Wherever another test checks the books, the two are compared too (tests/conftest.py).
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import text

from benchmarks import large_books
from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.operations import integrity_checks
from campaign.operations.integrity_checks import IntegrityCheck
from campaign.reporting.integrity import checker, scope
from campaign.reporting.integrity.scope import VerifiedPoint
from campaign.reporting.integrity.snapshot import rows
from campaign.schedule import schedule_jobs
from tests.conftest import Copied, Post
from tests.factories import create_refund, end, paid, start_donation

# Tables that grow with the number of donations.
LARGE = (
    "ledger_entry",
    "donation",
    "donation_match",
    "match_queue",
    "receipt",
    "receipt_line",
    "outbox",
    "delivery_attempt",
    "stripe_event",
)
NEW = {
    "a match of an entry": ("UPDATE ledger_entry SET cents = cents - 1 WHERE id = (SELECT max(id) FROM ledger_entry WHERE kind = 'match')", "I2"),
    "a hash": ("UPDATE ledger_entry SET hash = 'x' WHERE id = (SELECT max(id) FROM ledger_entry)", "I20"),
    "an entry": ("DELETE FROM ledger_entry WHERE id = (SELECT max(id) FROM ledger_entry WHERE kind = 'match')", "I20"),
    "a donation's moment": ("UPDATE donation SET received_at = NULL, authorized_at = NULL WHERE id = (SELECT max(id) FROM donation)", "I13"),
    "a place in the queue": ("DELETE FROM match_queue WHERE donation_id = (SELECT max(donation_id) FROM match_queue)", "I7"),
    "an end without release": ("UPDATE donation SET ended_at = now(), ended_as = 'expired' WHERE received_at IS NULL", "I32"),
    "the balance of a fund": ("UPDATE fund SET matched_cents = matched_cents - 1", "I2"),
    "the donors of a campaign": ("UPDATE campaign_totals SET donors = donors + 1", "I2"),
    "a receipt's line": ("UPDATE receipt_line SET cents = cents + 1 WHERE id = (SELECT max(id) FROM receipt_line)", "I17"),
    "a receipt's document": ("UPDATE receipt_document SET pdf = 'x' WHERE receipt_id = (SELECT max(receipt_id) FROM receipt_document)", "I16"),
    "a Message-ID": ("UPDATE outbox SET message_id = NULL WHERE id = (SELECT max(outbox_id) FROM frozen_email)", "I18"),
}  # fmt: skip


MARGINS = {name: getattr(scope, name) for name in ("MARGIN", "MARGIN_OF_CHECKOUTS", "SNAPSHOTS_AT_ONCE", "QUEUE_LENGTH")}


@pytest.fixture(autouse=True)
def real_margins(parts_of_books_are_checked_too: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new is new by the margins of the service."""
    for name, margin in MARGINS.items():
        monkeypatch.setattr(scope, name, margin)


def tamper(sql: str) -> None:
    """Change the books behind the back of every guard."""
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text(sql))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()


def verified() -> VerifiedPoint:
    point = checker.check(db.engine, since=None).point
    assert point is not None
    return point


def age_rows(minutes: int) -> None:
    """Let all donations, receipts and messages be older, so that only newer ones are new."""
    for table, column in (
        ("donation", "started_at"),
        ("receipt", "issued_at"),
        ("outbox", "created_at"),
        ("delivery_attempt", "started_at"),
    ):
        tamper(f"UPDATE {table} SET {column} = {column} - interval '{minutes} minutes'")


def check_later(minutes: int = 11) -> IntegrityCheck:
    """Run the scheduled check when it is due again, and return what it recorded."""
    tamper(f"UPDATE integrity_check SET at = at - interval '{minutes} minutes'")
    assert schedule_jobs.check_integrity_now() != schedule_jobs.NOT_DUE
    db.session.expire_all()
    check = integrity_checks.last_check()
    assert check is not None
    return check


def broken_invariants(since: VerifiedPoint) -> set[str]:
    """The invariants that a check of what is new finds broken."""
    return {sentence.partition(":")[0] for sentence in checker.check(db.engine, since=since).findings}


@pytest.mark.owner
def test_what_is_wrong_with_new_books_is_found_without_reading_all(campaign: Campaign, post: Post, copied: Copied) -> None:
    paid(campaign, 49_950_00)
    start_donation(campaign, 10_00, expected=10_00)
    db.session.commit()
    send_jobs.send_due()
    age_rows(30)
    since = verified()
    paid(campaign, 100_00)
    send_jobs.send_due()
    assert broken_invariants(since) == set(), "control: nothing is wrong yet"
    for what, (sql, invariant) in NEW.items():
        with copied():
            tamper(sql)
            assert invariant in broken_invariants(since), what


# What happens later to donations, receipts and messages that were old when the point was verified.
LATER = {
    "a message is given up": ("UPDATE outbox SET dead_at = now()", "I14"),
    "a dispute is lost": ("UPDATE reversal SET status = 'lost', reversed_cents = 5000, snapshot_number = snapshot_number + 1000", "I11"),
    "a receipt ends": (
        "INSERT INTO receipt_end (receipt_id, ended_as, reason, actor, note) SELECT min(id), 'replaced', 'lost', 'x', 'x' FROM receipt",
        "I16",
    ),
    "a message is sent again": (
        "INSERT INTO delivery_attempt (outbox_id, sha256, outcome, ended_at) SELECT min(id), 'x', 'unknown', now() FROM outbox",
        "I18",
    ),
    "a document is made": (
        """
        INSERT INTO delivery_attempt (outbox_id, sha256) SELECT max(outbox_id), 'x' FROM frozen_email;
        UPDATE receipt_document SET pdf = 'x'
        """,
        "I16",
    ),
    "a message without a donation is sent again": (
        "INSERT INTO delivery_attempt (outbox_id, sha256, outcome, ended_at) SELECT id, 'y', 'unknown', now() FROM outbox WHERE donation_id IS NULL",
        "I18",
    ),
    "a message is made and given up": (
        """
        DELETE FROM receipt_line;
        INSERT INTO outbox (key, kind, donation_id, dead_at) SELECT 'x', 'receipt_copy', min(id), now() FROM donation
        """,
        "I14",
    ),
    "a receipt is added": (
        """
        INSERT INTO receipt SELECT (jsonb_populate_record(r, jsonb_build_object('id', 9999, 'number', 3, 'serial', year || '-000003', 'check_code', 'x',
            'content', content || '{"amount_cents": 1, "eligible_cents": 1}'))).* FROM receipt r WHERE number = 1;
        UPDATE receipt_line SET receipt_id = 9999, cents = 1 WHERE id = (SELECT min(id) FROM receipt_line)
        """,
        "I17",
    ),
    "a balance transaction is read": (
        """
        INSERT INTO balance_transaction
            (stripe_id, type, category, source, payment_intent, cents, fee_cents, net_cents, currency, created_at, posted_at, charged_at)
        SELECT 'txn_x', 'charge', 'charge', 'ch_x', payment_intent, 1, 0, 1, 'CAD', now(), now(), now() - interval '1 day' FROM donation ORDER BY id LIMIT 1
        """,
        "I25",
    ),
    "the balance is read": ("UPDATE stripe_cursor SET read_until = now() + interval '2 hours'", "I11"),
}


@pytest.mark.owner
def test_what_happens_to_old_books_is_found_too(campaign: Campaign, post: Post, monkeypatch: pytest.MonkeyPatch, copied: Copied) -> None:
    monkeypatch.setattr(scope, "SNAPSHOTS_AT_ONCE", 0)  # Otherwise the only dispute would always be new.
    first = paid(campaign, 100_00)
    create_refund(paid(campaign, 100_00), 50_00, kind="dispute", name="dp_1", status="needs_response")
    send_jobs.send_due()
    paid(campaign, 10_00)  # Its receipt is pending.
    db.session.execute(text("INSERT INTO outbox (key, kind, fund_id, done_at) SELECT 'x-1', 'pledge_matched', min(id), now() FROM fund"))
    accepted = "INSERT INTO delivery_attempt (outbox_id, sha256, outcome, ended_at) SELECT max(id), 'x', 'accepted', now() FROM outbox"
    db.session.execute(text(accepted))
    db.session.execute(text("INSERT INTO stripe_cursor (list, livemode, read_until) VALUES ('balance', false, now() - interval '3 hours')"))
    db.session.commit()
    age_rows(60)
    since = verified()
    for _ in range(2):
        since = checker.check(db.engine, since=since).point or {}
    for what, (sql, invariant) in LATER.items():
        with copied():
            tamper(sql)
            assert invariant in broken_invariants(since), what
            if what == "the balance is read":
                assert any(first.public_id in sentence for sentence in checker.check(db.engine, since=since).findings)


@pytest.mark.owner
def test_what_was_changed_in_old_books_is_found_at_night(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    paid(campaign, 50_00)
    age_rows(60)
    since = verified()
    paid(campaign, 20_00)
    tamper("UPDATE ledger_entry SET reference = reference || 'x' WHERE id = (SELECT min(id) FROM ledger_entry WHERE kind = 'donation')")
    assert broken_invariants(since) == set()
    assert "I20: the hash chain campaign:1 breaks at entry 1." in checker.check(db.engine, since=None).findings


def test_the_sums_of_a_point_and_of_later_entries_are_those_of_all(app: Flask, campaign: Campaign) -> None:
    first = paid(campaign, 100_00, email="one@example.org")
    since = verified()
    paid(campaign, 30_00, email="one@example.org")
    paid(campaign, 20_00)
    create_refund(first, 40_00)
    end(start_donation(campaign, 10_00, expected=10_00), "expired")
    db.session.commit()
    later, whole = checker.check(db.engine, since=since).point, verified()
    assert later is not None
    assert {name: later[name] for name in scope.SUMS_OF_A_POINT} == {name: whole[name] for name in scope.SUMS_OF_A_POINT}


@pytest.mark.owner
def test_a_forged_point_is_found_against_the_chain_and_never_used_at_night(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    since = verified()
    paid(campaign, 20_00)
    for forged in (
        {**since, "chain": [[chain, position, "00"] for chain, position, _ in since["chain"]]},
        {**since, "move": [[*move[:5], move[5] + 1, move[6]] for move in since["move"]]},
        {**since, "donors": [[campaign.id, 7]]},
        scope.START | {"chain": since["chain"]},
    ):
        assert checker.check(db.engine, since=forged).findings != []
    assert checker.check(db.engine, since=None).findings == []


@pytest.mark.owner
def test_an_old_donation_that_waits_while_money_is_left_is_found(app: Flask, campaign: Campaign, fund: Fund) -> None:
    matched, _ = paid(campaign, 50_000_00), paid(campaign, 100_00)
    age_rows(60)
    since = verified()
    fund_lifecycle.pause(fund, actor="test", reason="test")
    create_refund(matched, 500_00)
    db.session.commit()
    assert broken_invariants(since) == set(), "control: while the fund is paused, they wait"
    tamper("UPDATE fund SET paused_at = NULL; DELETE FROM pending_rematch")
    assert "I5" in broken_invariants(since)


@pytest.mark.owner
def test_the_scheduled_check_reads_all_books_once_a_night(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    schedule_jobs.check_integrity_now()
    last = integrity_checks.last_check()
    assert last is not None
    assert (last.is_whole, last.findings) == (True, [])
    zone = ZoneInfo("America/Toronto")
    night = datetime(2026, 11, 27, 3, tzinfo=zone)
    tamper(f"UPDATE integrity_check SET at = '{night - timedelta(minutes=1)}'")
    db.session.expire_all()
    assert integrity_checks.verified_point(night - timedelta(seconds=1)) == last.point
    assert integrity_checks.verified_point(night) is None
    tamper(f"UPDATE integrity_check SET at = '{night}'")
    db.session.expire_all()
    assert integrity_checks.verified_point(night + timedelta(hours=23, minutes=59)) == last.point
    assert integrity_checks.verified_point(night.astimezone(UTC) + timedelta(hours=24)) is None


@pytest.mark.owner
def test_checks_read_all_books_until_one_is_clean_and_then_at_what_is_new(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[VerifiedPoint | None] = []
    results = iter((["I1: first"], [], [], ["I1: second"], []))

    def check(_: object, *, since: VerifiedPoint | None, night: date | None) -> checker.CheckResult:
        seen.append(since)
        found = next(results)
        return checker.CheckResult(findings=found, point=None if found else {"number": [[len(seen)]]})

    monkeypatch.setattr(checker, "check", check)
    monkeypatch.setattr(integrity_checks, "NIGHT_HOUR", (datetime.now(ZoneInfo("America/Toronto")) - timedelta(hours=6)).hour)
    schedule_jobs.check_integrity_now()
    for _ in range(4):
        check_later()
    second, third = {"number": [[2]]}, {"number": [[3]]}
    assert seen == [None, None, second, third, third], "what a check of new books found is read again"
    assert [check.is_whole for check in db.session.query(IntegrityCheck).order_by(IntegrityCheck.id)] == [True, True, False, False, False]


@pytest.mark.owner
def test_each_document_is_read_once_a_week_and_by_the_command_at_once(app: Flask, campaign: Campaign, post: Post) -> None:
    paid(campaign, 100_00)
    send_jobs.send_due()
    tamper("UPDATE receipt_document SET pdf = 'x' WHERE kind = 'signed'")
    nights = [date(2026, 11, 27) + timedelta(days=day) for day in range(7)]
    found = [any("I16" in s for s in checker.check(db.engine, since=None, night=night).findings) for night in nights]
    assert sorted(found) == [False] * 6 + [True]
    assert any("I16" in sentence for sentence in checker.findings(db.engine))


@pytest.mark.owner
def test_a_document_that_is_wrong_is_found_every_day_until_it_is_right(
    app: Flask, campaign: Campaign, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights: list[date | None] = []
    results = iter((["I16: a document"], ["I16: a document"], []))

    def check(_: object, *, since: VerifiedPoint | None, night: date | None) -> checker.CheckResult:
        nights.append(night)
        return checker.CheckResult(findings=next(results), point=None)

    monkeypatch.setattr(checker, "check", check)
    schedule_jobs.check_integrity_now()
    for _ in range(2):
        check_later()
    assert nights == [nights[0], None, None]
    assert nights[0] is not None


@pytest.mark.owner
@pytest.mark.parametrize(
    "point", ["{}", "[]", '"x"', '{"chain": [["fund:1", "x", "zz"]], "move": [], "donors": [], "row": [], "moment": [], "message": []}']
)
def test_a_point_that_cannot_be_read_lets_all_books_be_checked(app: Flask, campaign: Campaign, point: str) -> None:
    paid(campaign, 100_00)
    schedule_jobs.check_integrity_now()
    tamper(f"UPDATE integrity_check SET point = '{point}', at = now() - interval '11 minutes'")
    check = check_later(0)
    assert (check.is_whole, check.findings, check.point is not None) == (True, [], True)


@pytest.mark.owner
def test_a_clock_that_was_fast_does_not_keep_the_books_from_being_checked(app: Flask, campaign: Campaign) -> None:
    schedule_jobs.check_integrity_now()
    tamper("UPDATE integrity_check SET at = now() + interval '3 days'")
    db.session.expire_all()
    assert integrity_checks.verified_point() is None
    campaign.created_at = datetime.now(UTC) - timedelta(hours=2)
    db.session.commit()
    assert integrity_checks.silent_since() is not None
    assert schedule_jobs.check_integrity_now() == 0
    assert integrity_checks.silent_since() is None


def test_a_check_of_what_is_new_reads_no_large_table_as_a_whole(app: Flask, campaign: Campaign) -> None:
    """However large the books are, a check takes as long as what is new in them. `make books` measures it."""
    large_books.fill(1500, matched=1500)
    since = verified()
    large_books.fill(50, matched=50, first=large_books.FIRST + 1500)
    db.session.remove()
    db.engine.dispose()  # A new connection has counted nothing yet.
    with db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as snapshot:
        # In small books they are faster: what is tested is that there is an index for each.
        for plan in ("seqscan", "hashjoin", "mergejoin"):
            snapshot.execute(text(f"SET LOCAL enable_{plan} = off"))
        scope.open_new_books(snapshot, since)
        counts = (
            "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE schemaname = current_schema()"
        )
        read = {str(table): int(str(count)) for table, count in rows(snapshot, counts)}
        new = snapshot.scalar(text("SELECT count(*) FROM scope"))
    assert {table: read[table] for table in LARGE if read[table] > 1000} == {}
    assert new is not None
    assert new >= 50, "control: the new donations are there"
    assert checker.findings(db.engine) == []
