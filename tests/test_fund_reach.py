"""Whom a fund reaches, and with what gifts: counted from the entries and from what is stored by day, through refunds, merges and time zones."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donors import donor_at
from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.receipts import donor_merge_actions
from campaign.reporting import fund_reach, ledger_day_jobs, ledger_days
from campaign.reporting.fund_reach import Reach, reach_of
from campaign.reporting.integrity import checker
from tests.factories import create_fund, create_refund, paid

ONE, OTHER, THIRD = "one@example.org", "other@example.org", "third@example.org"
LATER = datetime.now(UTC) + timedelta(days=2)


def reach(fund: Fund, campaign: Campaign) -> tuple[int, int]:
    found = reach_of(fund, campaign, until=LATER)
    return found.gift_cents, found.donors


def test_gifts_count_net_while_they_are_matched_and_people_once(campaign: Campaign, fund: Fund) -> None:
    second = create_fund(campaign, 100_00, position=2, minimum_cents=80_00)
    assert reach_of(fund, campaign, until=LATER) == Reach()
    first, again = paid(campaign, 100_00, email=ONE), paid(campaign, 50_00, email=ONE)
    refunded = paid(campaign, 70_00, email=OTHER)
    assert (reach(fund, campaign), reach(second, campaign)) == ((220_00, 2), (0, 0))
    create_refund(refunded, 70_00)
    create_refund(first, 30_00)
    assert reach(fund, campaign) == (120_00, 1)
    create_refund(again, 50_00)
    paid(campaign, 49_950_00, email=THIRD)
    # The last one is matched from both funds, and so it counts for each.
    assert (reach(fund, campaign), reach(second, campaign)) == ((50_020_00, 2), (49_950_00, 1))
    db.session.commit()


def test_days_are_stored_once_and_follow_people_who_are_merged_and_separated(app: Flask, campaign: Campaign, fund: Fund) -> None:
    paid(campaign, 100_00, email=ONE)
    paid(campaign, 60_00, email=ONE)
    paid(campaign, 50_00, email=OTHER)
    db.session.commit()
    assert ledger_day_jobs.store_ended_days() == 0, "no day has ended"
    live = reach(fund, campaign)
    ledger_days.store_ended_days(campaign, now=LATER)
    assert fund_reach.store_ended_days(campaign) >= 1
    db.session.commit()
    assert fund_reach.store_ended_days(campaign) == 0
    assert (live, reach(fund, campaign)) == ((210_00, 2), (210_00, 2))
    one, other = donor_at(ONE), donor_at(OTHER)
    assert one
    assert other
    merge = donor_merge_actions.merge(one.id, other.id, actor="manager@example.org", reason="the same person")
    assert reach(fund, campaign) == (210_00, 1)
    assert checker.findings(db.engine) == []
    donor_merge_actions.undo(merge.id, actor="manager@example.org")
    assert reach(fund, campaign) == (210_00, 2)
    campaign.charity.time_zone = "America/Vancouver"
    db.session.commit()
    assert reach(fund, campaign) == (210_00, 2), "counted from the entries until the days are stored anew"
    ledger_days.store_ended_days(campaign, now=LATER)
    fund_reach.store_ended_days(campaign)
    db.session.commit()
    assert reach(fund, campaign) == (210_00, 2)
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_the_check_finds_a_day_whose_donors_or_gifts_are_wrong(campaign: Campaign, fund: Fund) -> None:
    paid(campaign, 100_00, email=ONE)
    ledger_days.store_ended_days(campaign, now=LATER)
    fund_reach.store_ended_days(campaign)
    db.session.commit()
    for column in ("donors", "gift_cents"):
        db.session.execute(text(f"UPDATE fund_reach SET {column} = {column} + 1"))
        db.session.commit()
        assert [sentence for sentence in checker.findings(db.engine) if "more donors with" in sentence], column
        db.session.execute(text(f"UPDATE fund_reach SET {column} = {column} - 1"))
        db.session.commit()
    assert checker.findings(db.engine) == []
