"""Returns as they were filed: each line's figure, the register as it was exported, and each gift with its group. Never changed.

An amended return is another copy. Later differences are shown against a copy (reporting/return_differences.py).
"""

from collections.abc import Collection
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, Subquery, UniqueConstraint, and_, exists, func, insert, literal, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.rules.fiscal_years import Period
from campaign.rules.return_lines import Form


class FiledReturn(Base):
    """A return that was filed on `filed_on`. `lines` has the cents of each line by its number; `register` is an XLSX workbook.

    `version` is that of the form (rules/return_lines.py), `sha256` that of the workbook, in hexadecimal.
    """

    __tablename__ = "filed_return"
    __table_args__ = (Index("ix_filed_return_charity_id_last_on", "charity_id", "last_on"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    form: Mapped[str]
    version: Mapped[str]
    first_on: Mapped[date]
    last_on: Mapped[date]
    awaited_gifts_as: Mapped[str]
    lines: Mapped[dict[str, Any]]
    register: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[str]
    filed_on: Mapped[date]
    filed_by: Mapped[str]
    note: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class FiledGift(Base):
    """A donation or a funder's payment in a return that was filed, with its group and its cents by the books, and its receipt's number."""

    __tablename__ = "filed_gift"
    __table_args__ = (
        UniqueConstraint("filed_return_id", "donation_id"),
        UniqueConstraint("filed_return_id", "funder_payment_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    filed_return_id: Mapped[int] = mapped_column(ForeignKey("filed_return.id"))
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"))
    funder_payment_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment.id"))
    gift_group: Mapped[str]
    is_abroad: Mapped[bool]
    cents: Mapped[int]
    serial: Mapped[str]


GIFT_COLUMNS = ("donation_id", "funder_payment_id", "gift_group", "is_abroad", "cents", "serial")


def record(
    charity: Charity,
    form: Form,
    period: Period,
    *,
    version: str,
    lines: dict[str, int],
    register: bytes,
    gifts: Subquery,
    filed_on: date,
    actor: str,
    note: str,
) -> FiledReturn:
    """Store a copy of the return, with the gifts of the subquery, which has GIFT_COLUMNS."""
    filed = FiledReturn(
        charity_id=charity.id,
        form=form.value,
        version=version,
        first_on=period.first_on,
        last_on=period.last_on,
        awaited_gifts_as=charity.awaited_gifts_as,
        lines=lines,
        register=register,
        sha256=sha256(register).hexdigest(),
        filed_on=filed_on,
        filed_by=actor,
        note=note,
    )
    db.session.add(filed)
    db.session.flush()
    rows = select(literal(filed.id), *(gifts.c[name] for name in GIFT_COLUMNS))
    db.session.execute(insert(FiledGift).from_select(["filed_return_id", *GIFT_COLUMNS], rows))
    return filed


def find(charity: Charity, filed_id: int) -> FiledReturn | None:
    """The charity's copy with this number, or None."""
    return db.session.scalar(select(FiledReturn).where(FiledReturn.charity_id == charity.id, FiledReturn.id == filed_id))


def last_of(charity: Charity, form: Form, period: Period) -> FiledReturn | None:
    """The latest copy of the form for the fiscal year that ends with the period, or None."""
    r = FiledReturn
    of_year = select(r).where(r.charity_id == charity.id, r.form == form.value, r.last_on == period.last_on)
    return db.session.scalar(of_year.order_by(r.id.desc()).limit(1))


def has_filed(charity: Charity, days: Collection[date]) -> bool:
    """Whether a return was filed for the fiscal year of one of these days."""
    r = FiledReturn
    covers = or_(*(and_(r.first_on <= day, r.last_on >= day) for day in days))
    return db.session.scalar(select(exists().where(r.charity_id == charity.id, covers))) is True


def list_of(charity: Charity, *, limit: int) -> list[FiledReturn]:
    """The charity's copies, the latest first."""
    r = FiledReturn
    return list(db.session.scalars(select(r).where(r.charity_id == charity.id).order_by(r.id.desc()).limit(limit)))
