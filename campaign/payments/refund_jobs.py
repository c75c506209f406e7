"""Refunds from our side: the request is stored first, sent to Stripe without any lock, and posted as soon as Stripe has answered."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from campaign.donations.donations import Donation, lock_donations
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.edges.stripe.reversals import StripeReversal
from campaign.matching import effects
from campaign.payments import quarantine, refund_previews, refunds, reversals, snapshot_numbers
from campaign.payments.quarantine import DecisionRefused
from campaign.payments.refund_previews import RefundPreview
from campaign.payments.refunds import RefundRefused, RefundRequest
from campaign.payments.reversals import ReversalSnapshot
from campaign.texts.action_errors import ActionError

log = structlog.get_logger()

RETRY_AFTER = timedelta(minutes=1)


def decide_preview(donation: Donation, cents: int | None) -> RefundPreview:
    """What a refund of `cents` of the charge would do now, all that is left when None. Raises RefundRefused."""
    try:
        return refund_previews.decide_refund_preview(donation, cents)
    finally:
        db.session.rollback()


def refund(donation: Donation, cents: int | None, *, actor: str, reason: str, key: str = "") -> RefundRequest:
    """Refund `cents` of the charge, all that is left when None. With the key of an earlier request, nothing more is refunded.

    Raises RefundRefused, also when Stripe refuses, and StripeUnavailable: the request then stays open, and `retry_refunds` sends it again.
    """
    return _request_and_send(lambda: refunds.request_refund(donation, cents, actor=actor, reason=reason, key=key))


def refund_quarantined(payment_id: int, *, actor: str, reason: str) -> RefundRequest:
    """Refund all that is left of a payment in quarantine. Raises as `refund`, and DecisionRefused when the payment is decided."""
    return _request_and_send(lambda: refunds.request_quarantine_refund(quarantine.lock_payment(payment_id), actor=actor, reason=reason))


def _request_and_send(create_request: Callable[[], RefundRequest]) -> RefundRequest:
    try:
        request = create_request()
    except (RefundRefused, DecisionRefused):
        db.session.rollback()
        raise
    db.session.commit()
    if request.ended_at is None:
        _send(request)
    if request.refusal:
        raise RefundRefused(ActionError.REFUSED_BY_STRIPE, stripe_reason=request.refusal)
    return request


def retry_refunds() -> int:
    """Send unfinished refund requests again; returns how many. Raises StripeUnavailable.

    Any other error is raised after all were sent, so that one request never keeps the others from being sent.
    """
    unfinished, failed = refunds.list_unfinished(older_than=RETRY_AFTER), None
    db.session.commit()
    for request in unfinished:
        try:
            _send(request)
        except StripeUnavailable:
            raise
        except Exception as error:
            db.session.rollback()
            failed = failed or error
    if failed:
        raise failed
    return len(unfinished)


def _send(request: RefundRequest) -> None:
    """Look up the refund before creating it: it may exist already, and Stripe forgets idempotency keys after a day."""
    payment_intent, cents, key, snapshot_number = (
        request.payment_intent,
        request.cents,
        request.key,
        snapshot_numbers.take_snapshot_number(),
    )
    db.session.commit()
    stripe = services().stripe_payments
    try:
        refund = stripe.find_refund(payment_intent, key) or stripe.create_refund(payment_intent, cents, key=key)
    except StripeRefused as error:
        log.error("refund.refused", request=key, payment=payment_intent, error=str(error)[:200])
        refunds.mark_refused(request, str(error))
        db.session.commit()
        return
    _record(request, refund, snapshot_number)


def _record(request: RefundRequest, refund: StripeReversal, snapshot_number: int) -> None:
    snapshot = ReversalSnapshot.of(refund, snapshot_number=snapshot_number)
    assert snapshot, "Stripe returned a refund without a payment intent or amount"
    donation = db.session.get(Donation, request.donation_id) if request.donation_id else None
    if donation is not None and donation.received_at and donation.payment_intent == request.payment_intent:
        effects.decide_and_apply(donation, lambda session: reversals.record(snapshot, donation, session, cause=request.key))
    else:
        lock_donations([request.donation_id] if request.donation_id else [])
        reversals.store_snapshot(snapshot)
        quarantine.apply_refunds([request.payment_intent], actor=request.actor, reason=request.reason)
    refunds.mark_created(request, refund.id)
    db.session.commit()
    services().waker.wake("mail")
