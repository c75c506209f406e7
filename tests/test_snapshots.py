"""Refunds and disputes follow what Stripe has, not the event payload: fetched without locks and applied in the order of their snapshot numbers."""

from dataclasses import replace
from typing import cast

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import aftermath, faults
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused
from campaign.edges.stripe.payments import StripePayments
from campaign.edges.stripe.reversals import StripeReversal
from campaign.outbox import leases
from campaign.payments import reversals, snapshot_numbers
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs, fetch, inbox
from campaign.stripe_sync.event import FetchRequest, ObjectKind
from tests.conftest import Stripe
from tests.factories import decide_together, paid, start_donation
from tests.stripe import completed, event, handle, outcomes, receive, reversal_event, state, stored_object


def net(donation: Donation) -> int:
    db.session.expire_all()
    return donation.net_cents


def make_due() -> None:
    db.session.execute(text("UPDATE stripe_event SET not_before = now()"))
    db.session.commit()


def test_a_payload_that_differs_from_the_api_is_not_trusted(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    refund_event = reversal_event(stripe, donation, 40_00, kind="refund.created")
    refund_event["data"]["object"] |= {"amount": 100_00, "status": "failed", "payment_intent": "pi_another"}
    handle(refund_event)
    assert (state(donation), net(donation)) == ("partially_refunded", 60_00)
    assert checker.findings(db.engine) == []


def test_a_refunded_charge_event_records_every_refund_of_its_payment(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    for number, cents in enumerate((30_00, 20_01)):
        reversal_event(stripe, donation, cents, kind="refund.created", id=f"re_{number}_{donation.public_id}")
    handle(event("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": donation.payment_intent, "metadata": {}}))
    assert net(donation) == 49_99
    assert checker.findings(db.engine) == []


def test_while_stripe_is_unavailable_payments_go_on_and_the_refund_waits_without_an_attempt(campaign: Campaign, stripe: Stripe) -> None:
    donation, other = paid(campaign, 100_00), start_donation(campaign, 50_00)
    faults.inject(stripe.store, kind="500", path="/v1/refunds/", times=1)
    handle(reversal_event(stripe, donation, 40_00, kind="refund.created"), completed(other))
    assert (net(donation), net(other)) == (100_00, 50_00)
    attempts, error = db.session.execute(text("SELECT attempts, last_error FROM stripe_event WHERE done_at IS NULL")).one()
    assert (attempts, error) == (0, "Stripe is unavailable: APIError 500")
    assert not inbox.is_behind(), "an event that waits for Stripe delays no email"
    make_due()
    event_jobs.handle_events()
    assert net(donation) == 60_00
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_an_event_that_waits_for_stripe_for_days_becomes_a_dead_letter(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    receive(reversal_event(stripe, donation, 40_00, kind="refund.created"))
    db.session.execute(text("ALTER TABLE stripe_event DISABLE TRIGGER event_is_immutable"))
    db.session.execute(text("UPDATE stripe_event SET received_at = now() - interval '4 days'"))
    db.session.commit()
    faults.inject(stripe.store, kind="429", path="/v1/refunds/")
    event_jobs.handle_events()
    assert inbox.count_dead() == 1


def test_a_refund_that_stripe_does_not_know_moves_nothing_and_its_event_becomes_a_dead_letter(campaign: Campaign) -> None:
    donation = paid(campaign, 100_00)
    refund = {"id": "re_of_nobody", "object": "refund", "amount": 40_00, "status": "succeeded", "payment_intent": donation.payment_intent}
    handle(event("refund.created", refund))
    for _ in range(leases.MAX_ATTEMPTS):
        make_due()
        event_jobs.handle_events()
    assert net(donation) == 100_00
    (dead,) = inbox.list_dead(limit=5)
    assert "No such refund" in (dead.last_error or "")


def test_several_events_of_one_refund_fetch_it_once(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    refund = reversal_event(stripe, donation, 40_00, kind="refund.created")["data"]["object"]
    fetch_request = FetchRequest(ObjectKind.REFUND, refund["id"])
    fetched: list[str] = []
    real = services()

    class Recording:
        def get_refund(self, refund_id: str) -> StripeReversal:
            fetched.append(refund_id)
            return real.stripe_payments.get_refund(refund_id)

    recording = replace(real, stripe_payments=cast("StripePayments", Recording()))
    result = fetch.fetch_all({1: fetch_request, 2: fetch_request, 3: fetch_request}, recording, snapshot_number=7)
    assert fetched == [refund["id"]]
    snapshots = {row: reversals_in(result, row) for row in result.snapshots}
    assert {row: [(s.cents, s.snapshot_number) for s in of_row] for row, of_row in snapshots.items()} == {
        row: [(40_00, 7)] for row in (1, 2, 3)
    }


def reversals_in(result: fetch.FetchResult, row: int) -> list[reversals.ReversalSnapshot]:
    return [snapshot for snapshot in result.snapshots[row] if isinstance(snapshot, reversals.ReversalSnapshot)]


def fetch_refund(refund_id: str, number: int) -> fetch.FetchResult:
    return fetch.fetch_all({1: FetchRequest(ObjectKind.REFUND, refund_id)}, services(), snapshot_number=number)


def record_older_snapshot_later(stripe: Stripe, donation: Donation, *, numbered_before_fetch: bool) -> None:
    """One worker fetches a succeeded refund and is delayed; another fetches it as failed and records that; then the first records its own."""
    refund_id = reversal_event(stripe, donation, 40_00, kind="refund.created")["data"]["object"]["id"]
    first = snapshot_numbers.take_snapshot_number()
    older = fetch_refund(refund_id, first)
    stripe.store.put({**stored_object(stripe, refund_id), "status": "failed"})
    second = snapshot_numbers.take_snapshot_number()
    apply(donation, fetch_refund(refund_id, second))
    if not numbered_before_fetch:
        older = fetch.FetchResult(
            snapshots={
                1: [
                    reversals.ReversalSnapshot(**{**vars(snapshot), "snapshot_number": snapshot_numbers.take_snapshot_number()})
                    for snapshot in older.snapshots[1]
                ]
            },
            errors={},
        )
    apply(donation, older)


def apply(donation: Donation, result: fetch.FetchResult) -> None:
    decide_together(
        *[
            (donation, lambda session, snapshot=snapshot: reversals.record(snapshot, donation, session, cause="test"))
            for snapshot in reversals_in(result, 1)
        ]
    )


def test_i22_an_older_snapshot_recorded_later_changes_nothing(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    record_older_snapshot_later(stripe, donation, numbered_before_fetch=True)
    assert net(donation) == 100_00
    assert checker.findings(db.engine) == []


def test_control_numbered_after_the_fetch_an_older_snapshot_overwrites_a_newer_one(campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    record_older_snapshot_later(stripe, donation, numbered_before_fetch=False)
    assert net(donation) == 60_00


def test_a_dispute_is_followed_to_its_end(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid(campaign, 100_00)
    charge = stripe.store.put(
        {
            "id": f"ch_{donation.public_id}",
            "object": "charge",
            "amount": 100_00,
            "currency": "cad",
            "status": "succeeded",
            "disputed": False,
            "payment_intent": donation.payment_intent,
        }
    )
    dispute = aftermath.create_dispute(stripe.account, charge)
    statuses = []
    for status in (None, "under_review", "lost"):
        if status:
            dispute = aftermath.set_dispute_status(stripe.account, stored_object(stripe, dispute["id"]), status)
        events = [sent for sent in stripe.store.newest("event", limit=5) if sent["data"]["object"]["id"] == dispute["id"]]
        receive(*events)
        make_due()
        event_jobs.handle_events()
        statuses.append((state(donation), net(donation)))
    assert statuses == [("disputed", 100_00), ("disputed", 100_00), ("refunded", 0)]
    assert all(outcome.startswith("dispute") for outcome in outcomes())
    assert checker.findings(db.engine) == []


def test_the_stripe_library_escapes_object_ids(app: Flask) -> None:
    for refund_id in ("../events", "re_1/../../x", "a b?c=d#e", "é"):
        result = fetch.fetch_all({1: FetchRequest(ObjectKind.REFUND, refund_id)}, services(), snapshot_number=1)
        assert isinstance(result.errors[1], StripeRefused)
