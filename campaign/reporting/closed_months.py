"""Months that were closed, each with its figures and the ends of the ledger's chains as they were then. A reopened one stays, as the history."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.payments.deposits import CHAIN_OF_DEPOSITS


class ClosedMonth(Base):
    """A month that begins on `first_on` and was closed. `figures` are those of reporting/months.py.

    `heads` has the last position and hash of each chain of the charity by its name: an entry beyond them came after the closing. The last
    deposit is there by its number, as they are closed in their order.
    """

    __tablename__ = "closed_month"

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    first_on: Mapped[date]
    figures: Mapped[dict[str, Any]]
    heads: Mapped[dict[str, Any]]
    reason: Mapped[str]
    closed_by: Mapped[str]
    closed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    reopened_by: Mapped[str | None]
    reopened_at: Mapped[datetime | None]
    reopening_reason: Mapped[str | None]

    @property
    def positions(self) -> dict[str, int]:
        """The last position of each chain."""
        return {chain: int(position) for chain, (position, _) in self.heads.items()}


Index("month_is_closed_once", ClosedMonth.charity_id, ClosedMonth.first_on, unique=True, postgresql_where=ClosedMonth.reopened_at.is_(None))

_ENDS = text("""
    SELECT 'fund:' || f.id AS chain, f.chain_entries, encode(f.chain_hash, 'hex') FROM fund f JOIN campaign c ON c.id = f.campaign_id
    WHERE c.charity_id = :charity
    UNION ALL
    SELECT 'campaign:' || t.campaign_id, t.chain_entries, encode(t.chain_hash, 'hex') FROM campaign_totals t JOIN campaign c ON c.id = t.campaign_id
    WHERE c.charity_id = :charity
    UNION ALL
    SELECT :deposits, coalesce(max(number), 0), '' FROM deposit WHERE charity_id = :charity AND closed_at IS NOT NULL
    ORDER BY 1
""")


def heads_of(charity: Charity) -> dict[str, tuple[int, str]]:
    """The last position of each chain of the charity, and its hash."""
    found = db.session.execute(_ENDS, {"charity": charity.id, "deposits": CHAIN_OF_DEPOSITS})
    return {chain: (position, head) for chain, position, head in found}


def store(charity: Charity, first_on: date, figures: dict[str, Any], *, reason: str, actor: str) -> ClosedMonth:
    """Close the month. Raises sqlalchemy.exc.IntegrityError when it is closed already."""
    closed = ClosedMonth(charity_id=charity.id, first_on=first_on, figures=figures, heads=heads_of(charity), reason=reason, closed_by=actor)
    db.session.add(closed)
    db.session.flush()
    return closed


def reopen(closed: ClosedMonth, *, reason: str, actor: str) -> None:
    """Reopen the month. The caller has locked the row."""
    closed.reopened_by, closed.reopened_at, closed.reopening_reason = actor, func.now(), reason
    db.session.flush()


def find(charity: Charity, closing_id: int) -> ClosedMonth | None:
    """The charity's closing with this id, in force or not."""
    return db.session.scalar(select(ClosedMonth).where(ClosedMonth.charity_id == charity.id, ClosedMonth.id == closing_id))


def closing_of(charity: Charity, first_on: date) -> ClosedMonth | None:
    """The closing of the month that is in force."""
    c = ClosedMonth
    return db.session.scalar(select(c).where(c.charity_id == charity.id, c.first_on == first_on, c.reopened_at.is_(None)))


def lock_closing(charity: Charity, first_on: date) -> ClosedMonth | None:
    """The closing of the month that is in force, locked."""
    c = ClosedMonth
    found = select(c).where(c.charity_id == charity.id, c.first_on == first_on, c.reopened_at.is_(None))
    return db.session.scalar(found.with_for_update())


def list_closings(charity: Charity, *, first: date, last: date) -> list[ClosedMonth]:
    """The closings of the months from the first to the last, in force or not, the latest first."""
    c = ClosedMonth
    found = select(c).where(c.charity_id == charity.id, c.first_on >= first, c.first_on <= last)
    return list(db.session.scalars(found.order_by(c.id.desc())))
