"""Gifts that went back after their receipt was issued: for more than $50 the charity owes the CRA an information return within 90 days.

The task holds the facts that the return asks for (CRA guidance CG-016); staff file it, and say so here.
"""

from datetime import date, datetime, timedelta

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.donations import Donation
from campaign.giving.receipts import Receipt, ReceiptGift
from campaign.rules.receipt_rules import INFORMATION_RETURN_ABOVE_CENTS, INFORMATION_RETURN_WITHIN_DAYS


class ReturnedGift(Base):
    """One return to file. `receipt_id` is the receipt that was ended by it; `returned_cents` what went back since it was issued."""

    __tablename__ = "returned_gift"
    __table_args__ = (
        UniqueConstraint("receipt_id", "donation_id"),
        Index("ix_returned_gift_open", "due_on", postgresql_where=text("done_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), index=True)
    receipted_cents: Mapped[int]
    returned_cents: Mapped[int]
    returned_on: Mapped[date]
    due_on: Mapped[date]
    noted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None]
    note: Mapped[str | None]


def note(receipt: Receipt, gift: ReceiptGift, *, kept_cents: int, on: datetime) -> ReturnedGift | None:
    """Begin the task when more than $50 of a receipted gift has gone back, counting what went back in smaller parts before."""
    assert gift.donation_id is not None
    in_all = _first_receipted(gift) - kept_cents
    returned = in_all - _tasked(gift.donation_id)
    if gift.cents <= kept_cents or in_all <= INFORMATION_RETURN_ABOVE_CENTS or returned <= 0:
        return None
    donation = db.session.get_one(Donation, gift.donation_id)
    day = donation.campaign.charity.local(on).date()
    task = ReturnedGift(
        receipt_id=receipt.id,
        donation_id=gift.donation_id,
        receipted_cents=gift.cents,
        returned_cents=returned,
        returned_on=day,
        due_on=day + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS),
    )
    db.session.add(task)
    db.session.flush()
    return task


def _first_receipted(gift: ReceiptGift) -> int:
    """What the highest receipt of the gift was for."""
    return db.session.scalars(select(func.max(ReceiptGift.cents)).where(ReceiptGift.donation_id == gift.donation_id)).one()


def _tasked(donation_id: int) -> int:
    in_tasks = select(func.coalesce(func.sum(ReturnedGift.returned_cents), 0)).where(ReturnedGift.donation_id == donation_id)
    return int(db.session.scalars(in_tasks).one())


def open_tasks() -> list[ReturnedGift]:
    """Those to file, the most urgent first."""
    return list(
        db.session.scalars(select(ReturnedGift).where(ReturnedGift.done_at.is_(None)).order_by(ReturnedGift.due_on, ReturnedGift.id))
    )


def done_tasks(*, limit: int) -> list[ReturnedGift]:
    """Those that were filed or need no filing, the latest first."""
    done = select(ReturnedGift).where(ReturnedGift.done_at.is_not(None)).order_by(ReturnedGift.done_at.desc())
    return list(db.session.scalars(done.limit(limit)))


def count_open() -> int:
    """How many wait to be filed."""
    return db.session.scalar(select(func.count()).where(ReturnedGift.done_at.is_(None))) or 0


def finish(task_id: int, *, actor: str, note: str) -> ReturnedGift | None:
    """Staff have filed it, or say why it need not be; None when there is no such open task."""
    task = db.session.scalar(select(ReturnedGift).where(ReturnedGift.id == task_id, ReturnedGift.done_at.is_(None)).with_for_update())
    if task is not None:
        task.done_at, task.done_by, task.note = func.now(), actor, note
    return task


def reopen(task_id: int) -> ReturnedGift | None:
    """It was not filed after all; None when there is no such task that is done."""
    task = db.session.scalar(select(ReturnedGift).where(ReturnedGift.id == task_id, ReturnedGift.done_at.is_not(None)).with_for_update())
    if task is not None:
        task.done_at = task.done_by = task.note = None
    return task
