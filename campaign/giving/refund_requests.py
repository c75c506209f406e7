"""A refund that we ask Stripe for: one at a time for a gift, never of more than is left of the payment.

It is written before Stripe is asked and ends when Stripe has made or refused it; what it does to the gift and its match is told by
Stripe's refund (money_back.py), whoever asked for that.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving import audit, money_back
from campaign.giving.donations import Donation, lock_donations
from campaign.rules import money


class CannotRefund(Exception):
    """Why not, in one sentence for staff."""


class RefundRequest(Base):
    """What staff asked to be given back. `cents` is of what was charged, covered fee included; `refused` is what Stripe said instead.

    `key` is the request's name at Stripe: asked for twice, it is made once. It is of chance, as numbers begin anew in another database.
    """

    __tablename__ = "refund_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"))
    cents: Mapped[int]
    reason: Mapped[str]
    actor: Mapped[str]
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    stripe_id: Mapped[str | None] = mapped_column(unique=True)
    refused: Mapped[str | None]


Index("one_refund_request_at_a_time", RefundRequest.donation_id, unique=True, postgresql_where=RefundRequest.ended_at.is_(None))


def begin(donation: Donation, cents: int | None, *, actor: str, reason: str) -> RefundRequest:
    """The request to give back `cents` of the charge, all that is left when None; the one under way when it is the same.

    Raises CannotRefund. The gift stays locked until the commit, so that two requests never ask for the same money.
    """
    (locked,) = lock_donations([donation.id])
    if locked.paid_at is None:
        raise CannotRefund("This gift was not paid, so nothing can be given back.")
    if under_way := db.session.scalar(
        select(RefundRequest).where(RefundRequest.donation_id == locked.id, RefundRequest.ended_at.is_(None))
    ):
        if cents in {None, under_way.cents}:
            return under_way
        raise CannotRefund(f"A refund of {money.written(under_way.cents, 'en')} of this gift is under way; ask again when it has ended.")
    assert locked.payment_intent
    if money_back.is_disputed(locked.payment_intent):
        raise CannotRefund("The donor disputes this payment: it cannot be refunded until the dispute is decided.")
    left = money_back.left_of(locked)
    if left == 0:
        raise CannotRefund("Nothing is left of this gift to be given back.")
    if cents is not None and cents > left:
        raise CannotRefund(f"Only {money.written(left, 'en')} is left of what was paid.")
    cents = left if cents is None else cents
    request = RefundRequest(key=f"refund_{secrets.token_hex(10)}", donation_id=locked.id, cents=cents, actor=actor, reason=reason)
    db.session.add(request)
    audit.record(actor, "refund asked for", locked.public_id, cents=cents, reason=reason)
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
