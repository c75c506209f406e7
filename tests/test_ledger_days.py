"""Sums of the ledger by day: of days that have ended as they are stored, of the others from the entries, and the same by both ways."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.effects import decide_and_apply
from campaign.matching.funds import Fund
from campaign.payments import settlement
from campaign.reporting import ledger_day_jobs, ledger_days
from campaign.reporting.integrity import checker
from campaign.reporting.ledger_days import DaySum, LedgerDay
from campaign.reporting.statements import statement as statements
from tests.factories import create_refund, paid, start_donation, today

LATER = datetime.now(UTC) + timedelta(days=2)
KINDS = (Move.DONATION, Move.REFUND, Move.MATCH, Move.UNMATCH)


@pytest.fixture
def gifts(campaign: Campaign) -> None:
    create_refund(paid(campaign, 100_00), 30_00)
    paid(campaign, 50_00)
    db.session.commit()


def sums(campaign: Campaign, *, fund_id: int | None = None) -> dict[date, dict[Move, DaySum]]:
    return dict(ledger_days.sums_by_day(campaign, KINDS, since=today() - timedelta(days=3), fund_id=fund_id))


def test_sums_are_the_same_before_and_after_the_day_is_stored(gifts: None, campaign: Campaign, fund: Fund) -> None:
    live, of_fund = sums(campaign), sums(campaign, fund_id=fund.id)
    assert live == {
        today(): {
            Move.DONATION: DaySum(cents=150_00, entries=2),
            Move.REFUND: DaySum(cents=30_00, entries=1),
            Move.MATCH: DaySum(cents=150_00, entries=2),
            Move.UNMATCH: DaySum(cents=30_00, entries=1),
        }
    }
    assert set(of_fund[today()]) == {Move.MATCH, Move.UNMATCH}
    assert ledger_day_jobs.store_ended_days() == 0, "the day has not ended"
    assert ledger_days.store_ended_days(campaign, now=LATER) >= 1
    assert ledger_days.store_ended_days(campaign, now=LATER) == 0, "once"
    db.session.commit()
    assert (sums(campaign), sums(campaign, fund_id=fund.id)) == (live, of_fund)
    stored = db.session.scalars(select(LedgerDay.cents)).all()
    assert sum(stored) == sum(db.session.scalars(select(LedgerEntry.cents)))
    assert checker.findings(db.engine) == []


def test_a_statement_is_the_same_before_and_after_its_days_are_stored(gifts: None, campaign: Campaign, fund: Fund) -> None:
    create_refund(paid(campaign, 40_00), 40_00)  # Not matched any more.
    open_one = start_donation(campaign, 70_00)
    db.session.commit()
    end = statements.lock_end(fund)
    live = statements.build_statement(fund, end)
    assert (live.donations, live.matched_cents, live.held_cents, live.received_cents) == (2, 120_00, 70_00, 0)
    assert [(day.on, day.donations, day.matched_cents) for day in live.days] == [(today(), 2, 120_00)]
    ledger_days.store_ended_days(campaign, now=LATER)
    end_of_days = replace(end, moment=LATER)
    assert replace(statements.build_statement(fund, end_of_days), end=live.end, names=live.names) == live
    decide_and_apply(open_one, lambda session: settlement.record_end(open_one, session, ended_as="expired", cause="test"))
    assert statements.build_statement(fund, end) == live, "what came after its end does not count"
    db.session.rollback()


def test_transactions_from_before_midnight_have_time_to_end(gifts: None, campaign: Campaign) -> None:
    midnight = datetime.combine(today() + timedelta(days=1), datetime.min.time(), campaign.charity.local(LATER).tzinfo)
    assert ledger_days.store_ended_days(campaign, now=midnight + timedelta(minutes=14)) == 0
    assert ledger_days.store_ended_days(campaign, now=midnight + timedelta(minutes=16)) == 1


def test_another_time_zone_has_other_days_with_the_same_sums(gifts: None, campaign: Campaign) -> None:
    ledger_days.store_ended_days(campaign, now=LATER)
    db.session.commit()
    before = sum(db.session.scalars(select(LedgerDay.cents)))
    campaign.charity.time_zone = "Pacific/Kiritimati"
    db.session.commit()
    assert sum(day[Move.DONATION].cents for day in sums(campaign).values()) == 150_00, "until they are stored anew, the entries count"
    ledger_days.store_ended_days(campaign, now=LATER + timedelta(days=1))
    db.session.commit()
    assert sum(db.session.scalars(select(LedgerDay.cents))) == before
    assert checker.findings(db.engine) == []


def test_the_service_changes_no_stored_sum(gifts: None, campaign: Campaign) -> None:
    ledger_days.store_ended_days(campaign, now=LATER)
    db.session.commit()
    with pytest.raises(ProgrammingError, match="permission denied"):
        db.session.execute(text("UPDATE ledger_day SET cents = cents + 1"))


@pytest.mark.owner
@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE ledger_day SET cents = cents + 1 WHERE kind = 'match'",
        "DELETE FROM ledger_day WHERE kind = 'refund'",
        "INSERT INTO ledger_day (campaign_id, day, kind, cents, entries) SELECT campaign_id, day - 1, kind, 5, 1 FROM ledger_day WHERE kind = 'refund'",
        "UPDATE ledger_day SET entries = entries + 1 WHERE kind = 'donation'",
        "UPDATE ledger_day SET donations = 0 WHERE kind = 'match'",
        "UPDATE ledger_day SET held_cents = 0 WHERE kind = 'match'",
    ],
)
def test_the_checker_finds_a_day_that_was_tampered_with(gifts: None, app: Flask, campaign: Campaign, tampering: str) -> None:
    ledger_days.store_ended_days(campaign, now=LATER)
    db.session.execute(text(tampering))
    db.session.commit()
    (finding,) = checker.findings(db.engine)
    assert finding.startswith("I2: the day ")
