"""Giving money back from our side: remembered first, asked of Stripe with nothing locked, and in the books as soon as Stripe has said so."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_api import GoneBack
from campaign.edges.stripe_wire import StripeRefused
from campaign.giving import consequences, looks, money_back, quarantine, refund_requests
from campaign.giving.donations import Donation, lock_donations
from campaign.giving.money_back import Told
from campaign.giving.quarantine import CannotDecide
from campaign.giving.refund_requests import CannotRefund, RefundRequest
from campaign.rules.refusals import Refusal

log = structlog.get_logger()

LEFT_OPEN_AFTER = timedelta(minutes=1)


def refund(donation: Donation, cents: int | None, *, actor: str, reason: str) -> RefundRequest:
    """Give back `cents` of what was paid, all that is left when None.

    Raises CannotRefund, also for what Stripe refuses, and StripeAway: then the request stands, and the sweep asks again.
    """
    return _asked(lambda: refund_requests.begin(donation, cents, actor=actor, reason=reason))


def refund_quarantined(row: int, *, actor: str, reason: str) -> RefundRequest:
    """Give back a payment in quarantine, whole. Raises as `refund`, and CannotDecide when somebody has decided on it."""
    return _asked(lambda: refund_requests.begin_of_quarantined(quarantine.locked(row), actor=actor, reason=reason))


def _asked(begin: Callable[[], RefundRequest]) -> RefundRequest:
    try:
        request = begin()
    except (CannotRefund, CannotDecide):
        db.session.rollback()
        raise
    db.session.commit()
    _carry_out(request)
    if request.refused:
        raise CannotRefund(Refusal.STRIPE_SAID_NO, said=request.refused)
    return request


def carry_on() -> int:
    """Ask anew for the refunds whose end we have not heard of; raises StripeAway. How many were ended."""
    left = refund_requests.left_open(for_longer_than=LEFT_OPEN_AFTER)
    db.session.commit()
    for request in left:
        _carry_out(request)
    return len(left)


def _carry_out(request: RefundRequest) -> None:
    """Looks first whether it was made before: Stripe forgets the keys of requests after a day."""
    payment_intent, cents, key, look = request.payment_intent, request.cents, request.key, looks.next_look()
    db.session.commit()
    stripe = outside().stripe
    try:
        refund = stripe.refund_made_for(payment_intent, key) or stripe.give_back(payment_intent, cents, key=key)
    except StripeRefused as error:
        log.error("refund.refused", request=key, payment=payment_intent, error=str(error)[:200])
        refund_requests.refuse(request, str(error))
        db.session.commit()
        return
    _record(request, refund, look)


def _record(request: RefundRequest, refund: GoneBack, look: int) -> None:
    told = Told.of(refund, look=look)
    assert told, "a refund of a payment intent names it"
    donation = db.session.get(Donation, request.donation_id) if request.donation_id else None
    if donation is not None and donation.paid_at and donation.payment_intent == request.payment_intent:
        consequences.apply(donation, lambda desk: money_back.record(told, donation, desk, cause=request.key))
    else:
        lock_donations([request.donation_id] if request.donation_id else [])
        money_back.remember(told)
        quarantine.follow_refunds([request.payment_intent], actor=request.actor, reason=request.reason)
    refund_requests.made(request, refund.id)
    db.session.commit()
    outside().waker.wake("mail")
