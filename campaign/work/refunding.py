"""Giving money back from our side: remembered first, asked of Stripe with nothing locked, and in the books as soon as Stripe has said so."""

from datetime import timedelta

import structlog

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_api import GoneBack
from campaign.edges.stripe_wire import StripeRefused
from campaign.giving import consequences, money_back, refund_requests
from campaign.giving.donations import Donation
from campaign.giving.money_back import Told
from campaign.giving.refund_requests import CannotRefund, RefundRequest

log = structlog.get_logger()

LEFT_OPEN_AFTER = timedelta(minutes=1)


def refund(donation: Donation, cents: int | None, *, actor: str, reason: str) -> RefundRequest:
    """Give back `cents` of what was paid, all that is left when None.

    Raises CannotRefund, also for what Stripe refuses, and StripeAway: then the request stands, and the sweep asks again.
    """
    try:
        request = refund_requests.begin(donation, cents, actor=actor, reason=reason)
    except CannotRefund:
        db.session.rollback()
        raise
    db.session.commit()
    _carry_out(request)
    if request.refused:
        raise CannotRefund(f"Stripe refused the refund: {request.refused}")
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
    donation = db.session.get_one(Donation, request.donation_id)
    payment_intent, cents, key, look = donation.payment_intent, request.cents, request.key, money_back.next_look()
    assert payment_intent
    db.session.commit()
    stripe = outside().stripe
    try:
        refund = stripe.refund_made_for(payment_intent, key) or stripe.give_back(payment_intent, cents, key=key)
    except StripeRefused as error:
        log.error("refund.refused", request=key, donation=donation.public_id, error=str(error)[:200])
        refund_requests.refuse(request, str(error))
        db.session.commit()
        return
    _record(donation, request, refund, look)


def _record(donation: Donation, request: RefundRequest, refund: GoneBack, look: int) -> None:
    told = Told.of(refund, look=look)
    assert told, "a refund of a payment intent names it"
    consequences.apply(donation, lambda desk: money_back.record(told, donation, desk, cause=request.key))
    refund_requests.made(request, refund.id)
    db.session.commit()
    outside().waker.wake("mail")
