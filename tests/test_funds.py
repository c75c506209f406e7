"""The rules of a fund in the books: frozen terms, pause and end, a raised pledge, caps; and the guards of the database behind each."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from campaign.edges.db import db
from campaign.giving import books_checks, fund_changes, healing, ledger, matches
from campaign.giving.campaigns import Campaign
from campaign.giving.checkouts import LessMatch
from campaign.giving.donations import Donation
from campaign.giving.fund_changes import CannotChange
from campaign.giving.funds import Fund, funds_of
from campaign.giving.ledger import Entry, Move
from campaign.reporting import books
from campaign.rules import moments
from campaign.rules.matching import Limit
from campaign.work import handling, sweeps
from tests.factories import a_fund, another_campaign, begun, end, give_back, paid, pay

WHO = {"actor": "test", "reason": "test"}


def matched(*donations: Donation) -> list[int]:
    return [matches.match_of(d.id).matched_cents for d in donations]


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
    draft = a_fund(campaign, 100, position=2, active=False)
    db.session.execute(text(f"UPDATE fund SET {term} = {first} WHERE id = {draft.id}"))
    fund_changes.activate(draft, **WHO)
    with pytest.raises(DatabaseError, match="frozen"):
        db.session.execute(text(f"UPDATE fund SET {term} = {second} WHERE id = {draft.id}"))


@pytest.mark.parametrize("change", ["paused_at = now()", "ended_at = now()", "activated_at = NULL"])
def test_a_fund_lives_by_its_changes_alone(fund: Fund, change: str) -> None:
    with pytest.raises(DatabaseError, match="move only"):
        db.session.execute(text(f"UPDATE fund SET {change} WHERE id = {fund.id}"))


def test_changes_that_cannot_be_are_refused_and_each_is_a_fact(fund: Fund) -> None:
    with pytest.raises(CannotChange):
        fund_changes.resume(fund, **WHO)
    with pytest.raises(CannotChange):
        fund_changes.activate(fund, **WHO)
    fund_changes.pause(fund, actor="a@example.org", reason="while we look")
    with pytest.raises(CannotChange):
        fund_changes.pause(fund, **WHO)
    fund_changes.resume(fund, **WHO)
    fund_changes.end(fund, **WHO)
    with pytest.raises(CannotChange):
        fund_changes.pledge(fund, 1, **WHO)
    kinds = [(c.kind, c.actor) for c in fund_changes.changes_of(fund)][2:]
    assert kinds == [("paused", "a@example.org"), ("resumed", "test"), ("ended", "test")]
    acts = db.session.execute(text("SELECT act FROM audit_entry ORDER BY id DESC LIMIT 3")).scalars().all()
    assert acts == ["ended fund", "resumed fund", "paused fund"]


@pytest.mark.parametrize("kind", ["resumed", "activated"])
def test_the_database_refuses_a_change_that_cannot_be(fund: Fund, kind: str) -> None:
    with pytest.raises(IntegrityError, match="cannot be"):
        db.session.execute(text(f"INSERT INTO fund_change (fund_id, kind, actor, reason) VALUES ({fund.id}, '{kind}', 'x', 'x')"))


def test_a_pause_honours_holds_and_going_on_heals_in_order(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    held = begun(own, 30_00)
    fund_changes.pause(only_fund(own), **WHO)
    during = [begun(own, 40_00), begun(own, 40_00)]
    for donation in (held, *during):
        pay(donation)
    db.session.commit()
    assert matched(held, *during) == [30_00, 0, 0]
    assert during[0].match_limit == Limit.PAUSED
    assert books.findings(db.engine) == []
    fund_changes.resume(only_fund(own), **WHO)
    db.session.commit()
    assert matched(held, *during) == [30_00, 40_00, 30_00]
    assert books.findings(db.engine) == []


def test_an_early_end_honours_holds_and_payments_made_before(campaign: Campaign) -> None:
    own = another_campaign(100_00, like=campaign)
    held, before, after = begun(own, 30_00), begun(own, 10_00), None
    end(before, "expired")
    fund_changes.end(only_fund(own), **WHO)
    after = begun(own, 10_00)
    ended_at = only_fund(own).ended_at
    assert ended_at
    pay(held, paid_at=ended_at + timedelta(minutes=9))
    pay(before, paid_at=ended_at - timedelta(seconds=1))
    pay(after, paid_at=ended_at)
    db.session.commit()
    assert matched(held, before, after) == [30_00, 10_00, 0]
    assert books.findings(db.engine) == []


def test_a_raised_pledge_heals_the_earliest_first(campaign: Campaign) -> None:
    own = another_campaign(10_00, like=campaign)
    gifts = [paid(own, 20_00) for _ in range(3)]
    assert matched(*gifts) == [10_00, 0, 0]
    fund_changes.pledge(only_fund(own), 25_00, actor="funder", reason="moved by the answer")
    db.session.commit()
    assert matched(*gifts) == [20_00, 15_00, 0]
    assert books.findings(db.engine) == []


def test_a_new_fund_heals_those_within_its_window_in_the_order_of_settlement(campaign: Campaign) -> None:
    own = another_campaign(10_00, like=campaign)
    gifts = [paid(own, 20_00) for _ in range(3)]
    a_fund(own, 15_00, position=2)
    assert matched(*gifts) == [20_00, 5_00, 0]
    a_fund(own, 99_00, position=3, opens_at=datetime.now(UTC))
    db.session.commit()
    assert matched(*gifts) == [20_00, 5_00, 0], "what was paid before the window is not matched by it"
    assert books.findings(db.engine) == []


def test_the_cap_per_donor_is_over_all_gifts_of_one_address_and_frees_with_a_refund(campaign: Campaign) -> None:
    own = another_campaign(500_00, like=campaign, per_donor_cents=50_00)
    first, other = paid(own, 40_00, email="One@Example.org"), paid(own, 60_00, email="two@example.org")
    second = paid(own, 40_00, email="one@example.org")
    assert matched(first, other, second) == [40_00, 50_00, 10_00]
    with pytest.raises(LessMatch) as less:
        begun(own, 40_00, expected=40_00, email="one@example.org")
    db.session.rollback()
    assert (less.value.held_cents, less.value.limit) == (0, Limit.PER_DONOR)
    give_back(first, 40_00)
    db.session.commit()
    assert matched(first, other, second) == [0, 50_00, 40_00]
    assert books.findings(db.engine) == []


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
def test_the_database_itself_keeps_the_terms(campaign: Campaign, terms: dict, guard: str) -> None:
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
        ledger.post(more)


def test_a_paused_fund_gives_nothing_even_to_an_entry_by_hand(campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 50_00)
    fund_changes.pause(fund, **WHO)
    more = Entry(
        kind=Move.HOLD,
        source="available",
        target="held",
        cents=1,
        campaign_id=campaign.id,
        fund_id=fund.id,
        donation_id=begun(campaign, 60_00).id,
        reference="by hand",
        cause="test",
    )
    assert matches.match_of(donation.id).held_cents == 50_00
    with pytest.raises(IntegrityError, match="fund_gives"):
        ledger.post(more)


def test_the_match_falls_in_the_transaction_of_the_refund_or_nothing_is_written(campaign: Campaign) -> None:
    donation = paid(campaign, 50_00)
    ledger.post(
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


def test_more_than_the_gift_cannot_be_returned(campaign: Campaign) -> None:
    donation = paid(campaign, 50_00)
    for name in ("re_a", "re_b", "re_c"):
        give_back(donation, 30_00, name=name)
    db.session.commit()
    db.session.refresh(donation)
    assert donation.net_cents == 0
    assert books.findings(db.engine) == []


def test_without_holds_a_gift_is_matched_when_it_is_paid(campaign: Campaign) -> None:
    own = another_campaign(50_00, like=campaign)
    own.holds_match = False
    first, second = begun(own, 40_00, expected=40_00), begun(own, 40_00, expected=None)
    assert only_fund(own).held_cents == 0
    pay(second)
    pay(first)
    db.session.commit()
    assert matched(first, second) == [10_00, 40_00]
    assert books.findings(db.engine) == []


@pytest.mark.parametrize(
    ("bound", "who"), [("holds_per_email", {"email": "one@example.org"}), ("holds_per_address", {"client_key": "one"})]
)
def test_holds_of_one_address_are_bounded_so_that_nobody_hoards_the_match(campaign: Campaign, bound: str, who: dict) -> None:
    setattr(campaign, bound, 3)
    holding = [begun(campaign, 10_00, expected=10_00, **who) for _ in range(3)]
    db.session.commit()
    with pytest.raises(LessMatch) as less:
        begun(campaign, 10_00, expected=10_00, **who)
    db.session.rollback()
    assert less.value.limit == Limit.HELD_ELSEWHERE
    assert matches.match_of(begun(campaign, 10_00, expected=0, **who).id).held_cents == 0
    begun(campaign, 10_00, expected=10_00)
    end(holding[0], "expired")
    db.session.commit()
    begun(campaign, 10_00, expected=10_00, **who)


def test_i27_a_breach_pauses_the_matching_tells_staff_and_gifts_go_on(app: Flask, campaign: Campaign, fund: Fund) -> None:
    gift = paid(campaign, 50_00)
    assert sweeps.check_books() == 0
    assert sweeps.check_books() == 0
    assert db.session.query(books_checks.BooksCheck).count() == 1, "checked again only when it is due"
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET matched_cents = matched_cents - 1"))
    db.session.execute(text("UPDATE books_check SET at = at - interval '11 minutes'"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    assert sweeps.check_books() > 0
    db.session.expire_all()
    last = books_checks.last()
    assert last is not None
    assert last.findings[0].startswith("I2")
    assert fund.paused_at is not None
    later = begun(campaign, 20_00, expected=0)
    pay(later)
    db.session.commit()
    assert matched(gift, later) == [50_00, 0]
    assert fund_changes.paused(campaign.id)[0][2] == last.findings[0]
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET matched_cents = matched_cents + 1"))
    db.session.execute(text("SET session_replication_role = origin"))
    db.session.commit()
    db.session.refresh(fund)
    fund_changes.resume(fund, **WHO)
    db.session.commit()
    assert matched(gift, later) == [50_00, 20_00]
    assert books.findings(db.engine) == []


TORONTO = ZoneInfo("America/Toronto")


@pytest.mark.parametrize(
    ("typed", "utc"),
    [
        ("2026-12-31", "2026-12-31T05:00:00+00:00"),
        ("2026-07-01 09:30", "2026-07-01T13:30:00+00:00"),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T06:30:00+00:00"),
    ],
)
def test_moments_are_read_by_the_charitys_clocks(typed: str, utc: str) -> None:
    assert moments.parse(typed, TORONTO).astimezone(UTC).isoformat() == utc


@pytest.mark.parametrize(
    ("typed", "why"), [("2026-03-08 02:30", "skip"), ("2026-11-01 01:30", "twice"), ("soon", "no moment"), ("", "no moment")]
)
def test_what_no_clock_shows_or_shows_twice_is_refused(typed: str, why: str) -> None:
    with pytest.raises(moments.NotAMoment, match=why):
        moments.parse(typed, TORONTO)


@pytest.mark.parametrize(
    ("day", "utc"),
    [("2026-11-01", "2026-11-02T05:00:00+00:00"), ("2026-03-08", "2026-03-09T04:00:00+00:00"), ("2026-12-31", "2027-01-01T05:00:00+00:00")],
)
def test_a_day_ends_when_the_next_begins_also_in_the_nights_of_change(day: str, utc: str) -> None:
    assert moments.parse_end(day, TORONTO).astimezone(UTC).isoformat() == utc


def test_while_earlier_gifts_are_healed_a_gift_with_its_hold_is_whole_and_others_wait(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(healing, "LOOKED_AT_A_STEP", 1)
    own = another_campaign(100_00, like=campaign)
    first = paid(own, 80_00)
    held = begun(own, 20_00)
    waiting = [paid(own, 10_00) for _ in range(3)]
    db.session.commit()
    give_back(first, 80_00)
    db.session.commit()
    assert healing.campaigns_due() == [own.id]
    pay(held)
    late = paid(own, 10_00, expected=0)
    assert (held.match_limit, late.match_limit) == (None, Limit.EARLIER_GIFTS)
    with pytest.raises(LessMatch) as less:
        begun(own, 5_00, expected=5_00)
    db.session.rollback()
    assert (less.value.held_cents, less.value.limit) == (0, Limit.EARLIER_GIFTS)
    handling.heal()
    assert matched(held, *waiting, late) == [20_00, 10_00, 10_00, 10_00, 10_00]
    assert begun(own, 5_00, expected=5_00)
    assert books.findings(db.engine) == []
