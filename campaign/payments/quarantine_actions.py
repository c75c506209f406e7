"""Staff decisions on a payment in quarantine: accept it as the donation or as a second donation, or dismiss it.

Refunding it is in refund_jobs.py, because that calls Stripe.
"""

from dataclasses import fields
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


def accept(payment_id: int, *, actor: str, reason: str) -> Donation:
    """Record the payment as a donation of the amount that was paid, and return that donation. Raises DecisionRefused."""
    payment = quarantine.get_payment(payment_id)
    if not payment.may_be_accepted:
        raise DecisionRefused(ActionError.NOT_ACCEPTABLE)
    named = db.session.get_one(Donation, payment.donation_id)
    donation = _create_second_donation(named, payment) if named.paid_at else named
    effects.decide_and_apply(donation, lambda session: _accept(payment_id, donation, session, actor, reason))
    db.session.commit()
    services().waker.wake("mail")
    return donation


def _accept(payment_id: int, donation: Donation, session: RematchingSession, actor: str, reason: str) -> Effects:
    payment = quarantine.lock_payment(payment_id)
    if quarantine.refundable_cents(payment) < payment.amount_cents:
        raise DecisionRefused(ActionError.PARTLY_REFUNDED)
    quarantine.decide(payment, Decision.ACCEPTED, actor=actor, reason=reason)
    return settlement.accept(payment, donation, session, cause=f"accepted:{payment.payment_intent}")


def dismiss(payment_id: int, *, actor: str, reason: str) -> None:
    """Set the payment aside: it does not belong to the charity, or it is dealt with elsewhere. Raises DecisionRefused."""
    quarantine.decide(quarantine.lock_payment(payment_id), Decision.DISMISSED, actor=actor, reason=reason)
    db.session.commit()


def _create_second_donation(first: Donation, payment: QuarantinedPayment) -> Donation:
    """A new donation with the details of the first one."""
    copied = {field.name: getattr(first, field.name) for field in fields(DonationDetails) if field.name not in {"email", "news_consent"}}
    details = DonationDetails(**copied, email=first.email, news_consent=first.news_consent_at is not None)
    context = CheckoutContext(
        attempt=f"second:{payment.payment_intent}", expected_match_cents=0, livemode=first.livemode, now=datetime.now(UTC)
    )
    return checkouts.start_checkout(first.campaign, details, context)
