"""Until when each of Stripe's own lists has been read."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class StripeList(StrEnum):
    """What Stripe keeps a list of."""

    EVENTS = "events"
    BALANCE = "balance"


class StripeWatermark(Base):
    """How far one list was read, of one mode."""

    __tablename__ = "stripe_watermark"

    livemode: Mapped[bool] = mapped_column(primary_key=True)
    list: Mapped[str] = mapped_column(primary_key=True)
    seen_until: Mapped[datetime]


def watermark(of: StripeList, *, livemode: bool) -> datetime | None:
    """Until when the list has been read; None when it never was."""
    row = select(StripeWatermark.seen_until).where(StripeWatermark.livemode == livemode, StripeWatermark.list == of)
    return db.session.scalar(row)


def move_watermark(of: StripeList, *, livemode: bool, seen_until: datetime) -> None:
    """The list has been read until this moment; never moves back."""
    db.session.execute(
        insert(StripeWatermark)
        .values(livemode=livemode, list=of, seen_until=seen_until)
        .on_conflict_do_update(
            index_elements=[StripeWatermark.livemode, StripeWatermark.list],
            set_={"seen_until": func.greatest(StripeWatermark.seen_until, seen_until)},
        )
    )
