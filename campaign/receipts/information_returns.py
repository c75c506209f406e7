"""Information returns on returned donations: due to the CRA within 90 days when more than $50 of a receipted donation is returned.

The 90 days begin after the day on which the money went back, in the charity's time zone, whenever we hear of it (Income Tax Act,
s. 110.1(16) and 118.1(27); CRA guidance CG-016). A return that is overdue when it is opened is opened all the same. Each row holds what the
return must contain (Income Tax Regulations, s. 3501.1). Staff file the return and close the row.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, Select, exists, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.receipts.receipts import Receipt

# Staff are warned of a return that is due within this time.
WARNED_BEFORE = timedelta(days=14)


class InformationReturn(Base):
    """One return to file, on a donation or on a funder's payment. Which reversals it reports is in reported_reversals.py.

    `receipt_id` is the first receipt of the gift, before any that replaced it, and `receipted_cents` what that one said of the gift.
    `returned_cents` is what the return reported when it was opened. `closed_by` is a member of staff, or `SYSTEM_ACTOR` when its money came back.
    """

    __tablename__ = "information_return"
    __table_args__ = (
        CheckConstraint("num_nonnulls(donation_id, funder_payment_id) = 1", name="return_is_of_one_gift"),
        Index("ix_information_return_open", "due_on", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    funder_payment_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment.id"))
    receipted_cents: Mapped[int]
    returned_cents: Mapped[int]
    returned_on: Mapped[date]
    due_on: Mapped[date]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    note: Mapped[str | None]
    filed_on: Mapped[date | None]
    filed_how: Mapped[str | None]


def list_of_payment(payment_id: int) -> list[InformationReturn]:
    """The returns on a funder's payment, oldest first."""
    of_payment = select(InformationReturn).where(InformationReturn.funder_payment_id == payment_id)
    return list(db.session.scalars(of_payment.order_by(InformationReturn.id)))


def list_open(charity: Charity | None = None) -> list[InformationReturn]:
    """Open returns of the charity, or of all, the earliest due first."""
    due = select(InformationReturn).where(InformationReturn.closed_at.is_(None), *_is_of(charity))
    return list(db.session.scalars(due.order_by(InformationReturn.due_on, InformationReturn.id)))


def _is_of(charity: Charity | None) -> list[ColumnElement[bool]]:
    of_charity = exists().where(Receipt.id == InformationReturn.receipt_id, Receipt.charity_id == charity.id) if charity else None
    return [] if of_charity is None else [of_charity]


def list_closed(charity: Charity, *, limit: int) -> list[InformationReturn]:
    """Closed returns of the charity, the latest first."""
    closed = select(InformationReturn).where(InformationReturn.closed_at.is_not(None), *_is_of(charity))
    closed = closed.order_by(InformationReturn.closed_at.desc())
    return list(db.session.scalars(closed.limit(limit)))


def count_open() -> int:
    """The number of open returns."""
    return db.session.scalar(select(func.count()).where(InformationReturn.closed_at.is_(None))) or 0


def counts_by_urgency(charity_id: ColumnElement[int], today: date) -> Select[int, int, int]:
    """The query of how many returns of the charity are open on this day in its time zone: each is counted once.

    One is due soon WARNED_BEFORE its day, and overdue after it.
    """
    due_on, number = InformationReturn.due_on, func.count()
    soon = due_on.between(today, today + WARNED_BEFORE)
    of_charity = exists().where(Receipt.id == InformationReturn.receipt_id, Receipt.charity_id == charity_id)
    return select(
        number.filter(due_on < today).label("returns_overdue"),
        number.filter(soon).label("returns_due_soon"),
        number.filter(due_on > today + WARNED_BEFORE).label("returns_due"),
    ).where(InformationReturn.closed_at.is_(None), of_charity)


def get(task_id: int) -> InformationReturn | None:
    """The return with this id, open or closed."""
    return db.session.get(InformationReturn, task_id)


class FilingMethod(StrEnum):
    """How a return was filed. PORTAL is the CRA's own: My Business Account, or Represent a Client. OTHER is said in the note."""

    MAIL = "mail"
    FAX = "fax"
    PORTAL = "portal"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Filing:
    """When a return was filed, and how."""

    on: date
    method: FilingMethod


def close(task_id: int, filing: Filing | None, *, actor: str, note: str) -> InformationReturn | None:
    """Close a return as filed, or as not needed for the reason in `note`. Returns None when there is no such open return."""
    task = db.session.scalar(
        select(InformationReturn).where(InformationReturn.id == task_id, InformationReturn.closed_at.is_(None)).with_for_update()
    )
    if task is not None:
        task.closed_at, task.closed_by, task.note = func.now(), actor, note
        task.filed_on, task.filed_how = (filing.on, filing.method.value) if filing else (None, None)
        db.session.flush()
    return task


def reopen(task_id: int) -> InformationReturn | None:
    """Reopen a closed return. Returns None when there is no such closed return."""
    task = db.session.scalar(
        select(InformationReturn).where(InformationReturn.id == task_id, InformationReturn.closed_at.is_not(None)).with_for_update()
    )
    if task is not None:
        task.closed_at = task.closed_by = task.note = task.filed_on = task.filed_how = None
    return task
