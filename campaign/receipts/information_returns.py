"""Information returns on returned donations: due to the CRA within 90 days when more than $50 of a receipted donation is returned.

Each row holds the facts that the return asks for (CRA guidance CG-016). Staff file the return and close the row.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.rules.receipt_requirements import INFORMATION_RETURN_ABOVE_CENTS, INFORMATION_RETURN_WITHIN_DAYS


class InformationReturn(Base):
    """One return to file. `receipt_id` is the receipt that the reversal ended; `returned_cents` leaves out what earlier returns report."""

    __tablename__ = "information_return"
    __table_args__ = (
        UniqueConstraint("receipt_id", "donation_id"),
        Index("ix_information_return_open", "due_on", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), index=True)
    receipted_cents: Mapped[int]
    returned_cents: Mapped[int]
    returned_on: Mapped[date]
    due_on: Mapped[date]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    note: Mapped[str | None]


def open_if_due(receipt: Receipt, line: ReceiptLine, *, retained_cents: int, on: datetime) -> InformationReturn | None:
    """Open a return when more than $50 of a receipted donation was returned, in one part or several; None when none is due.

    `retained_cents` is what the charity retains of the donation now.
    """
    assert line.donation_id is not None
    total_returned_cents = _highest_receipted_cents(line.donation_id) - retained_cents
    unreported_cents = total_returned_cents - _already_reported(line.donation_id)
    if line.cents <= retained_cents or total_returned_cents <= INFORMATION_RETURN_ABOVE_CENTS or unreported_cents <= 0:
        return None
    donation = db.session.get_one(Donation, line.donation_id)
    day = donation.campaign.charity.local(on).date()
    task = InformationReturn(
        receipt_id=receipt.id,
        donation_id=line.donation_id,
        receipted_cents=line.cents,
        returned_cents=unreported_cents,
        returned_on=day,
        due_on=day + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS),
    )
    db.session.add(task)
    db.session.flush()
    return task


def _highest_receipted_cents(donation_id: int) -> int:
    return db.session.scalars(select(func.max(ReceiptLine.cents)).where(ReceiptLine.donation_id == donation_id)).one()


def _already_reported(donation_id: int) -> int:
    reported = select(func.coalesce(func.sum(InformationReturn.returned_cents), 0)).where(InformationReturn.donation_id == donation_id)
    return int(db.session.scalars(reported).one())


def list_open() -> list[InformationReturn]:
    """Open returns, the earliest due first."""
    return list(
        db.session.scalars(
            select(InformationReturn).where(InformationReturn.closed_at.is_(None)).order_by(InformationReturn.due_on, InformationReturn.id)
        )
    )


def list_closed(*, limit: int) -> list[InformationReturn]:
    """Closed returns, the latest first."""
    closed = select(InformationReturn).where(InformationReturn.closed_at.is_not(None)).order_by(InformationReturn.closed_at.desc())
    return list(db.session.scalars(closed.limit(limit)))


def count_open() -> int:
    """The number of open returns."""
    return db.session.scalar(select(func.count()).where(InformationReturn.closed_at.is_(None))) or 0


def close(task_id: int, *, actor: str, note: str) -> InformationReturn | None:
    """Close a return as filed or not needed, as `note` says. Returns None when there is no such open return."""
    task = db.session.scalar(
        select(InformationReturn).where(InformationReturn.id == task_id, InformationReturn.closed_at.is_(None)).with_for_update()
    )
    if task is not None:
        task.closed_at, task.closed_by, task.note = func.now(), actor, note
    return task


def reopen(task_id: int) -> InformationReturn | None:
    """Reopen a closed return. Returns None when there is no such closed return."""
    task = db.session.scalar(
        select(InformationReturn).where(InformationReturn.id == task_id, InformationReturn.closed_at.is_not(None)).with_for_update()
    )
    if task is not None:
        task.closed_at = task.closed_by = task.note = None
    return task
