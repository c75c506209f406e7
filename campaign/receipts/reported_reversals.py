"""Which refunds and disputes information returns report: each cent that went back after a receipt once, whatever has become of the receipt.

`bring_up_to_date` compares what is reported with the books, not with an event: called twice, late, or after several reversals, it ends with the
same returns. A trigger refuses to report more of a reversal than is in effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Subquery, and_, exists, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.payments.reversals import Reversal
from campaign.receipts import receipts
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.receipts import SYSTEM_ACTOR, Receipt, ReceiptLine
from campaign.rules import returned_gifts
from campaign.rules.receipt_requirements import INFORMATION_RETURN_ABOVE_CENTS, INFORMATION_RETURN_WITHIN_DAYS
from campaign.rules.returned_gifts import ReversalState


class ReportedReversal(Base):
    """Cents of a reversal that an information return reports; less than zero for what came back to the charity. Rows are only added.

    Without a return they went back before the donation's first receipt, which leaves them out.
    """

    __tablename__ = "reported_reversal"

    id: Mapped[int] = mapped_column(primary_key=True)
    reversal_id: Mapped[int] = mapped_column(ForeignKey("reversal.id"), index=True)
    information_return_id: Mapped[int | None] = mapped_column(ForeignKey("information_return.id"), index=True)
    cents: Mapped[int]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


# By reversal and return, what the return reports of the reversal.
Named = Mapping[tuple[int, int | None], int]


def record_left_out(donation: Donation, *, receipted_cents: int) -> None:
    """Record what had been returned before the receipt that was issued just now for so much of the donation, if it is the first one."""
    if receipted_cents == donation.charged_cents or len(receipts.receipts_of(donation.id)) > 1:
        return
    states = _states(_reversals_of(donation), {})
    for reversal_id, cents in returned_gifts.unnamed_changes(states, charged_cents=donation.charged_cents).items():
        _add(reversal_id, None, cents)


def bring_up_to_date(donation: Donation, *, on: datetime) -> InformationReturn | None:
    """Open a return for what was returned of the donation after a receipt and is not reported yet, if it is more than $50 in all.

    What came back to the charity is taken from the returns that report it; an open one for which nothing is left is withdrawn. The donation is
    locked. `on` counts as the moment of the return when Stripe names none.
    """
    reversals = _reversals_of(donation)
    receipt = receipts.last_receipt_of(donation.id) if reversals else None
    if receipt is None:
        return None
    named = _named(reversals)
    states = _states(reversals, named)
    changes = returned_gifts.unnamed_changes(states, charged_cents=donation.charged_cents)
    for reversal_id, cents in changes.items():
        _take_from_returns(reversal_id, -cents, named)
    is_due = returned_gifts.has_to_be_reported(returned_gifts.returned_cents(states, changes))
    _close_withdrawn(donation, all_of_them=not is_due)
    unreported = {reversal_id: cents for reversal_id, cents in changes.items() if cents > 0}
    if not is_due or not unreported:
        return None
    return _open(donation, receipt, unreported, returned_at=returned_gifts.reportable_from(states, changes) or on)


def list_unreported(*, limit: int) -> list[int]:
    """The ids of donations whose returns `bring_up_to_date` would change, whatever led to that."""
    d, i, payment = Donation, InformationReturn, _named_by_payment().c
    returned = func.least(payment.posted_cents, d.amount_cents + d.covered_fee_cents)
    is_unreported = and_(returned != payment.named_cents, returned - payment.left_out_cents > INFORMATION_RETURN_ABOVE_CENTS)
    reported = select(func.coalesce(func.sum(ReportedReversal.cents), 0)).where(ReportedReversal.information_return_id == i.id)
    is_empty = exists().where(i.donation_id == d.id, i.closed_at.is_(None), reported.scalar_subquery() <= 0)
    has_receipt = exists().where(ReceiptLine.donation_id == d.id)
    query = select(d.id).join(payment.posted_cents.table, payment.payment_intent == d.payment_intent)
    query = query.where(has_receipt, or_(is_unreported, payment.has_come_back, is_empty))
    return list(db.session.scalars(query.order_by(d.id).limit(limit)))


def _named_by_payment() -> Subquery:
    """By payment, what of its reversals is in effect, named, and left out by the first receipt, and whether something named has come back."""
    p, r = ReportedReversal, Reversal
    each = (
        select(
            r.payment_intent,
            r.posted_cents,
            func.coalesce(func.sum(p.cents), 0).label("named_cents"),
            func.coalesce(func.sum(p.cents).filter(p.information_return_id.is_(None)), 0).label("left_out_cents"),
        )
        .outerjoin(p, p.reversal_id == r.id)
        .group_by(r.id)
        .subquery()
        .c
    )
    sums = (func.sum(each[name]).label(name) for name in ("posted_cents", "named_cents", "left_out_cents"))
    has_come_back = func.bool_or(each.named_cents > each.posted_cents).label("has_come_back")
    return select(each.payment_intent, *sums, has_come_back).group_by(each.payment_intent).subquery()


def _open(donation: Donation, receipt: Receipt, unreported: Mapping[int, int], *, returned_at: datetime) -> InformationReturn:
    first, day = receipts.first_of_chain(receipt), donation.campaign.charity.local(returned_at).date()
    task = InformationReturn(
        receipt_id=first.id,
        donation_id=donation.id,
        receipted_cents=next(line.cents for line in receipts.lines_of(first) if line.donation_id == donation.id),
        returned_cents=sum(unreported.values()),
        returned_on=day,
        due_on=day + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS),
    )
    db.session.add(task)
    db.session.flush()
    for reversal_id, cents in unreported.items():
        _add(reversal_id, task.id, cents)
    return task


def _close_withdrawn(donation: Donation, *, all_of_them: bool) -> None:
    """Withdraw the open returns whose money has come back: nothing is to be sent. With `all_of_them` what the others report is reported later."""
    found = select(InformationReturn).where(InformationReturn.donation_id == donation.id, InformationReturn.closed_at.is_(None))
    for task in db.session.scalars(found.with_for_update(), execution_options={"populate_existing": True}):
        parts = parts_of(task)
        if all_of_them or not parts:
            for part in parts:
                _add(part.reversal.id, task.id, -part.cents)
            task.closed_at, task.closed_by = func.now(), SYSTEM_ACTOR
    db.session.flush()


def _take_from_returns(reversal_id: int, cents: int, named: Named) -> None:
    """Take so much from what is named of the reversal, from the latest return first, and last from what the first receipt left out."""
    returns = sorted((key for key in named if key[0] == reversal_id), key=lambda key: key[1] or 0, reverse=True)
    for key in returns:
        taken = max(0, min(cents, named[key]))
        cents -= taken
        _add(*key, -taken)


def _add(reversal_id: int, return_id: int | None, cents: int) -> None:
    if cents:
        db.session.add(ReportedReversal(reversal_id=reversal_id, information_return_id=return_id, cents=cents))
        db.session.flush()


def _reversals_of(donation: Donation) -> list[Reversal]:
    """All refunds and disputes of the donation's payment, in the order in which the money went back; those of an unknown moment last."""
    if donation.payment_intent is None:
        return []
    found = select(Reversal).where(Reversal.payment_intent == donation.payment_intent)
    return list(db.session.scalars(found.order_by(Reversal.returned_at.asc().nulls_last(), Reversal.id)))


def _named(reversals: Sequence[Reversal]) -> Named:
    r = ReportedReversal
    ids = [reversal.id for reversal in reversals]
    summed = select(r.reversal_id, r.information_return_id, func.sum(r.cents)).where(r.reversal_id.in_(ids))
    return {
        (reversal, task): int(cents)
        for reversal, task, cents in db.session.execute(summed.group_by(r.reversal_id, r.information_return_id))
    }


def _states(reversals: Sequence[Reversal], named: Named) -> list[ReversalState]:
    return [
        ReversalState(
            reversal_id=reversal.id,
            posted_cents=reversal.posted_cents,
            returned_at=reversal.returned_at,
            left_out_cents=named.get((reversal.id, None), 0),
            reported_cents=sum(cents for (reversal_id, task), cents in named.items() if reversal_id == reversal.id and task is not None),
        )
        for reversal in reversals
    ]


@dataclass(frozen=True, kw_only=True)
class ReturnPart:
    """What a return reports of one refund or dispute, less what came back of it, in cents."""

    reversal: Reversal
    cents: int


def parts_of(task: InformationReturn) -> list[ReturnPart]:
    """The parts of a return that have not come back, in the order in which their money went back."""
    r = ReportedReversal
    summed = (
        select(r.reversal_id, func.sum(r.cents).label("cents")).where(r.information_return_id == task.id).group_by(r.reversal_id).subquery()
    )
    found = select(Reversal, summed.c.cents).join(summed, summed.c.reversal_id == Reversal.id).where(summed.c.cents > 0)
    in_order = found.order_by(Reversal.returned_at.asc().nulls_last(), Reversal.id)
    return [ReturnPart(reversal=reversal, cents=int(cents)) for reversal, cents in db.session.execute(in_order)]


def returned_cents(task: InformationReturn) -> int:
    """What the return reports, in cents: what was returned when it was opened, less what came back to the charity."""
    return task.returned_cents - came_back_cents(task)


def is_to_be_filed(task: InformationReturn) -> bool:
    """Whether money that the return reports is still returned, and more than $50 of its gift in all."""
    if task.donation_id is None:
        return True
    donation = db.session.get_one(Donation, task.donation_id)
    reversals = _reversals_of(donation)
    states = _states(reversals, _named(reversals))
    changes = returned_gifts.unnamed_changes(states, charged_cents=donation.charged_cents)
    return returned_cents(task) > 0 and returned_gifts.has_to_be_reported(returned_gifts.returned_cents(states, changes))


def came_back_cents(task: InformationReturn) -> int:
    """What came back to the charity of the money that the return reports, in cents."""
    taken = select(func.coalesce(-func.sum(ReportedReversal.cents), 0))
    return int(db.session.scalars(taken.where(ReportedReversal.information_return_id == task.id, ReportedReversal.cents < 0)).one())
