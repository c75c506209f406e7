"""Polls Stripe for the state of a checkout when its webhook is late or lost, and cancels a checkout that the donor does not want."""

import json
from datetime import UTC, datetime

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.edges.stripe.payments import Checkout
from campaign.matching import effects
from campaign.matching.effects import Effects
from campaign.matching.rematching import RematchingSession
from campaign.payments import checkouts, reversals, settlement
from campaign.payments.quarantine import SucceededPayment
from campaign.rules.payment_moments import PaymentMoments
from campaign.stripe_sync import charges, inbox
from campaign.stripe_sync.charges import ChargeSnapshot
from campaign.stripe_sync.event_jobs import handle_events

# A payment of a completed checkout has one of these statuses when the bank has refused the debit.
FAILED_DEBIT_STATUSES = {"requires_payment_method", "canceled"}


def poll_checkout(donation: Donation) -> None:
    """Fetch the donation's checkout from Stripe and record its outcome, by the same operations as an event. Commits.

    Raises StripeUnavailable or StripeRefused.
    """
    checkout_id = donation.checkout_id
    donation.polled_at = _now()
    db.session.commit()
    if checkout_id is None:
        _expire_unopened(donation)
        return
    found = services().stripe_payments.get_checkout(checkout_id)
    if found.invoice and found.payment_status == "paid":
        _store_invoice_event(found.invoice)
        db.session.refresh(donation)  # Its net amount is written by a trigger.
        return
    is_complete = found.status == "complete" and found.payment_intent
    charge = charges.try_to_read_charge(services().stripe_payments, str(found.payment_intent)) if is_complete else None
    effects.decide_and_apply(donation, lambda session: _record_found(donation, found, charge, session))
    db.session.commit()
    services().waker.wake("mail")


def _store_invoice_event(invoice: str) -> None:
    """The first instalment of a recurring donation is settled by its invoice: store and handle the event that Stripe would send."""
    event = {
        "id": f"polled_{invoice}",
        "object": "event",
        "type": "invoice.paid",
        "livemode": services().settings.stripe_livemode,
        "data": {"object": {"id": invoice, "object": "invoice"}},
    }
    inbox.store_events(inbox.parse_event(json.dumps(event).encode()), source="poll")
    db.session.commit()
    handle_events()


def _record_found(donation: Donation, found: Checkout, charge: ChargeSnapshot | None, session: RematchingSession) -> Effects:
    cause = f"polled:{found.id}"
    if found.payment_status == "paid":
        succeeded = SucceededPayment(
            payment_intent=found.payment_intent,
            amount_cents=found.amount_cents,
            currency=found.currency,
            livemode=found.livemode,
            moments=charges.moments_of(charge, reported_at=_now()) if charge else PaymentMoments(authorized_at=_now(), received_at=_now()),
            is_debit=charge.is_debit if charge else None,
        )
        effects_of_payment = settlement.record_payment(donation, succeeded, session, cause=cause)
        return reversals.post_after_payment(effects_of_payment, donation, session, cause=cause)
    if found.status == "expired":
        return settlement.record_end(donation, session, ended_as=settlement.EXPIRED, cause=cause)
    if charge and charge.status in FAILED_DEBIT_STATUSES:
        return settlement.record_failure(donation, session, cause=cause)
    if charge and charges.is_unverified([charge]):
        return settlement.record_unverified(donation, session, cause=cause)
    if found.status == "complete" and found.payment_intent and not charges.is_by_card([charge]):
        return settlement.record_processing(donation, session, cause=cause)
    return Effects(outcome="still open")


def _expire_unopened(donation: Donation) -> None:
    """End a donation for which no checkout was opened in time."""
    effects.decide_and_apply(donation, lambda session: _expiry_effects(donation, session))
    db.session.commit()


def _expiry_effects(donation: Donation, session: RematchingSession) -> Effects:
    """Checked again under the lock: the donor may have submitted the form again and have a checkout by now."""
    expires_at = donation.checkout_expires_at
    if donation.checkout_id or (expires_at and expires_at > _now()):
        return Effects(outcome="opened meanwhile")
    return settlement.record_end(donation, session, ended_as=settlement.EXPIRED, cause="never opened")


def cancel_checkout(donation: Donation, *, actor: str | None = None) -> None:
    """Expire an unpaid checkout at Stripe, so that it can no longer be paid, and release its hold. Commits.

    The donor came back without paying, or a member of staff, the `actor`, closes it.

    The outcome of a checkout that Stripe refuses to expire is recorded instead. Raises StripeUnavailable or StripeRefused.
    """
    db.session.refresh(donation)
    checkout_id = donation.checkout_id
    db.session.commit()
    if checkout_id is None or not donation.is_open or donation.is_debit or donation.unverified_at:
        return
    try:
        services().stripe_payments.expire_checkout(checkout_id)
    except StripeRefused:  # It was paid or had ended meanwhile.
        poll_checkout(donation)
        return
    if actor:
        donation.closed_by = actor
    else:
        donation.cancelled_at = _now()
    poll_checkout(donation)


def poll_overdue_checkouts() -> int:
    """Poll checkouts that should have ended by now. Returns how many.

    Raises StripeUnavailable, and StripeRefused, after the others were polled, for checkouts that Stripe does not show us.
    """
    overdue, refused = checkouts.list_overdue(), ""
    db.session.commit()
    for donation in overdue:
        db.session.refresh(donation)
        try:
            poll_checkout(donation)
        except StripeUnavailable:
            db.session.rollback()
            raise  # It would be unavailable for the others too: the schedule polls them again.
        except StripeRefused as error:
            db.session.rollback()
            refused = refused or f"checkout of {donation.public_id}: {error}"
    if refused:
        raise StripeRefused(refused)
    return len(overdue)


def _now() -> datetime:
    return datetime.now(UTC)
