"""Which refunds, disputes and returns to funders information returns report: each cent that went back after a receipt once, whatever became of it.

`bring_up_to_date` compares what is reported with the books, not with an event: called twice, late, or after several reversals, it ends with the
same returns. A trigger refuses to report more of a reversal than is in effect.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.payments import offline_gifts
from campaign.payments.reversals import Reversal
from campaign.receipts import receipts
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.receipts import SYSTEM_ACTOR, Receipt
from campaign.rules import returned_gifts
from campaign.rules.receipt_requirements import INFORMATION_RETURN_WITHIN_DAYS
from campaign.rules.returned_gifts import ReversalState


class ReportedReversal(Base):
    """Cents of a reversal that an information return reports; less than zero for what came back to the charity. Rows are only added.

    Without a return they went back before the gift's first receipt, which leaves them out. A reversal is a donor's refund or dispute at Stripe, or has
    a day, `returned_on`: a refund of an offline gift, or money of a payment that was returned to its funder.
    """

    __tablename__ = "reported_reversal"

    id: Mapped[int] = mapped_column(primary_key=True)
    reversal_id: Mapped[int | None] = mapped_column(ForeignKey("reversal.id"), index=True)
    funder_payment_return_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment_return.id"), index=True)
    offline_reversal_id: Mapped[int | None] = mapped_column(ForeignKey("offline_reversal.id"), index=True)
    returned_on: Mapped[date | None]
    information_return_id: Mapped[int | None] = mapped_column(ForeignKey("information_return.id"), index=True)
    cents: Mapped[int]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class ReturnedPart:
    """One reversal of a gift: what of it is in effect, in cents, and when the money went back, if that is known.

    `id` is that of a row of the table that its gift names (ReturnedGift). One that staff recorded has its day `returned_on`.
    """

    id: int
    cents: int
    returned_at: datetime | None
    returned_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class ReturnedGift:
    """A donation or a funder's payment with its reversals, in the order in which the money went back; those of an unknown moment last.

    `of` names it as an information return does: by `donation_id` or `funder_payment_id`. `reported_by` is the column that names its reversals.
    """

    of: Mapping[str, int]
    reported_by: InstrumentedAttribute[int | None]
    charged_cents: int
    charity: Charity
    last_receipt: Receipt | None
    reversals: Sequence[ReturnedPart]


# By reversal and return, what the return reports of the reversal.
Named = Mapping[tuple[int, int | None], int]


def donated_gift_of(donation: Donation) -> ReturnedGift:
    """The donation, with all refunds and disputes of its payment.

    An offline gift that turned out not to be one has none: nothing of it was given back, so no return reports it.
    """
    if offline_gifts.find(donation.id) is not None:
        return _offline_gift_of(donation)
    found = select(Reversal).where(Reversal.payment_intent == donation.payment_intent)
    in_order = found.order_by(Reversal.returned_at.asc().nulls_last(), Reversal.id)
    reversals = list(db.session.scalars(in_order)) if donation.payment_intent is not None else []
    return ReturnedGift(
        of={"donation_id": donation.id},
        reported_by=ReportedReversal.reversal_id,
        charged_cents=donation.charged_cents,
        charity=donation.campaign.charity,
        last_receipt=receipts.last_receipt_of(donation.id) if reversals else None,
        reversals=[ReturnedPart(id=one.id, cents=one.posted_cents, returned_at=one.returned_at) for one in reversals],
    )


def _offline_gift_of(donation: Donation) -> ReturnedGift:
    charity, refunds = donation.campaign.charity, offline_gifts.refunds_of(donation.id)
    noon = {one.id: datetime.combine(one.reversed_on, time(12), ZoneInfo(charity.time_zone)) for one in refunds}
    return ReturnedGift(
        of={"donation_id": donation.id},
        reported_by=ReportedReversal.offline_reversal_id,
        charged_cents=donation.charged_cents,
        charity=charity,
        last_receipt=receipts.last_receipt_of(donation.id) if refunds else None,
        reversals=[ReturnedPart(id=one.id, cents=one.cents, returned_at=noon[one.id], returned_on=one.reversed_on) for one in refunds],
    )


def record_left_out(donation: Donation, *, receipted_cents: int) -> None:
    """Record what had been returned before the receipt that was issued just now for so much of the donation, if it is the first one."""
    if receipted_cents == donation.charged_cents or len(receipts.receipts_of(donation.id)) > 1:
        return
    record_all_left_out(donated_gift_of(donation))


def record_all_left_out(gift: ReturnedGift) -> None:
    """Record what had been returned before the gift's first receipt, which was issued just now."""
    for reversal_id, cents in returned_gifts.unnamed_changes(_states(gift, {}), charged_cents=gift.charged_cents).items():
        _add(gift, reversal_id, None, cents)


def bring_up_to_date(gift: ReturnedGift, *, on: datetime) -> InformationReturn | None:
    """Open a return for what was returned of the gift after a receipt and is not reported yet, if it is more than $50 in all.

    What came back to the charity is taken from the returns that report it; an open one for which nothing is left is withdrawn. The gift is
    locked. `on` counts as the moment of the return when nobody names one.
    """
    if gift.last_receipt is None or not gift.reversals:
        return None
    named = _named(gift)
    states = _states(gift, named)
    changes = returned_gifts.unnamed_changes(states, charged_cents=gift.charged_cents)
    for reversal_id, cents in changes.items():
        _take_from_returns(gift, reversal_id, -cents, named)
    is_due = returned_gifts.has_to_be_reported(returned_gifts.returned_cents(states, changes))
    _close_withdrawn(gift, all_of_them=not is_due)
    unreported = {reversal_id: cents for reversal_id, cents in changes.items() if cents > 0}
    if not is_due or not unreported:
        return None
    return _open(gift, gift.last_receipt, unreported, returned_at=returned_gifts.reportable_from(states, changes) or on)


def _open(gift: ReturnedGift, receipt: Receipt, unreported: Mapping[int, int], *, returned_at: datetime) -> InformationReturn:
    first, day = receipts.first_of_chain(receipt), gift.charity.local(returned_at).date()
    of_donation = [line.cents for line in receipts.lines_of(first) if line.donation_id and line.donation_id == gift.of.get("donation_id")]
    task = InformationReturn(
        **gift.of,
        receipt_id=first.id,
        receipted_cents=of_donation[0] if of_donation else first.cents,
        returned_cents=sum(unreported.values()),
        returned_on=day,
        due_on=day + timedelta(days=INFORMATION_RETURN_WITHIN_DAYS),
    )
    db.session.add(task)
    db.session.flush()
    for reversal_id, cents in unreported.items():
        _add(gift, reversal_id, task.id, cents)
    return task


def _close_withdrawn(gift: ReturnedGift, *, all_of_them: bool) -> None:
    """Withdraw the open returns whose money has come back: nothing is to be sent. With `all_of_them` what the others report is reported later."""
    found = select(InformationReturn).filter_by(**gift.of).where(InformationReturn.closed_at.is_(None))
    for task in db.session.scalars(found.with_for_update(), execution_options={"populate_existing": True}):
        parts = parts_of(task)
        if all_of_them or not parts:
            for part in parts:
                _add(gift, part.id, task.id, -part.cents)
            task.closed_at, task.closed_by = func.now(), SYSTEM_ACTOR
    db.session.flush()


def _take_from_returns(gift: ReturnedGift, reversal_id: int, cents: int, named: Named) -> None:
    """Take so much from what is named of the reversal, from the latest return first, and last from what the first receipt left out."""
    returns = sorted((key for key in named if key[0] == reversal_id), key=lambda key: key[1] or 0, reverse=True)
    for key in returns:
        taken = max(0, min(cents, named[key]))
        cents -= taken
        _add(gift, *key, -taken)


def _add(gift: ReturnedGift, reversal_id: int, return_id: int | None, cents: int) -> None:
    if not cents:
        return
    day = next(part.returned_on for part in gift.reversals if part.id == reversal_id)
    of = {gift.reported_by.key: reversal_id, "returned_on": day}
    db.session.add(ReportedReversal(**of, information_return_id=return_id, cents=cents))
    db.session.flush()


def _named(gift: ReturnedGift) -> Named:
    r, reversal = ReportedReversal, gift.reported_by
    summed = select(reversal, r.information_return_id, func.sum(r.cents)).where(reversal.in_([part.id for part in gift.reversals]))
    grouped = summed.group_by(reversal, r.information_return_id)
    return {(reversal_id, task): int(cents) for reversal_id, task, cents in db.session.execute(grouped) if reversal_id is not None}


def _states(gift: ReturnedGift, named: Named) -> list[ReversalState]:
    return [
        ReversalState(
            reversal_id=part.id,
            posted_cents=part.cents,
            returned_at=part.returned_at,
            left_out_cents=named.get((part.id, None), 0),
            reported_cents=sum(cents for (reversal_id, task), cents in named.items() if reversal_id == part.id and task is not None),
        )
        for part in gift.reversals
    ]


def parts_of(task: InformationReturn) -> list[ReturnedPart]:
    """The parts of a return that have not come back, less what came back of each, in the order in which their money went back.

    A payment that was returned before its parts were rows of their own has none.
    """
    r = ReportedReversal
    of_reversal, left = (r.reversal_id, r.funder_payment_return_id, r.offline_reversal_id, r.returned_on), func.sum(r.cents)
    summed = select(*of_reversal, left.label("cents")).where(r.information_return_id == task.id).group_by(*of_reversal).having(left > 0)
    part = summed.subquery().c
    part_id = func.coalesce(part.reversal_id, part.funder_payment_return_id, part.offline_reversal_id)
    found = select(part_id, part.cents, Reversal.returned_at, part.returned_on).outerjoin(Reversal, Reversal.id == part.reversal_id)
    rows = db.session.execute(found.order_by(Reversal.returned_at.asc().nulls_last(), part.returned_on, part_id))
    return [ReturnedPart(id=number, cents=int(cents), returned_at=at, returned_on=day) for number, cents, at, day in rows]


def returned_cents(task: InformationReturn) -> int:
    """What the return reports, in cents: what was returned when it was opened, less what came back to the charity."""
    return task.returned_cents - came_back_cents(task)


def is_to_be_filed(task: InformationReturn) -> bool:
    """Whether money that the return reports is still returned, and more than $50 of its gift in all."""
    if returned_cents(task) <= 0:
        return False
    if task.donation_id is None:
        return _is_payment_to_be_reported(task)
    gift = donated_gift_of(db.session.get_one(Donation, task.donation_id))
    states = _states(gift, _named(gift))
    changes = returned_gifts.unnamed_changes(states, charged_cents=gift.charged_cents)
    return returned_gifts.has_to_be_reported(returned_gifts.returned_cents(states, changes))


def _is_payment_to_be_reported(task: InformationReturn) -> bool:
    """Whether what the returns of the task's payment report is enough. One without parts is of a payment that was reversed."""
    r, of_payment = ReportedReversal, select(InformationReturn.id).where(InformationReturn.funder_payment_id == task.funder_payment_id)
    reported = db.session.scalar(select(func.sum(r.cents)).where(r.information_return_id.in_(of_payment)))
    return reported is None or returned_gifts.has_to_be_reported(int(reported))


def came_back_cents(task: InformationReturn) -> int:
    """What came back to the charity of the money that the return reports, in cents."""
    return came_back_of_each([task.id]).get(task.id, 0)


def came_back_of_each(task_ids: Collection[int]) -> dict[int, int]:
    """The same of those of these returns of which something came back, by their ids."""
    of_return, cents = ReportedReversal.information_return_id, ReportedReversal.cents
    taken = select(of_return, -func.sum(cents)).where(of_return.in_(task_ids), cents < 0).group_by(of_return)
    return {task_id: int(came_back) for task_id, came_back in db.session.execute(taken) if task_id}
