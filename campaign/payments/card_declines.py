"""Declined card payments of donations, as Stripe reports them: one row for each charge, however often it is reported.

They change no donation: the checkout stays open. They show when somebody tries stolen cards (card_testing.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


@dataclass(frozen=True, kw_only=True)
class Decline:
    """A declined charge: the payment that it was for, when it was made, and why the card was declined, as Stripe calls it."""

    charge: str
    payment_intent: str
    code: str
    declined_at: datetime


class CardDecline(Base):
    """One declined charge of a donation. `declined_at` is Stripe's moment, `recorded_at` ours."""

    __tablename__ = "card_decline"

    id: Mapped[int] = mapped_column(primary_key=True)
    charge: Mapped[str] = mapped_column(unique=True)
    payment_intent: Mapped[str]
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), index=True)
    code: Mapped[str]
    declined_at: Mapped[datetime] = mapped_column(index=True)
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


def record_declines(declines: Sequence[tuple[Decline, int]]) -> int:
    """Store each decline with the id of its donation, once for each charge. Returns how many are new."""
    rows = [{**vars(decline), "donation_id": donation} for decline, donation in sorted(declines, key=lambda pair: pair[0].charge)]
    if not rows:
        return 0
    adding = insert(CardDecline).on_conflict_do_nothing(index_elements=["charge"]).returning(CardDecline.id)
    return len(db.session.scalars(adding, rows).all())
