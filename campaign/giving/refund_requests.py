"""A refund that we ask Stripe for: one at a time for a payment, never of more than is left of it.

It is written before Stripe is asked and ends when Stripe has made or refused it; what it does to the gift and its match is told by
Stripe's refund (money_back.py), whoever asked for that.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving import audit, money_back, quarantine
from campaign.giving.donations import Donation, lock_donations
from campaign.giving.quarantine import QuarantinedPayment
from campaign.rules.refusals import Refusal, say


class CannotRefund(Exception):
    """Why not; its text is one sentence for staff, in English."""

    def __init__(self, refusal: Refusal, *, cents: int = 0, said: str = "") -> None:
        super().__init__(say(refusal, "en", cents=cents, said=said))
        self._refusal, self._cents, self._said = refusal, cents, said

    def in_words(self, language: str) -> str:
        """The sentence in a language."""
        return say(self._refusal, language, cents=self._cents, said=self._said)


class RefundRequest(Base):
    """What staff asked to be given back. `cents` is of what was charged, covered fee included; `donation_id` is None for a payment of nobody; `refused` is what Stripe said instead.

    `key` is the request's name at Stripe: asked for twice, it is made once. It is of chance, as numbers begin anew in another database.
    """

    __tablename__ = "refund_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    payment_intent: Mapped[str]
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"))
    cents: Mapped[int]
    reason: Mapped[str]
    actor: Mapped[str]
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    stripe_id: Mapped[str | None] = mapped_column(unique=True)
    refused: Mapped[str | None]


Index("one_refund_request_at_a_time", RefundRequest.payment_intent, unique=True, postgresql_where=RefundRequest.ended_at.is_(None))


def begin(donation: Donation, cents: int | None, *, actor: str, reason: str) -> RefundRequest:
    """The request to give back `cents` of the charge, all that is left when None; the one under way when it is the same.

    Raises CannotRefund. The gift stays locked until the commit, so that two requests never ask for the same money.
    """
    (locked,) = lock_donations([donation.id])
    if locked.paid_at is None:
        raise CannotRefund(Refusal.NOT_PAID)
    assert locked.payment_intent
    request = _under_way(locked.payment_intent, cents)
    return request or _ask(locked.payment_intent, locked, cents, left=money_back.left_of(locked), actor=actor, reason=reason)


def begin_of_quarantined(payment: QuarantinedPayment, *, actor: str, reason: str) -> RefundRequest:
    """The request to give back all that is left of a payment in quarantine, which stays locked until the commit. Raises CannotRefund."""
    if not payment.may_be_given_back:
        raise CannotRefund(Refusal.NOT_OURS)
    donation = db.session.get(Donation, payment.donation_id) if payment.donation_id else None
    request = _under_way(payment.payment_intent, None)
    return request or _ask(payment.payment_intent, donation, None, left=quarantine.left_of(payment), actor=actor, reason=reason)


def _under_way(payment_intent: str, cents: int | None) -> RefundRequest | None:
    open_one = select(RefundRequest).where(RefundRequest.payment_intent == payment_intent, RefundRequest.ended_at.is_(None))
    found = db.session.scalar(open_one)
    if found is not None and cents not in {None, found.cents}:
        raise CannotRefund(Refusal.UNDER_WAY, cents=found.cents)
    return found


def _ask(payment_intent: str, donation: Donation | None, cents: int | None, *, left: int, actor: str, reason: str) -> RefundRequest:
    if money_back.is_disputed(payment_intent):
        raise CannotRefund(Refusal.DISPUTED)
    if left == 0:
        raise CannotRefund(Refusal.NOTHING_LEFT)
    if cents is not None and cents > left:
        raise CannotRefund(Refusal.TOO_MUCH, cents=left)
    request = RefundRequest(
        key=f"refund_{secrets.token_hex(10)}",
        payment_intent=payment_intent,
        donation_id=donation.id if donation else None,
        cents=left if cents is None else cents,
        actor=actor,
        reason=reason,
    )
    db.session.add(request)
    audit.record(actor, "refund asked for", donation.public_id if donation else payment_intent, cents=request.cents, reason=reason)
    db.session.flush()
    return request


def made(request: RefundRequest, stripe_id: str) -> None:
    """Stripe has made the refund."""
    request.stripe_id, request.ended_at = stripe_id, func.now()


def refuse(request: RefundRequest, answer: str) -> None:
    """Stripe said no, and why."""
    request.refused, request.ended_at = answer[:500], func.now()


def left_open(*, for_longer_than: timedelta) -> list[RefundRequest]:
    """Requests of whose end we have not heard in all that time: whoever asked was killed, or Stripe did not answer."""
    query = select(RefundRequest).where(RefundRequest.ended_at.is_(None), RefundRequest.begun_at < func.now() - for_longer_than)
    return list(db.session.scalars(query.order_by(RefundRequest.id).limit(100)))
