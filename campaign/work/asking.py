"""Asking Stripe what became of a checkout, for a webhook that is late or lost; and ending one that the donor does not want."""

import json
from datetime import UTC, datetime

import structlog

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_api import Checkout, Payment
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving import checkouts, consequences, money_back, payments, stripe_events
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.healing import HealingDesk
from campaign.giving.quarantine import PaymentMade
from campaign.work.handling import handle_events

log = structlog.get_logger()

# Of a payment whose checkout is complete: the bank has said no.
DEBIT_FAILED = {"requires_payment_method", "canceled"}


def ask_stripe(donation: Donation) -> None:
    """Look at Stripe what became of the donation's checkout, and record it; raises StripeAway or StripeRefused.

    For a webhook that is late or lost: what follows goes through the same verbs as an event.
    """
    checkout_id = donation.checkout_id
    donation.asked_stripe_at = _now()
    db.session.commit()
    if checkout_id is None:
        _end_unopened(donation)
        return
    found = outside().stripe.checkout(checkout_id)
    if found.invoice and found.payment_status == "paid":
        _tell_of(found.invoice)
        return
    payment = outside().stripe.payment(found.payment_intent) if found.status == "complete" and found.payment_intent else None
    consequences.apply(donation, lambda desk: _found_out(donation, found, payment, desk))
    db.session.commit()
    outside().waker.wake("mail")


def _tell_of(invoice: str) -> None:
    """The first month of a monthly gift is told by its invoice, as by its event."""
    event = {
        "id": f"asked_{invoice}",
        "object": "event",
        "type": "invoice.paid",
        "livemode": outside().settings.stripe_livemode,
        "data": {"object": {"id": invoice, "object": "invoice"}},
    }
    stripe_events.keep(stripe_events.read_event(json.dumps(event).encode()), source="poll")
    db.session.commit()
    handle_events()


def _found_out(donation: Donation, found: Checkout, payment: Payment | None, desk: HealingDesk) -> Consequence:
    cause, paid_at = f"asked:{found.id}", payment.paid_at if payment else None
    if found.payment_status == "paid":
        made = PaymentMade(
            payment_intent=found.payment_intent,
            amount_cents=found.amount_cents,
            currency=found.currency,
            livemode=found.livemode,
            paid_at=datetime.fromtimestamp(paid_at, UTC) if paid_at else _now(),
        )
        paid = payments.record_payment(donation, made, desk, cause=cause)
        return money_back.after_payment(paid, donation, desk, cause=cause)
    if found.status == "expired":
        return payments.record_end(donation, desk, ended_as="expired", cause=cause)
    if payment and payment.status in DEBIT_FAILED:
        return payments.record_failure(donation, desk, cause=cause)
    if found.status == "complete":
        return payments.record_processing(donation)
    return Consequence(outcome="still open")


def _end_unopened(donation: Donation) -> None:
    """No checkout was ever shown to the donor, and the time to pay one has passed."""
    consequences.apply(donation, lambda desk: _ended_unopened(donation, desk))
    db.session.commit()


def _ended_unopened(donation: Donation, desk: HealingDesk) -> Consequence:
    """Looked at again under the lock: the donor may have pressed once more, and have a checkout by now."""
    expires_at = donation.checkout_expires_at
    if donation.checkout_id or (expires_at and expires_at > _now()):
        return Consequence(outcome="opened meanwhile")
    return payments.record_end(donation, desk, ended_as="expired", cause="never opened")


def cancel(donation: Donation) -> None:
    """The donor came back without paying and does not want to: end the checkout at Stripe, so that it cannot be paid any more, and free
    what it held. Raises StripeAway or StripeRefused; what Stripe says of a checkout that cannot be ended is recorded all the same.
    """
    db.session.refresh(donation)
    checkout_id = donation.checkout_id
    db.session.commit()
    if checkout_id is None or not donation.is_open or donation.processing_at:
        return
    try:
        outside().stripe.expire_checkout(checkout_id)
    except StripeRefused:  # It was paid or had ended meanwhile: what became of it counts.
        ask_stripe(donation)
        return
    donation.cancelled_at = _now()
    ask_stripe(donation)


def end_checkouts() -> int:
    """Ask Stripe about checkouts that should have ended by now, and free what they held."""
    late = checkouts.open_past_expiry(limit=100)
    db.session.commit()
    for donation in late:
        db.session.refresh(donation)
        try:
            ask_stripe(donation)
        except StripeAway:
            db.session.rollback()
            raise  # The others would wait for it as well: the next sweep asks again.
        except StripeRefused as error:
            db.session.rollback()
            log.warning("checkout.unknown", donation=donation.public_id, error=type(error).__name__)
    return len(late)


def _now() -> datetime:
    return datetime.now(UTC)
