"""How Stripe events change the books: in any order, duplicated, late, invalid, or in one batch with a failing event."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.effects import Effects
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.outbox import leases
from campaign.outbox.leases import Lease
from campaign.payments import checkouts, settlement
from campaign.payments.checkouts import OpenedCheckout
from campaign.payments.status import Status
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import event_jobs, inbox
from campaign.stripe_sync.inbox import StripeEvent
from tests.factories import another_campaign, start_donation
from tests.stripe import completed, event, expired, handle, outcomes, receive, state, succeeded


def test_a_paid_checkout_becomes_a_donation_with_its_match_and_a_pending_receipt(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00, covered_fee_cents=3_30)
    handle(completed(donation))
    db.session.refresh(fund)
    assert state(donation) == Status.PAID
    assert (fund.held_cents, fund.matched_cents) == (0, 100_00)
    assert list(db.session.execute(text("SELECT key FROM outbox")).scalars()) == [f"receipt:{donation.public_id}"]
    assert checker.findings(db.engine) == []


def test_i8_events_in_any_order_and_duplicated_end_in_the_same_books(campaign: Campaign) -> None:
    kinds: list[Callable[[Donation], dict[str, Any]]] = [
        completed,
        succeeded,
        expired,
        lambda d: event("payment_intent.processing", succeeded(d)["data"]["object"]),
    ]
    seen = set()
    for order in itertools.permutations(range(4)):
        own = another_campaign(60_00, like=campaign)
        donation = start_donation(own, 100_00)
        events = [kinds[i](donation) for i in order]
        handle(*events, *events[::-1])
        totals = db.session.get_one(CampaignTotals, own.id)
        match = match_of(donation.id)
        seen.add((state(donation), totals.donated_cents, totals.donations, match.held_cents, match.matched_cents))
    assert seen == {("paid", 100_00, 1, 0, 60_00)}
    assert checker.findings(db.engine) == []


def test_i32_an_expired_checkout_releases_its_hold_and_a_late_payment_is_still_matched(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    handle(expired(donation))
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("expired", 0)
    handle(completed(donation))
    db.session.refresh(fund)
    assert (state(donation), fund.matched_cents) == ("paid", 100_00)
    assert checker.findings(db.engine) == []


def test_a_release_applied_by_expiry_and_by_failure_is_applied_once(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    failed = {**expired(donation), "type": "checkout.session.async_payment_failed", "id": "evt_failed"}
    handle(expired(donation), failed, {**failed, "id": "evt_failed_again"})
    db.session.refresh(fund)
    assert (fund.held_cents, fund.available_cents) == (0, 50_000_00)
    assert checker.findings(db.engine) == []


def test_a_processing_payment_keeps_its_hold(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    handle(completed(donation, payment_status="unpaid"))
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("processing", 100_00)


def test_the_expiry_of_a_checkout_that_the_donor_never_saw_releases_nothing(campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    checkouts.record_opened([OpenedCheckout(donation_id=donation.id, session_id="cs_the_one_shown", url="https://example.org")])
    handle(expired(donation))
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("pending", 100_00)


@pytest.mark.parametrize(
    ("difference", "reason"),
    [
        ({"amount_total": 99_99}, "paid 9999"),
        ({"currency": "usd"}, "USD"),
        ({"livemode": True}, "mode"),
        ({"amount_total": None}, "paid -1"),
    ],
)
def test_i12_a_payment_that_differs_from_our_request_is_quarantined(
    campaign: Campaign, fund: Fund, difference: dict[str, Any], reason: str
) -> None:
    donation = start_donation(campaign, 100_00)
    handle(completed(donation, **difference))
    handle(succeeded(donation))
    db.session.refresh(fund)
    assert state(donation) == "quarantined"
    assert reason in (donation.quarantine_reason or "")
    assert (fund.held_cents, fund.matched_cents) == (0, 0)
    assert db.session.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 0
    assert checker.findings(db.engine) == []


def test_a_second_payment_of_one_donation_is_quarantined_and_not_counted(campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00)
    handle(completed(donation), succeeded(donation, id="pi_another"))
    assert outcomes()[1] == "quarantined: a second payment of the same donation: pi_another"
    assert db.session.get_one(CampaignTotals, campaign.id).donations == 1


def test_events_of_one_donation_in_one_batch_use_its_hold_once(campaign: Campaign, fund: Fund) -> None:
    """Without metadata the events have different subjects, so that one batch leases them all."""
    donation = start_donation(campaign, 100_00)
    nameless = [completed(donation, metadata={}, id=f"cs_{n}", payment_intent=f"pi_{donation.public_id}") for n in range(4)]
    for number, sent in enumerate(nameless):
        sent["data"]["object"]["payment_intent"] = None if number else f"pi_{donation.public_id}"
    nameless[0]["data"]["object"]["payment_status"] = "unpaid"
    receive(*nameless, {**expired(donation), "id": "evt_end"})
    assert len(inbox.lease_events(limit=10)) == 5
    db.session.rollback()
    event_jobs.handle_events()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents, fund.matched_cents) == ("paid", 0, 100_00)
    assert checker.findings(db.engine) == []


def test_events_of_unknown_donations_are_ignored_with_a_reason(campaign: Campaign) -> None:
    donation = start_donation(campaign)
    unknown = {"metadata": {"donation": f"d_{0:020x}"}, "client_reference_id": None}
    handle(completed(donation, **unknown, payment_status="unpaid"))
    handle(event("payment_intent.processing", {"id": "pi_1", "object": "payment_intent", "metadata": None}))
    assert outcomes() == ["ignored: not one of our donations"] * 2
    assert state(donation) == "pending"


def test_the_time_of_payment_comes_from_stripe(campaign: Campaign) -> None:
    donation = start_donation(campaign)
    handle({**completed(donation), "created": 1_790_000_000})
    db.session.refresh(donation)
    assert donation.received_at == datetime.fromtimestamp(1_790_000_000, UTC)


def test_a_failing_event_does_not_delay_its_batch_and_becomes_a_dead_letter(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = start_donation(campaign), start_donation(campaign)
    real = settlement.record_payment

    def record(donation: Donation, *args: Any, **kw: Any) -> Effects:
        if donation.id == bad.id:
            raise RuntimeError("broken for this one")
        return real(donation, *args, **kw)

    monkeypatch.setattr(settlement, "record_payment", record)
    handle(completed(bad), completed(good))
    assert (state(bad), state(good)) == ("pending", "paid")
    for _ in range(leases.MAX_ATTEMPTS):
        db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
        db.session.commit()
        event_jobs.handle_events()
    assert inbox.count_dead() == 1
    assert inbox.count_pending() == 0
    assert checker.findings(db.engine) == []


def test_an_event_that_kills_its_worker_becomes_a_dead_letter(campaign: Campaign) -> None:
    receive(completed(start_donation(campaign)))
    for attempt in range(1, leases.MAX_ATTEMPTS + 1):
        (lease,) = inbox.lease_events(limit=10)
        db.session.commit()  # The worker is killed here, before it records the outcome.
        assert lease.attempts == attempt
        db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
    assert inbox.lease_events(limit=10) == []
    schedule_jobs.dead_letter_exhausted()
    assert inbox.count_dead() == 1


def test_events_of_one_payment_are_leased_one_at_a_time_in_order(campaign: Campaign) -> None:
    first, second = start_donation(campaign), start_donation(campaign)
    receive(completed(first), succeeded(first), completed(second))
    leased = [lease.id for lease in inbox.lease_events(limit=10)]
    assert leased == [1, 3]


def test_a_fund_matches_by_its_own_ratio(campaign: Campaign) -> None:
    own = another_campaign(1_000_00, like=campaign, ratio=(1, 3))
    donation = start_donation(own, 100_01)
    handle(completed(donation))
    assert match_of(donation.id).matched_cents == 33_33
    assert checker.findings(db.engine) == []


def test_a_donation_draws_on_two_funds_in_their_order(app: Flask, campaign: Campaign) -> None:
    own = another_campaign(37_42, 100_00, like=campaign)
    donation = start_donation(own, 50_00)
    handle(completed(donation))
    assert [a.cents for a in match_of(donation.id).matched] == [37_42, 12_58]
    assert checker.findings(db.engine) == []


def blocks_read(action: Callable[[], object]) -> int:
    """Blocks of stripe_event that the action reads, counted by the database."""
    read = text(
        "SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read) FROM pg_statio_user_tables WHERE relname = 'stripe_event'"
    )
    flush = text("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")

    def now() -> int:
        db.session.execute(flush)
        db.session.commit()
        return int(db.session.execute(read).scalar_one())

    before = now()
    action()
    db.session.commit()
    return now() - before


@pytest.mark.parametrize("known_to_planner", ["nothing", "a year of handled events"])
def test_leasing_and_completing_a_backlog_reads_a_bounded_number_of_blocks(app: Flask, known_to_planner: str) -> None:
    backlog = text(
        "INSERT INTO stripe_event (event_id, type, subject, livemode, body, source) "
        "SELECT :name || n, 't', 'd_' || n, false, '{}', 'webhook' FROM generate_series(1, 4000) n"
    )
    if known_to_planner != "nothing":
        db.session.execute(backlog, {"name": "old"})
        db.session.execute(text("UPDATE stripe_event SET done_at = now()"))
        db.session.commit()
        db.session.execute(text("ANALYZE stripe_event"))
    db.session.execute(backlog, {"name": "new"})
    db.session.commit()
    leased: list[Lease] = []
    leasing = blocks_read(lambda: leased.extend(inbox.lease_events(limit=100)))
    completing = blocks_read(lambda: leases.complete_all(StripeEvent, leased, {c.id: "done" for c in leased}))
    assert len(leased) == 100
    assert max(leasing, completing) < 100 * 60
