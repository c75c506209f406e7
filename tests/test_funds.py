"""The lifecycle of a fund in the books: frozen terms, pauses, ends, raised pledges and caps, and the database guard of each rule."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.matching import fund_lifecycle, rematching
from campaign.matching.fund_lifecycle import FundChangeRefused
from campaign.matching.funds import Fund, funds_of
from campaign.matching.holds import match_of
from campaign.operations import heartbeats, integrity_checks
from campaign.operations.integrity_checks import IntegrityCheck
from campaign.payments.checkouts import LessMatchAvailable
from campaign.reporting import staff_todo
from campaign.reporting.integrity import checker
from campaign.rules import local_time
from campaign.rules.allocation import Limit
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import event_jobs
from tests.factories import another_campaign, create_fund, create_refund, end, paid, pay, raise_pledge, start_donation
from tests.web import signed_in

BY = {"actor": "test", "reason": "test"}


def matched(*donations: Donation) -> list[int]:
    return [match_of(d.id).matched_cents for d in donations]


def only_fund(campaign: Campaign) -> Fund:
    (fund,) = funds_of(campaign.id)
    return fund


@pytest.mark.parametrize(
    ("term", "first", "second"),
    [
        ("ratio_numerator", "3", "2"),
        ("ratio_denominator", "3", "2"),
        ("minimum_cents", "1", "0"),
        ("per_donation_cents", "1", "NULL"),
        ("per_donor_cents", "1", "2"),
        ("closes_at", "now()", "now() + interval '1 day'"),
        ("opens_at", "now()", "NULL"),
        ("position", "7", "8"),
    ],
)
def test_terms_are_frozen_once_the_fund_is_active(campaign: Campaign, term: str, first: str, second: str) -> None:
    draft = create_fund(campaign, 100, position=2, active=False)
    db.session.execute(text(f"UPDATE fund SET {term} = {first} WHERE id = {draft.id}"))
    fund_lifecycle.activate(draft, **BY)
    with pytest.raises(DatabaseError, match="frozen"):
        db.session.execute(text(f"UPDATE fund SET {term} = {second} WHERE id = {draft.id}"))


@pytest.mark.owner
@pytest.mark.parametrize("change", ["paused_at = now()", "ended_at = now()", "activated_at = NULL"])
def test_the_status_of_a_fund_changes_only_by_fund_changes(fund: Fund, change: str) -> None:
    with pytest.raises(DatabaseError, match="moved by ledger entries only"):
        db.session.execute(text(f"UPDATE fund SET {change} WHERE id = {fund.id}"))


def test_invalid_changes_are_refused_and_each_change_is_recorded(fund: Fund) -> None:
    with pytest.raises(FundChangeRefused):
        fund_lifecycle.resume(fund, **BY)
    with pytest.raises(FundChangeRefused):
        fund_lifecycle.activate(fund, **BY)
    fund_lifecycle.pause(fund, actor="a@example.org", reason="under review")
    with pytest.raises(FundChangeRefused):
        fund_lifecycle.pause(fund, **BY)
    fund_lifecycle.resume(fund, **BY)
    fund_lifecycle.end(fund, **BY)
    with pytest.raises(FundChangeRefused):
        fund_lifecycle.raise_draft_pledge(fund, 1, **BY)
    kinds = [(c.kind, c.actor) for c in fund_lifecycle.changes_of(fund)][2:]
    assert kinds == [("paused", "a@example.org"), ("resumed", "test"), ("ended", "test")]
    acts = db.session.execute(text("SELECT action FROM audit_entry ORDER BY id DESC LIMIT 3")).scalars().all()
    assert acts == ["ended fund", "resumed fund", "paused fund"]


@pytest.mark.parametrize("kind", ["resumed", "activated"])
def test_the_database_refuses_an_invalid_change(fund: Fund, kind: str) -> None:
    with pytest.raises(IntegrityError, match="cannot be"):
        db.session.execute(text(f"INSERT INTO fund_change (fund_id, kind, actor, reason) VALUES ({fund.id}, '{kind}', 'x', 'x')"))


def test_a_pause_honors_holds_and_a_resume_rematches_in_order(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    held = start_donation(own, 30_00)
    fund_lifecycle.pause(only_fund(own), **BY)
    during = [start_donation(own, 40_00), start_donation(own, 40_00)]
    for donation in (held, *during):
        pay(donation)
    db.session.commit()
    assert matched(held, *during) == [30_00, 0, 0]
    assert during[0].match_limit == Limit.PAUSED
    assert checker.findings(db.engine) == []
    fund_lifecycle.resume(only_fund(own), **BY)
    db.session.commit()
    assert matched(held, *during) == [30_00, 40_00, 30_00]
    assert checker.findings(db.engine) == []


def test_an_early_end_honors_holds_and_earlier_payments(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    held, before, after = start_donation(own, 30_00), start_donation(own, 10_00), None
    end(before, "expired")
    fund_lifecycle.end(only_fund(own), **BY)
    db.session.commit()
    after = start_donation(own, 10_00)
    ended_at = only_fund(own).ended_at
    assert ended_at
    pay(held, at=ended_at + timedelta(minutes=9))
    pay(before, at=ended_at - timedelta(seconds=1))
    pay(after, at=ended_at)
    db.session.commit()
    assert matched(held, before, after) == [30_00, 10_00, 0]
    assert checker.findings(db.engine) == []


def test_a_raised_pledge_rematches_the_earliest_donations_first(campaign: Campaign) -> None:
    own = another_campaign(10_00, like=campaign)
    donations = [paid(own, 20_00) for _ in range(3)]
    assert matched(*donations) == [10_00, 0, 0]
    raise_pledge(only_fund(own), 25_00)
    assert matched(*donations) == [20_00, 15_00, 0]
    assert checker.findings(db.engine) == []


def test_a_new_fund_rematches_donations_within_its_window_in_the_order_of_settlement(campaign: Campaign) -> None:
    own = another_campaign(10_00, like=campaign)
    donations = [paid(own, 20_00) for _ in range(3)]
    create_fund(own, 15_00, position=2)
    assert matched(*donations) == [20_00, 5_00, 0]
    create_fund(own, 99_00, position=3, opens_at=datetime.now(UTC))
    db.session.commit()
    assert matched(*donations) == [20_00, 5_00, 0], "what was paid before the window is not matched by it"
    assert checker.findings(db.engine) == []


def test_the_cap_per_donor_covers_all_donations_of_one_email_and_a_refund_frees_it(campaign: Campaign) -> None:
    own = another_campaign(500_00, like=campaign, per_donor_cents=50_00)
    first, other = paid(own, 40_00, email="One@Example.org"), paid(own, 60_00, email="two@example.org")
    second = paid(own, 40_00, email="one@example.org")
    assert matched(first, other, second) == [40_00, 50_00, 10_00]
    with pytest.raises(LessMatchAvailable) as less:
        start_donation(own, 40_00, expected=40_00, email="one@example.org")
    db.session.rollback()
    assert (less.value.held_cents, less.value.quote.limit) == (0, Limit.PER_DONOR)
    create_refund(first, 40_00)
    db.session.commit()
    assert matched(first, other, second) == [0, 50_00, 40_00]
    assert checker.findings(db.engine) == []


def test_what_another_fund_matched_for_a_donor_does_not_count_toward_the_cap_of_this_one(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign, per_donor_cents=100_00)
    create_fund(own, 500_00, position=2, per_donor_cents=10_00)
    assert matched(paid(own, 150_00)) == [110_00]
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(
    ("terms", "guard"),
    [
        ({"per_donation_cents": 10_00}, "within_donation_cap"),
        ({"per_donor_cents": 10_00}, "within_donor_cap"),
        ({"minimum_cents": 100_00}, "above_minimum"),
        ({"closes_at": datetime(2026, 1, 1, tzinfo=UTC)}, "within_window"),
        ({"opens_at": datetime(2126, 1, 1, tzinfo=UTC)}, "within_window"),
    ],
)
def test_the_database_enforces_the_terms(campaign: Campaign, terms: dict[str, Any], guard: str) -> None:
    own = another_campaign(500_00, like=campaign, **terms)
    donation, fund = paid(own, 50_00), only_fund(own)
    more = Entry(
        kind=Move.MATCH,
        source="available",
        target="matched",
        cents=11_00,
        campaign_id=own.id,
        fund_id=fund.id,
        donation_id=donation.id,
        reference="against the terms",
        cause="test",
    )
    with pytest.raises(IntegrityError, match=guard):
        post_entries(more)


def test_a_paused_fund_refuses_even_an_entry_posted_directly(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 50_00)
    fund_lifecycle.pause(fund, **BY)
    more = Entry(
        kind=Move.HOLD,
        source="available",
        target="held",
        cents=1,
        campaign_id=campaign.id,
        fund_id=fund.id,
        donation_id=start_donation(campaign, 60_00).id,
        reference="by hand",
        cause="test",
    )
    assert match_of(donation.id).held_cents == 50_00
    with pytest.raises(IntegrityError, match="fund_gives"):
        post_entries(more)


def test_a_refund_that_does_not_reduce_the_match_cannot_be_committed(campaign: Campaign) -> None:
    donation = paid(campaign, 50_00)
    post_entries(
        Entry(
            kind=Move.REFUND,
            source="stripe",
            target="donations",
            cents=20_00,
            campaign_id=campaign.id,
            donation_id=donation.id,
            reference="a refund alone",
            cause="test",
        )
    )
    with pytest.raises(IntegrityError, match="within_net_gift"):
        db.session.commit()
    db.session.rollback()


def test_refunds_beyond_the_donation_leave_a_net_of_zero(campaign: Campaign) -> None:
    donation = paid(campaign, 50_00)
    for name in ("re_a", "re_b", "re_c"):
        create_refund(donation, 30_00, name=name)
    db.session.commit()
    db.session.refresh(donation)
    assert donation.net_cents == 0
    assert checker.findings(db.engine) == []


def test_without_holds_a_donation_is_matched_when_it_is_paid(campaign: Campaign) -> None:
    own = another_campaign(50_00, like=campaign)
    own.holds_match = False
    first, second = start_donation(own, 40_00, expected=40_00), start_donation(own, 40_00, expected=None)
    assert only_fund(own).held_cents == 0
    pay(second)
    pay(first)
    db.session.commit()
    assert matched(first, second) == [10_00, 40_00]
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(
    ("bound", "same"), [("holds_per_email", {"email": "one@example.org"}), ("holds_per_address", {"client_key": "one"})]
)
def test_the_number_of_holds_of_one_email_or_address_is_limited(campaign: Campaign, bound: str, same: dict[str, str]) -> None:
    setattr(campaign, bound, 3)
    holding = [start_donation(campaign, 10_00, expected=10_00, **same) for _ in range(3)]
    db.session.commit()
    with pytest.raises(LessMatchAvailable) as less:
        start_donation(campaign, 10_00, expected=10_00, **same)
    db.session.rollback()
    assert (less.value.held_cents, less.value.quote.later_cents) == (0, 10_00), "it is matched when it is paid"
    assert match_of(start_donation(campaign, 10_00, expected=0, **same).id).held_cents == 0
    start_donation(campaign, 10_00, expected=10_00)
    end(holding[0], "expired")
    db.session.commit()
    start_donation(campaign, 10_00, expected=10_00, **same)


def test_the_result_of_a_check_is_kept_however_long_it_takes(app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database ends a transaction that is idle for a minute; the check of large books takes longer."""

    def slow_check(_: Engine, *, since: object, night: date) -> checker.CheckResult:
        assert not db.session().in_transaction()
        assert since is None
        return checker.CheckResult(findings=["I1: something"], point=None)

    monkeypatch.setattr(checker, "check", slow_check)
    assert schedule_jobs.check_integrity_now() == 1
    assert [check.findings for check in db.session.query(IntegrityCheck)] == [["I1: something"]]


@pytest.mark.owner
def test_checks_that_do_not_run_are_degraded_and_shown_to_staff(app: Flask, campaign: Campaign) -> None:
    def degraded() -> Any:
        with app.app_context():
            heartbeats.beat("worker")
            db.session.commit()
            answer = app.test_client().get("/readyz").json
            return answer and answer["degraded"]

    assert degraded() == [], "the campaign is new"
    campaign.created_at = datetime.now(UTC) - timedelta(hours=2)
    db.session.commit()
    assert degraded() == ["integrity check"]
    assert "have not been checked for more than an hour" in signed_in(app, "viewer").get("/staff/").text
    assert staff_todo.todo_of(campaign).counted == {"unchecked": 1}
    schedule_jobs.check_integrity_now()
    assert degraded() == []
    db.session.execute(text("SET LOCAL session_replication_role = 'replica'"))  # A result is append-only.
    db.session.execute(text("UPDATE integrity_check SET at = now() - interval '61 minutes'"))
    db.session.commit()
    assert degraded() == ["integrity check"]


@pytest.mark.owner
def test_i27_a_breach_pauses_matching_is_reported_and_donations_go_on(app: Flask, campaign: Campaign, fund: Fund) -> None:
    donation = paid(campaign, 50_00)
    assert schedule_jobs.check_integrity_now() == 0
    assert schedule_jobs.check_integrity_now() == schedule_jobs.NOT_DUE
    assert db.session.query(integrity_checks.IntegrityCheck).count() == 1, "the check runs again only when it is due"
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET matched_cents = matched_cents - 1"))
    db.session.execute(text("SET LOCAL session_replication_role = 'replica'"))  # A result is append-only.
    db.session.execute(text("UPDATE integrity_check SET at = at - interval '11 minutes'"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    assert schedule_jobs.check_integrity_now() > 0
    db.session.expire_all()
    last = integrity_checks.last_check()
    assert last is not None
    assert last.findings[0].startswith("I2")
    assert fund.paused_at is not None
    later = start_donation(campaign, 20_00, expected=0)
    pay(later)
    db.session.commit()
    assert matched(donation, later) == [50_00, 0]
    assert fund_lifecycle.list_paused(campaign.id)[0][2] == last.findings[0]
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET matched_cents = matched_cents + 1"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    db.session.refresh(fund)
    fund_lifecycle.resume(fund, **BY)
    db.session.commit()
    assert matched(donation, later) == [50_00, 20_00]
    assert checker.findings(db.engine) == []


TORONTO = ZoneInfo("America/Toronto")


@pytest.mark.parametrize(
    ("typed", "utc"),
    [
        ("2026-12-31", "2026-12-31T05:00:00+00:00"),
        ("2026-07-01 09:30", "2026-07-01T13:30:00+00:00"),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T06:30:00+00:00"),
    ],
)
def test_local_times_are_read_in_the_charitys_time_zone(typed: str, utc: str) -> None:
    assert local_time.parse(typed, TORONTO).astimezone(UTC).isoformat() == utc


@pytest.mark.parametrize(
    ("typed", "error"),
    [("2026-03-08 02:30", "skip"), ("2026-11-01 01:30", "twice"), ("soon", "is not a date or time"), ("", "is not a date or time")],
)
def test_nonexistent_ambiguous_and_unreadable_local_times_are_refused(typed: str, error: str) -> None:
    with pytest.raises(local_time.InvalidLocalTime, match=error):
        local_time.parse(typed, TORONTO)


@pytest.mark.parametrize(
    ("day", "utc"),
    [("2026-11-01", "2026-11-02T05:00:00+00:00"), ("2026-03-08", "2026-03-09T04:00:00+00:00"), ("2026-12-31", "2027-01-01T05:00:00+00:00")],
)
def test_a_day_ends_when_the_next_begins_also_when_the_clocks_change(day: str, utc: str) -> None:
    assert local_time.parse_end(day, TORONTO).astimezone(UTC).isoformat() == utc


def test_during_a_rematch_a_donation_keeps_its_hold_and_donations_without_one_queue(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rematching, "STEP_SIZE", 1)
    own = another_campaign(100_00, like=campaign)
    first = paid(own, 80_00)
    held = start_donation(own, 20_00)
    waiting = [paid(own, 10_00) for _ in range(3)]
    db.session.commit()
    create_refund(first, 80_00)
    db.session.commit()
    assert rematching.campaigns_to_rematch() == [own.id]
    pay(held)
    late = paid(own, 10_00, expected=0)
    assert (held.match_limit, late.match_limit) == (None, Limit.EARLIER_GIFTS)
    with pytest.raises(LessMatchAvailable) as less:
        start_donation(own, 5_00, expected=5_00)
    db.session.rollback()
    assert (less.value.held_cents, less.value.quote.limit) == (0, Limit.EARLIER_GIFTS)
    event_jobs.rematch()
    assert matched(held, *waiting, late) == [20_00, 10_00, 10_00, 10_00, 10_00]
    assert start_donation(own, 5_00, expected=5_00)
    assert checker.findings(db.engine) == []
