"""Information returns on returned donations: due to the CRA within 90 days when more than $50 of a receipted donation is returned.

The 90 days begin after the day on which the money went back, in the charity's time zone, whenever we hear of it (Income Tax Act,
s. 110.1(16) and 118.1(27); CRA guidance CG-016). A return that is overdue when it is opened is opened all the same. Each row holds what the
return must contain (Income Tax Regulations, s. 3501.1). Staff file the return and close the row.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.payments import reversals
from campaign.payments.reversals import Reversal
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.rules.receipt_requirements import INFORMATION_RETURN_ABOVE_CENTS, INFORMATION_RETURN_WITHIN_DAYS

# Staff are warned of a return that is due within this time.
WARNED_BEFORE = timedelta(days=14)


class InformationReturn(Base):
    """One return to file, on a donation or on a funder's payment. `receipt_id` is the receipt that the reversal ended.

    `returned_cents` leaves out what earlier returns report. `reversal_ids` are the refunds and disputes that it reports.
    """

    __tablename__ = "information_return"
    __table_args__ = (
        UniqueConstraint("receipt_id", "donation_id"),
        UniqueConstraint("receipt_id", "funder_payment_id"),
        CheckConstraint("num_nonnulls(donation_id, funder_payment_id) = 1", name="return_is_of_one_gift"),
        Index("ix_information_return_open", "due_on", postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    funder_payment_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment.id"))
    reversal_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default="{}", default=list)
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

    `retained_cents` is what the charity retains of the donation now. `on` counts as the moment of the return when Stripe names none.
    """
    assert line.donation_id is not None
    highest_receipted_cents = _highest_receipted_cents(line.donation_id)
    total_returned_cents = highest_receipted_cents - retained_cents
    unreported_cents = total_returned_cents - _already_reported(line.donation_id)
    if line.cents <= retained_cents or total_returned_cents <= INFORMATION_RETURN_ABOVE_CENTS or unreported_cents <= 0:
        return None
    donation = db.session.get_one(Donation, line.donation_id)
    unreported, reportable_at = _unreported(donation, donation.charged_cents - highest_receipted_cents + INFORMATION_RETURN_ABOVE_CENTS)
    day = donation.campaign.charity.local(reportable_at or on).date()
    task = InformationReturn(
        receipt_id=receipt.id,
        donation_id=line.donation_id,
        reversal_ids=[reversal.id for reversal in unreported],
        receipted_cents=line.cents,
        returned_cents=unreported_cents,
        returned_on=day,
        due_on=day + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS),
    )
    db.session.add(task)
    db.session.flush()
    return task


def open_for_payment(receipt: Receipt, payment_id: int, *, returned_on: date) -> InformationReturn | None:
    """Open a return for a funder's payment that was returned in full after this receipt; None up to $50."""
    if receipt.cents <= INFORMATION_RETURN_ABOVE_CENTS:
        return None
    task = InformationReturn(
        receipt_id=receipt.id,
        funder_payment_id=payment_id,
        receipted_cents=receipt.cents,
        returned_cents=receipt.cents,
        returned_on=returned_on,
        due_on=returned_on + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS),
    )
    db.session.add(task)
    db.session.flush()
    return task


def of_payment(payment_id: int) -> InformationReturn | None:
    """The return for a funder's payment, or None."""
    return db.session.scalar(select(InformationReturn).where(InformationReturn.funder_payment_id == payment_id))


def _unreported(donation: Donation, above_cents: int) -> tuple[list[Reversal], datetime | None]:
    """The reversals that no return reports, and the moment from which the first of them has to be reported; None if Stripe names none.

    `above_cents` is how much of the charge may go back without a return. A reversal has to be reported from when its money went back, but not
    before more than that had been returned, added up in the order of these moments, in whatever order we hear of them. The Act counts each
    transfer of more than $50 from its own day; that smaller ones are added up is our choice, so that none is left out.
    """
    in_effect, reported = reversals.list_in_effect(donation), _reported_reversals(donation.id)
    unreported = [reversal for reversal in in_effect if reversal.id not in reported]
    exceeded_at, returned_cents = None, 0
    for reversal in in_effect:
        returned_cents += reversal.posted_cents
        if returned_cents > above_cents:
            exceeded_at = reversal.returned_at
            break
    if exceeded_at is None:
        return unreported, None
    return unreported, min((max(reversal.returned_at, exceeded_at) for reversal in unreported if reversal.returned_at), default=None)


def _reported_reversals(donation_id: int) -> set[int]:
    reported = db.session.scalars(select(InformationReturn.reversal_ids).where(InformationReturn.donation_id == donation_id))
    return {reversal_id for ids in reported for reversal_id in ids}


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


@dataclass(frozen=True, kw_only=True)
class OpenReturns:
    """How many open returns there are, by urgency: each is counted once."""

    overdue: int = 0
    due_soon: int = 0
    due_later: int = 0


def count_by_urgency(today: date) -> OpenReturns:
    """The open returns on this day in the charity's time zone. One is due soon WARNED_BEFORE its day, and overdue after it."""
    due_on, number = InformationReturn.due_on, func.count()
    soon = due_on.between(today, today + WARNED_BEFORE)
    counts = select(number.filter(due_on < today), number.filter(soon), number.filter(due_on > today + WARNED_BEFORE))
    overdue, due_soon, due_later = db.session.execute(counts.where(InformationReturn.closed_at.is_(None))).one()
    return OpenReturns(overdue=overdue, due_soon=due_soon, due_later=due_later)


def get(task_id: int) -> InformationReturn | None:
    """The return with this id, open or closed."""
    return db.session.get(InformationReturn, task_id)


def parts_of(task: InformationReturn) -> list[Reversal]:
    """The refunds and disputes that the return reports, in the order in which their money went back, if they add up to it; else none."""
    parts = select(Reversal).where(Reversal.id.in_(task.reversal_ids), Reversal.posted_cents > 0)
    found = list(db.session.scalars(parts.order_by(Reversal.returned_at.asc().nulls_last(), Reversal.id)))
    adds_up = sum(part.posted_cents for part in found) == task.returned_cents and all(part.returned_at for part in found)
    return found if adds_up else []


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
