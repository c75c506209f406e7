"""Polling cursors: how far each of Stripe's lists has been read."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class StripeList(StrEnum):
    """The lists at Stripe that are polled."""

    EVENTS = "events"
    BALANCE = "balance"


class StripeCursor(Base):
    """How far one list has been read, in live or test mode."""

    __tablename__ = "stripe_cursor"

    livemode: Mapped[bool] = mapped_column(primary_key=True)
    list: Mapped[str] = mapped_column(primary_key=True)
    read_until: Mapped[datetime]


def read_until(of: StripeList, *, livemode: bool) -> datetime | None:
    """The moment until which the list has been read; None before the first poll."""
    query = select(StripeCursor.read_until).where(StripeCursor.livemode == livemode, StripeCursor.list == of)
    return db.session.scalar(query)


def advance_cursor(of: StripeList, *, livemode: bool, read_until: datetime) -> None:
    """Record that the list has been read until this moment. The cursor never moves back."""
    db.session.execute(
        insert(StripeCursor)
        .values(livemode=livemode, list=of, read_until=read_until)
        .on_conflict_do_update(
            index_elements=[StripeCursor.livemode, StripeCursor.list],
            set_={"read_until": func.greatest(StripeCursor.read_until, read_until)},
        )
    )
