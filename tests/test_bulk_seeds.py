"""The bulk path of `campaign seed`: its books are as the checker wants them, and matched as the operations of the service would match them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.cli.bulk_seeds import load, people, plan, stripe_rows
from campaign.cli.funds import CommandRefused
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.ledger.entries import LedgerEntry
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.matching.holds import matches_of
from campaign.matching.rematching import QueuedDonation
from campaign.operations import integrity_checks
from campaign.outbox.messages import OutboxMessage
from campaign.payments.reversals import Reversal
from campaign.receipts import contents, receipts
from campaign.receipts.contents import IssueContext
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.lifecycle import receiptable
from campaign.receipts.receipts import Receipt
from campaign.reporting import ledger_days
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.stripe_sync.payouts import Payout
from tests.factories import another_campaign, create_fund, create_refund, end, paid, pay, start_donation

COUNT = 130
TERMS: dict[str, Any] = {"per_donation_cents": 400_00, "minimum_cents": 20_00}


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is rare in a history happens often in a short one."""
    shares = {"REFUND": 0.2, "LOST_DISPUTE": 0.1, "WON_DISPUTE": 0.1, "OPEN_DISPUTE": 0.3, "FAILED": 0.1, "QUARANTINED": 0.05}
    for name, share in shares.items():
        monkeypatch.setattr(plan, name, share)
    monkeypatch.setattr(plan, "OPEN_DISPUTE_DAYS", 200)
    for name, each in {"ORGANIZATION_EACH": 4, "ABROAD_EACH": 10, "WITHOUT_ADDRESS_EACH": 12, "UNDECLARED_EACH": 8}.items():
        monkeypatch.setattr(people, name, each)
    monkeypatch.setattr(people, "ANNUAL", 0.4)
    monkeypatch.setattr(stripe_rows, "DEAD_EACH", 100)


@pytest.mark.owner
@pytest.mark.usefixtures("often")
def test_loaded_books_are_sound_and_matched_as_by_the_operations(campaign: Campaign, fund: Fund) -> None:
    fund_lifecycle.end(fund, actor="test", reason="test")
    own = create_fund(campaign, 1_000_00, position=2, ratio_numerator=2, **TERMS)
    db.session.commit()
    assert ledger_days.store_ended_days(campaign, now=datetime.now(UTC) + timedelta(days=2)), "the database stood overnight"
    db.session.commit()
    schedule_jobs.check_integrity_now()
    assert integrity_checks.verified_point() is not None, "the service is running"
    assert load.load_history(COUNT, seed=5) == COUNT
    assert integrity_checks.verified_point() is None, "the next check is of all books, and compares nothing with what the chains were"
    db.session.expire_all()
    db.session.execute(text("INSERT INTO stripe_cursor VALUES (false, 'balance', now()) ON CONFLICT DO NOTHING"))
    db.session.commit()
    assert checker.findings(db.engine) == []
    _assert_everything_occurs()
    _assert_receipts_are_as_issued_by_the_service()
    _assert_operations_match_alike(campaign, own)


def _assert_everything_occurs() -> None:
    kinds = {kind for (kind,) in db.session.query(LedgerEntry.kind).distinct()}
    assert kinds >= {"hold", "release", "match", "unmatch", "refund", "dispute", "covered_fee_refund", "fee", "payout"}
    donations = db.session.query(Donation).all()
    assert len(donations) == COUNT
    assert db.session.get_one(CampaignTotals, 1).donations == sum(donation.received_at is not None for donation in donations)
    assert {donation.ended_as for donation in donations} == {None, "expired", "failed"}
    assert {donation.frequency for donation in donations} == {"once", "monthly"}
    assert any(donation.quarantined_at for donation in donations)
    assert any(donation.is_debit and donation.received_at for donation in donations)
    assert {reversal.status for reversal in db.session.query(Reversal)} == {"succeeded", "lost", "won", "needs_response"}
    assert db.session.query(LedgerEntry).filter(LedgerEntry.cause.startswith("rematch/")).count() > 2
    assert db.session.query(QueuedDonation).count() > 10
    assert db.session.query(InformationReturn).count() > 2
    assert db.session.query(Payout).count() > 50
    assert db.session.query(OutboxMessage).filter(OutboxMessage.missing_elements.is_not(None)).count() > 1
    first, last = min(d.started_at for d in donations), max(d.started_at for d in donations)
    assert last - first > timedelta(days=370)
    assert last < datetime.now(UTC)


def _assert_receipts_are_as_issued_by_the_service() -> None:
    context = IssueContext(now=datetime.now(UTC), links=services().links)
    compared: Counter[bool] = Counter()  # Whether it is for a year: how many of those there are depends on the day.
    for receipt in db.session.query(Receipt).order_by(Receipt.id):
        lines = receipts.lines_of(receipt)
        if not lines[0].is_current:
            continue
        items = [receiptable(db.session.get_one(Donation, line.donation_id)) for line in lines]
        replaced = db.session.get_one(Receipt, receipt.replaces_id).serial if receipt.replaces_id else ""
        year = receipt.content["received_in"]
        expected = contents.content_of(items, context, code=receipt.check_code, received_in=year, replaced_serial=replaced).as_json()
        assert receipt.content | {"issued_on": ""} == expected | {"issued_on": ""}
        compared[bool(year)] += 1
        if min(compared[True], compared[False]) > 1 and compared.total() > 10:
            break
    assert compared[False] > 5


def _assert_operations_match_alike(loaded: Campaign, fund: Fund) -> None:
    """Play the entries of the loaded campaign on another one, with funds of the same terms, by the operations of the service."""
    bounds = {name: getattr(loaded, name) for name in ("hold_share_percent", "hold_checkout_percent")}
    other = another_campaign(like=loaded, bounds=bounds)
    fund_lifecycle.end(create_fund(other, 1_00, position=1), actor="test", reason="test")
    other_fund = create_fund(other, fund.pledged_cents, position=2, ratio_numerator=2, **TERMS)
    db.session.commit()
    entries = db.session.query(LedgerEntry).filter_by(campaign_id=loaded.id).order_by(LedgerEntry.id).all()
    loaded_gifts = {d.id: d for d in db.session.query(Donation).filter_by(campaign_id=loaded.id)}
    charged = {reversal.stripe_id: reversal.cents for reversal in db.session.query(Reversal)}
    mirrored: dict[int, Donation] = {}
    for entry in entries:
        gift = loaded_gifts.get(entry.donation_id or 0)
        if gift is None:
            continue
        if gift.id not in mirrored and entry.kind in ("hold", "donation"):
            mirrored[gift.id] = start_donation(other, gift.amount_cents, covered_fee_cents=gift.covered_fee_cents)
        if entry.kind == "donation":
            pay(mirrored[gift.id])
        elif entry.kind == "release":
            end(mirrored[gift.id], "expired")
        elif entry.kind in ("refund", "dispute"):
            create_refund(mirrored[gift.id], charged[entry.reference.split(":")[1]], kind=entry.kind)
    db.session.flush()
    own, others = matches_of(loaded_gifts), matches_of([donation.id for donation in mirrored.values()])
    of_pairs = [(own.get(number), others.get(donation.id), loaded_gifts[number], donation) for number, donation in mirrored.items()]
    assert sum(mine.matched_cents for mine, *_ in of_pairs if mine) == fund.matched_cents > 1_000_00
    for mine, theirs, gift, donation in of_pairs:
        assert (mine.matched_cents if mine else 0) == (theirs.matched_cents if theirs else 0), gift.public_id
        assert (gift.net_cents, gift.match_limit) == (donation.net_cents, donation.match_limit)
    waiting = {queued.donation_id: queued.net_cents for queued in db.session.query(QueuedDonation)}
    assert {n: waiting.get(n) for n in mirrored} == {n: waiting.get(donation.id) for n, donation in mirrored.items()}
    db.session.refresh(other_fund)
    assert (other_fund.matched_cents, other_fund.held_cents) == (fund.matched_cents, 0)
    db.session.rollback()


@pytest.mark.owner
def test_only_an_empty_trial_database_is_filled(campaign: Campaign) -> None:
    create_fund(campaign, 1_000_00, position=2, per_donor_cents=100_00)
    db.session.commit()
    with pytest.raises(CommandRefused, match="caps per donor"):
        load.load_history(10, seed=1)
    db.session.rollback()
    paid(campaign)
    with pytest.raises(CommandRefused, match="has no donations yet"):
        load.load_history(10, seed=1)
    db.session.rollback()
    assert db.session.query(Donation).count() == 1


def test_the_service_itself_cannot_load(app: Flask) -> None:
    with pytest.raises(CommandRefused, match="superuser"):
        load.load_history(10, seed=1)
