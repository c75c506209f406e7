"""What changed in the gifts of a fiscal year between the day on which a return was filed and the moment of which its copy has the figures.

A return is often recorded days after it was filed. The copy has the figures of the record; what they differ by from those of the day of filing is
found again from rows that never change: entries, receipts and their ends, payments of funders, and answers about funders in the audit trail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.orm import aliased

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.funder_actions import CHANGED_DETAILS
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment, FunderPaymentReturn, FunderPaymentReversal, UndonePaymentReturn
from campaign.ledger.entries import LedgerEntry
from campaign.receipts.filed_returns import FiledReturn
from campaign.receipts.receipts import Receipt, ReceiptEnd, ReceiptLine
from campaign.reporting.gifts_received import SIGNED_CENTS, campaigns_of, funder_payments_in, gifts_in, is_received_in
from campaign.reporting.return_gifts import filed_gifts, gift_key
from campaign.rules import local_time
from campaign.rules.fiscal_years import Period
from campaign.staff.audit import AuditEntry


class Change(StrEnum):
    """What changed of a gift; the first that is true."""

    RECORDED = "recorded"  # The books did not have it on the day of filing.
    AMOUNT = "amount"  # A refund, a dispute, money that came back, or a payment of a funder that was reversed or returned.
    ANSWERED = "answered"  # Somebody answered whether its funder is a registered charity.
    ENDED = "ended"  # Its receipt ended, and no other is valid.
    ISSUED = "issued"  # It got a receipt.


@dataclass(frozen=True, kw_only=True)
class GiftThen:
    """A gift that changed. `donation` is a public id, `payment` the reference of a funder's payment; one of them is empty."""

    change: Change
    donation: str
    payment: str
    donor: str
    cents_then: int
    cents_now: int
    serial_now: str

    @property
    def changed_cents(self) -> int:
        """By how much its amount changed; the whole amount when something else did."""
        return self.cents_now - self.cents_then if self.change in (Change.RECORDED, Change.AMOUNT) else self.cents_now


def end_of_filing_day(charity: Charity, filed_on: date) -> datetime:
    """The moment up to which the return may have been filed."""
    return local_time.end_of_day(filed_on, ZoneInfo(charity.time_zone))


def changes_until_now(charity: Charity, period: Period, since: datetime) -> list[GiftThen]:
    """The gifts of the period that changed from this moment until now."""
    return _changes(charity, period, since, gifts_in(charity, period), func.now())


def changes_before_record(charity: Charity, filed: FiledReturn, since: datetime) -> list[GiftThen]:
    """The gifts that changed from this moment until the copy was recorded."""
    period = Period(first_on=filed.first_on, last_on=filed.last_on)
    return _changes(charity, period, since, filed_gifts(filed), literal(filed.recorded_at))


def _changes(charity: Charity, period: Period, moment: datetime, gifts: Subquery, until: ColumnElement[Any]) -> list[GiftThen]:
    """Compare the books as they were at the moment with these gifts, which have the columns of a copy."""
    then, g, paid = _gifts_at(charity, period, moment), gifts.c, funder_payments_in(charity, period).c
    t, had_receipt, has_receipt = then.c, func.coalesce(then.c.has_receipt, False), func.coalesce(g.serial, "") != ""
    cents_then, cents_now = func.coalesce(t.cents, 0), func.coalesce(g.cents, 0)
    is_answered = paid.funder_id.in_(_answered(moment, until))
    change = case(
        (and_(gift_key(then).is_(None), cents_now > 0), Change.RECORDED.value),
        (cents_then != cents_now, Change.AMOUNT.value),
        (is_answered, Change.ANSWERED.value),
        (and_(had_receipt, ~has_receipt), Change.ENDED.value),
        (and_(~had_receipt, has_receipt), Change.ISSUED.value),
    )
    donation_id, payment_id = (func.coalesce(t[name], g[name]) for name in ("donation_id", "funder_payment_id"))
    query = (
        select(change, Donation, paid.reference, paid.name, cents_then, cents_now, func.coalesce(g.serial, ""))
        .select_from(then)
        .join(gifts, gift_key(then) == gift_key(gifts), full=True)
        .outerjoin(Donation, Donation.id == donation_id)
        .outerjoin(paid.id.table, paid.id == payment_id)
        .where(change.is_not(None), or_(payment_id.is_not(None), donation_id.in_(_touched(charity, moment))))
        .order_by(donation_id, payment_id)
    )
    return [_gift(*row) for row in db.session.execute(query)]


def _gift(change: str, donation: Donation | None, reference: str | None, name: str | None, *row: Any) -> GiftThen:
    cents_then, cents_now, serial = row
    return GiftThen(
        change=Change(change),
        donation=donation.public_id if donation else "",
        payment=reference or "",
        donor=donation.full_name if donation else name or "",
        cents_then=int(cents_then),
        cents_now=int(cents_now),
        serial_now=serial,
    )


def _gifts_at(charity: Charity, period: Period, moment: datetime) -> Subquery:
    """Donations that were touched since the moment, and payments of funders, as the books had them at that moment."""
    e, paid = LedgerEntry, funder_payments_in(charity, period).c
    donations = (
        select(e.donation_id, cast(null(), BigInteger).label("funder_payment_id"), func.sum(SIGNED_CENTS).label("cents"))
        .add_columns(_has_receipt_at(moment, ReceiptLine.donation_id == e.donation_id).label("has_receipt"))
        .join(Donation, Donation.id == e.donation_id)
        .where(e.fund_id.is_(None), e.at < moment, is_received_in(charity, period), e.donation_id.in_(_touched(charity, moment)))
        .group_by(e.donation_id)
    )
    reversal = FunderPaymentReversal
    is_reversed = exists().where(reversal.funder_payment_id == paid.id, reversal.at < moment)
    payments = (
        select(cast(null(), BigInteger), paid.id, case((is_reversed, 0), else_=paid.cents - _returned_at(moment, paid.id)))
        .add_columns(_has_receipt_at(moment, ReceiptLine.funder_payment_id == paid.id))
        .join(FunderPayment, FunderPayment.id == paid.id)
        .where(FunderPayment.recorded_at < moment)
    )
    return union_all(donations, payments).subquery("then")


def _returned_at(moment: datetime, payment_id: ColumnElement[int]) -> ColumnElement[int]:
    """What of a funder's payment was recorded at the moment as returned, and not undone."""
    returned, undone = FunderPaymentReturn, UndonePaymentReturn
    was_undone = exists().where(undone.return_id == returned.id, undone.at < moment)
    summed = select(func.coalesce(func.sum(returned.cents), 0)).where(
        returned.funder_payment_id == payment_id, returned.at < moment, ~was_undone
    )
    return cast(summed.scalar_subquery(), BigInteger)


def _has_receipt_at(moment: datetime, is_of_gift: ColumnElement[bool]) -> ColumnElement[bool]:
    receipt, end = aliased(Receipt), aliased(ReceiptEnd)
    valid = select(receipt.id).join(ReceiptLine, ReceiptLine.receipt_id == receipt.id).outerjoin(end, end.receipt_id == receipt.id)
    return exists(valid.where(is_of_gift, receipt.issued_at < moment, or_(end.at.is_(None), end.at >= moment)))


def _touched(charity: Charity, moment: datetime) -> Select[Any]:
    """The ids of donations that have an entry, a receipt or an end of one since the moment."""
    e, line = LedgerEntry, ReceiptLine
    entries = select(e.donation_id).where(e.campaign_id.in_(campaigns_of(charity)), e.at >= moment, e.fund_id.is_(None))
    issued = select(line.donation_id).join(Receipt, Receipt.id == line.receipt_id)
    ended = select(line.donation_id).join(ReceiptEnd, ReceiptEnd.receipt_id == line.receipt_id).where(ReceiptEnd.at >= moment)
    found = union(entries, issued.where(Receipt.charity_id == charity.id, Receipt.issued_at >= moment), ended).subquery("touched")
    return select(found.c.donation_id).where(found.c.donation_id.is_not(None))


def _answered(moment: datetime, until: ColumnElement[Any]) -> Select[Any]:
    """The ids of funders of whom it was answered in this time whether they are registered charities."""
    entry = AuditEntry
    is_answer = and_(entry.action == CHANGED_DETAILS, entry.detail.has_key("is_registered_charity"))
    return select(Funder.id).join(entry, entry.subject == Funder.name_en).where(is_answer, entry.at >= moment, entry.at <= until)


@dataclass(frozen=True, kw_only=True)
class ChangeSum:
    """How many gifts changed in one way, and by how much."""

    change: Change
    gifts: int
    cents: int


def sums_by_change(changed: Sequence[GiftThen]) -> list[ChangeSum]:
    """The sums of each way in which a gift changed."""
    of = {change: [gift for gift in changed if gift.change is change] for change in Change}
    return [ChangeSum(change=change, gifts=len(gifts), cents=sum(g.changed_cents for g in gifts)) for change, gifts in of.items() if gifts]
