"""Staff decisions on a payment in quarantine: accept it as the donation or as a second donation, or dismiss it.

Refunding it is in refund_jobs.py, because that calls Stripe.
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

from campaign.donations.donations import Donation, DonationDetails
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching import effects
from campaign.matching.effects import Effects
from campaign.matching.rematching import RematchingSession
from campaign.payments import checkouts, quarantine, settlement
from campaign.payments.checkouts import CheckoutContext
from campaign.payments.quarantine import Decision, DecisionRefused, QuarantinedPayment
from campaign.texts.action_errors import ActionError


def accept(payment_id: int, *, actor: str, reason: str, covered_fee_cents: int | None = None) -> Donation:
    """Record the payment as a donation of the amount that was paid, and return that donation. Raises DecisionRefused.

    `covered_fee_cents` is the part of it that is covered fee, which is never matched; by default in proportion to the donation's.
    """
    payment = quarantine.get_payment(payment_id)
    if not payment.may_be_accepted:
        raise DecisionRefused(ActionError.NOT_ACCEPTABLE)
    if db.session.get_one(Donation, payment.donation_id).campaign.sealed_at:
        raise DecisionRefused(ActionError.CAMPAIGN_IS_SEALED)
    if covered_fee_cents is not None and not 0 <= covered_fee_cents < payment.amount_cents:
        raise DecisionRefused(ActionError.FEE_TOO_LARGE)
    accepted = Acceptance(payment_id=payment_id, covered_fee_cents=covered_fee_cents, actor=actor, reason=reason)
    try:
        donation = _accept_for(payment, accepted)
    except _PaidMeanwhile:
        db.session.rollback()
        donation = _accept_for(quarantine.get_payment(payment_id), accepted)
    db.session.commit()
    services().waker.wake("mail")
    return donation


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """Who accepts which payment, why, and how much of it is covered fee; None for the proportion of the donation's."""

    payment_id: int
    covered_fee_cents: int | None
    actor: str
    reason: str


class _PaidMeanwhile(Exception):
    """Another payment of the donation was accepted at the same time: this one is a second donation."""


def _accept_for(payment: QuarantinedPayment, accepted: Acceptance) -> Donation:
    named = db.session.get_one(Donation, payment.donation_id, populate_existing=True)
    donation = _create_second_donation(named, payment) if named.received_at else named
    effects.decide_and_apply(donation, lambda session: _accept(accepted, donation, session))
    return donation


def _accept(accepted: Acceptance, donation: Donation, session: RematchingSession) -> Effects:
    payment = quarantine.lock_payment(accepted.payment_id)
    if quarantine.refundable_cents(payment) < payment.amount_cents:
        raise DecisionRefused(ActionError.PARTLY_REFUNDED)
    if donation.received_at is not None:
        raise _PaidMeanwhile
    quarantine.decide(payment, Decision.ACCEPTED, actor=accepted.actor, reason=accepted.reason)
    cause = f"accepted:{payment.payment_intent}"
    return settlement.accept(payment, donation, session, covered_fee_cents=accepted.covered_fee_cents, cause=cause)


def dismiss(payment_id: int, *, actor: str, reason: str) -> None:
    """Set the payment aside: it does not belong to the charity, or it is dealt with elsewhere. Raises DecisionRefused."""
    quarantine.decide(quarantine.lock_payment(payment_id), Decision.DISMISSED, actor=actor, reason=reason)
    db.session.commit()


def _create_second_donation(first: Donation, payment: QuarantinedPayment) -> Donation:
    """A new donation of what was paid, with the details of the first one. It holds nothing: it is paid already.

    A second payment of a month is listed with the months. The donor consented to news when they did so, not when staff accept the payment.
    """
    fee = settlement.covered_fee_in(payment, first)
    not_copied = {"amount_cents", "covered_fee_cents", "news_consent"}
    copied = {field.name: getattr(first, field.name) for field in fields(DonationDetails) if field.name not in not_copied}
    details = DonationDetails(
        **copied, amount_cents=payment.amount_cents - fee, covered_fee_cents=fee, news_consent=first.news_consent_at is not None
    )
    context = CheckoutContext(
        attempt=f"second:{payment.payment_intent}", expected_match_cents=0, livemode=first.livemode, now=datetime.now(UTC)
    )
    second = checkouts.get_or_create_donation(first.campaign, details, context)
    second.recurring_gift_id, second.news_consent_at = first.recurring_gift_id, first.news_consent_at
    return second
