"""Disputes by what they ask for: those that are open, those that wait for an answer, and those that end a monthly gift.

What a dispute does to the books is in reversals.py.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Index, Select, func, or_, select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.reversals import ReversalKind
from campaign.payments.quarantine import QuarantinedPayment
from campaign.payments.reversals import APPEAL_STATUSES, OPEN_DISPUTE_STATUSES, Reversal

# The reason of a dispute whose donor says that the monthly gift was cancelled.
SUBSCRIPTION_CANCELED = "subscription_canceled"
# Stripe waits for evidence that the payment was wanted; without an answer the dispute is lost.
UNANSWERED_STATUSES = ("needs_response", "warning_needs_response", "appeal_needs_response")

_is_dispute = Reversal.kind == ReversalKind.DISPUTE
_is_unwanted = Reversal.status.in_(["lost", *APPEAL_STATUSES]) | (Reversal.reason == SUBSCRIPTION_CANCELED)


Index("ix_reversal_unanswered", Reversal.id, postgresql_where=_is_dispute & Reversal.status.in_(UNANSWERED_STATUSES))


@dataclass(frozen=True, kw_only=True)
class UnansweredDispute:
    """A dispute of a donation that Stripe wants an answer to."""

    reversal: Reversal
    donation: Donation


def disputed_among(payment_intents: Collection[str]) -> set[str]:
    """Which of these payments have a dispute that is open."""
    if not payment_intents:
        return set()
    return set(db.session.scalars(payments_in_dispute().where(Reversal.payment_intent.in_(payment_intents))))


def payments_in_dispute() -> Select[str]:
    """The payments that have a dispute that is open, for queries."""
    return select(Reversal.payment_intent).where(_is_dispute, Reversal.status.in_(OPEN_DISPUTE_STATUSES))


def list_unanswered(*, limit: int, donation: Donation | None = None) -> list[UnansweredDispute]:
    """Disputes that Stripe wants an answer to, of any donation or of this one, the most urgent first."""
    unanswered = _unanswered(select(Reversal, Donation)).order_by(Reversal.respond_by.asc().nulls_last(), Reversal.id)
    if donation:
        # By its payments, which have an index: otherwise every reversal is read.
        named = select(QuarantinedPayment.payment_intent).where(QuarantinedPayment.donation_id == donation.id)
        payments = [*db.session.scalars(named), *([donation.payment_intent] if donation.payment_intent else [])]
        unanswered = unanswered.where(Donation.id == donation.id, Reversal.payment_intent.in_(payments))
    return [UnansweredDispute(reversal=reversal, donation=donation) for reversal, donation in db.session.execute(unanswered.limit(limit))]


def count_unanswered() -> int:
    """How many disputes of donations Stripe wants an answer to."""
    return int(db.session.execute(unanswered()).one().disputes)


def unanswered() -> Select[int, datetime]:
    """The query of how many these are, `disputes`, and until when Stripe takes an answer to the most urgent one, `dispute_until`."""
    sums = select(func.count().label("disputes"), func.min(Reversal.respond_by).label("dispute_until"))
    return _unanswered(sums.select_from(Reversal))


def _unanswered(disputes: Select) -> Select:  # type: ignore[type-arg]  # of rows of several types
    return disputes.join(Donation, _is_of(Donation)).where(_is_dispute, Reversal.status.in_(UNANSWERED_STATUSES))


def dispute_against_agreement(payment_intent: str | None) -> str | None:
    """The id at Stripe of a dispute of the payment by which the bank or the donor says that no further payment is wanted.

    That is one that is lost, or under appeal after a loss, or whose reason is that the subscription was canceled (policy.md, section 2).
    """
    unwanted = select(Reversal.stripe_id).where(Reversal.payment_intent == payment_intent, _is_dispute, _is_unwanted)
    return db.session.scalar(unwanted.order_by(Reversal.id).limit(1))


def list_against_agreements() -> list[tuple[Donation, str]]:
    """Donations of monthly gifts with such a dispute, of their payment or of one in quarantine that names them, and its id at Stripe."""
    unwanted = select(Donation, Reversal.stripe_id).join(Reversal, _is_of(Donation)).where(_is_dispute, _is_unwanted)
    found = db.session.execute(unwanted.where(Donation.recurring_gift_id.is_not(None)).order_by(Reversal.id))
    return [(donation, dispute) for donation, dispute in found]


def _is_of(donation: type[Donation]) -> ColumnElement[bool]:
    """Whether the reversal is of the donation's payment, or of one in quarantine that names the donation."""
    q = QuarantinedPayment
    named = select(q.donation_id).where(q.payment_intent == Reversal.payment_intent).scalar_subquery()
    return or_(donation.payment_intent == Reversal.payment_intent, donation.id == named)
