"""What staff decide about a payment in quarantine: taken as the gift after all, as a second gift, or set aside as none of ours.

Giving it back stands in refunding.py, as Stripe is asked for it.
"""

from dataclasses import fields
from datetime import UTC, datetime

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import checkouts, consequences, payments, quarantine
from campaign.giving.checkouts import Beginning
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation, Gift
from campaign.giving.healing import HealingDesk
from campaign.giving.quarantine import CannotDecide, Decision, QuarantinedPayment
from campaign.rules.refusals import Refusal


def accept(row: int, *, actor: str, reason: str) -> Donation:
    """The payment is a gift after all, of the sum that was paid; returns the donation that it is now. Raises CannotDecide."""
    payment = quarantine.payment_in(row)
    if not payment.may_be_accepted:
        raise CannotDecide(Refusal.NOT_ACCEPTABLE)
    named = db.session.get_one(Donation, payment.donation_id)
    donation = _second_gift(named, payment) if named.paid_at else named
    consequences.apply(donation, lambda desk: _accepted(row, donation, desk, actor, reason))
    db.session.commit()
    outside().waker.wake("mail")
    return donation


def _accepted(row: int, donation: Donation, desk: HealingDesk, actor: str, reason: str) -> Consequence:
    payment = quarantine.locked(row)
    if quarantine.left_of(payment) < payment.amount_cents:
        raise CannotDecide(Refusal.PARTLY_BACK)
    quarantine.decide(payment, Decision.ACCEPTED, actor=actor, reason=reason)
    return payments.accept(payment, donation, desk, cause=f"accepted:{payment.payment_intent}")


def set_aside(row: int, *, actor: str, reason: str) -> None:
    """The payment is none of ours, or somebody deals with it elsewhere. Raises CannotDecide."""
    quarantine.decide(quarantine.locked(row), Decision.SET_ASIDE, actor=actor, reason=reason)
    db.session.commit()


def _second_gift(first: Donation, payment: QuarantinedPayment) -> Donation:
    """A donation of its own, by the same donor in the same words."""
    own = {field.name: getattr(first, field.name) for field in fields(Gift) if field.name not in {"email", "news_consent"}}
    gift = Gift(**own, email=first.email, news_consent=first.news_consent_at is not None)
    how = Beginning(attempt=f"second:{payment.payment_intent}", expected_match_cents=0, livemode=first.livemode, now=datetime.now(UTC))
    return checkouts.begin(first.campaign, gift, how)
