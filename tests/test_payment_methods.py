"""What paid a donation, a card or a bank debit, is the same by every route, in every order and everywhere it is shown."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import clock, subscriptions
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching import effects
from campaign.matching.funds import Fund
from campaign.payments import quarantine, quarantine_actions, settlement
from campaign.reporting import receipt_register, return_gifts
from campaign.reporting.integrity import checker
from campaign.rules.fiscal_years import calendar_year
from campaign.stripe_sync import balance_jobs, event_jobs, poll_checkout_jobs, poll_event_jobs, reconcile_jobs
from tests.conftest import Stripe
from tests.factories import issue_receipt, pay, post_stripe_fee, start_donation
from tests.stripe import DAY, event, handle, start_recurring, state

Route = Callable[[Stripe, Donation], None]
COMPLETED, INVOICE_PAID = "checkout.session.completed", "invoice.paid"


@pytest.fixture(autouse=True)
def clock_at_its_place() -> Iterator[None]:
    yield
    clock.set_ahead(0)


def webhooks(*kinds: str) -> Route:
    """The latest event of each of these types, one after another."""

    def deliver(stripe: Stripe, donation: Donation) -> None:
        for kind in kinds:
            handle(next(found for found in stripe.store.newest("event", limit=100) if found["type"] == kind))

    return deliver


def poll_events(stripe: Stripe, donation: Donation) -> None:
    poll_event_jobs.poll_events()
    event_jobs.handle_events()


def poll_after_completion(stripe: Stripe, donation: Donation) -> None:
    webhooks(COMPLETED)(stripe, donation)
    assert (state(donation), donation.is_debit) == ("pending", False), "its page does not speak of a bank"
    poll_checkout_jobs.poll_checkout(donation)


def reconcile(stripe: Stripe, donation: Donation) -> None:
    reconcile_jobs.reconcile(since=None, actor="test")


def methods() -> set[tuple[bool | None, bool | None, bool]]:
    """Whether gifts are bank debits: in the register, in the returns, and by the property."""
    db.session.expire_all()
    charity, found = db.session.query(Campaign).one().charity, db.session.query(Donation).filter(Donation.received_at.is_not(None))
    now = datetime.fromtimestamp(clock.now(), UTC)
    for donation in found:
        assert issue_receipt(donation, now=now)
    years = [calendar_year(year) for year in (now.year - 1, now.year)]
    register = {gift.donation: gift.is_debit for year in years for gift in receipt_register.whole_register(charity, year)}
    returned = {gift.donation: gift.is_debit for year in years for gift in return_gifts.gifts_of(charity, year)}
    assert len(register) == len(returned) == found.count()
    assert found.filter(Donation.is_debit).count() == sum(donation.is_debit for donation in found)
    return {(register[donation.public_id], returned[donation.public_id], donation.is_debit) for donation in found}


BY_CARD, BY_DEBIT = {(False, False, False)}, {(True, True, True)}


def test_months_that_a_card_pays_are_by_card_by_every_route(app: Flask, fund: Fund, stripe: Stripe) -> None:
    first_months = [webhooks(COMPLETED, INVOICE_PAID), webhooks(INVOICE_PAID, COMPLETED), poll_events, poll_after_completion, reconcile]
    for number, route in enumerate(first_months):
        first = start_recurring(app, stripe, email=f"monthly{number}@example.org")
        route(stripe, first)
        assert (state(first), first.is_debit) == ("paid", False), route
    clock.set_ahead(32 * DAY)
    subscriptions.renew_due(stripe.account)
    poll_events(stripe, first)
    balance_jobs.sync_balance()
    assert db.session.query(Donation).filter(Donation.received_at.is_not(None)).count() == 2 * len(first_months)
    assert methods() == BY_CARD
    assert checker.findings(db.engine) == []
    db.session.execute(text("UPDATE donation SET processing_at = now() WHERE id = :id"), {"id": first.id})
    db.session.commit()
    assert checker.findings(db.engine) == [
        f"I25: the charge is of a card, but donation {first.public_id} is said to be paid by a bank debit."
    ], "the control of the checker"


def test_months_that_a_bank_debit_pays_are_by_debit(app: Flask, fund: Fund, stripe: Stripe) -> None:
    """A donor may have changed at Stripe what pays their months."""
    first = start_recurring(app, stripe)
    charge = stripe.store.newest("charge", limit=1)[0]
    stripe.store.put(charge | {"payment_method_details": {"type": "acss_debit", "acss_debit": {}}})
    webhooks(COMPLETED, INVOICE_PAID)(stripe, first)
    assert (state(first), methods()) == ("paid", BY_DEBIT)


def test_a_card_that_its_bank_still_decides_on_is_no_bank_debit(app: Flask, campaign: Campaign, fund: Fund) -> None:
    by_card, by_a_sole_card, by_debit = (start_donation(campaign) for _ in range(3))
    offered = ["card", "acss_debit"]
    for donation, says in (
        (by_card, {"payment_method_types": offered, "processing": {"type": "card", "card": {}}}),
        (by_a_sole_card, {"payment_method_types": ["card"], "processing": None}),
        (by_debit, {"payment_method_types": offered, "processing": None}),
    ):
        intent = {"id": f"pi_{donation.public_id}", "object": "payment_intent", "metadata": {"donation": donation.public_id}}
        handle(event("payment_intent.processing", intent | says))
    assert [(state(donation), donation.is_debit) for donation in (by_card, by_a_sole_card, by_debit)] == [
        ("pending", False),
        ("pending", False),
        ("processing", True),
    ]


def begin_debit(donation: Donation) -> None:
    effects.decide_and_apply(donation, lambda session: settlement.record_processing(donation, session, cause="test"))


def test_the_charge_says_what_paid_whatever_was_begun_before(app: Flask, campaign: Campaign, fund: Fund, stripe: Stripe) -> None:
    """Known when it is settled, by a repeated report, or by the balance transaction."""
    started = [start_donation(campaign) for _ in range(6)]
    for donation in started[:3]:
        begin_debit(donation)
    for by_card, (settled, repeated, listed) in ((True, started[:3]), (False, started[3:])):
        pay(settled, is_debit=not by_card)
        pay(repeated)
        pay(repeated, is_debit=not by_card)
        pay(listed)
        post_stripe_fee(listed, 30, charged_at=listed.received_at, is_debit=not by_card)
        assert [donation.is_debit for donation in (settled, repeated, listed)] == [not by_card] * 3
    db.session.commit()
    assert {finding for finding in checker.findings(db.engine) if "I25" in finding} == set()


def test_a_payment_in_quarantine_is_accepted_as_what_it_is(app: Flask, campaign: Campaign, fund: Fund) -> None:
    for is_debit in (False, True):
        donation = start_donation(campaign)
        begin_debit(donation)
        pay(donation, amount_cents=70_00, is_debit=is_debit)
        db.session.commit()
        (waiting,) = quarantine.list_pending(limit=2)
        accepted = quarantine_actions.accept(waiting.id, actor="manager@example.org", reason="test")
        assert (accepted.net_cents > 0, accepted.is_debit) == (True, is_debit)
