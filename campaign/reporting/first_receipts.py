"""When the first receipt of each gift was issued, and the gifts that count in another fiscal year if the lines for receipts go by that date.

The lines of the returns count gifts by the day on which they were received; the accountant decides between the two (docs/receipts.md). A receipt
that replaces another moves no gift, and a gift without a valid receipt counts in no year.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, BigInteger, ColumnElement, Select, Subquery, and_, case, cast, func, literal, null, or_, select, union_all
from sqlalchemy.orm import aliased

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.funders import ABROAD
from campaign.funders.payments import FunderPayment
from campaign.ledger.entries import LedgerEntry
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.reporting.gifts_received import PAYMENTS, SIGNED_CENTS, campaigns_of, funder_payments_in, gifts_in
from campaign.rules.fiscal_years import Period
from campaign.rules.return_lines import AWAITED, GiftGroup


class Side(StrEnum):
    """Why a gift counts in another fiscal year by the date of issue."""

    LATER = "later"  # Received in the year; its first receipt was issued after it, or is still to come.
    EARLIER = "earlier"  # Received before the year; its first receipt was issued in it.


@dataclass(frozen=True, kw_only=True)
class ReceiptedBefore:
    """The gifts that were received before a fiscal year and receipted in it, by what the books retain of them, in cents."""

    gifts: int
    cents: int
    abroad_cents: int


def _first_of_payments() -> CTE:
    """Each payment of a funder with the moment of the first receipt for it or for a payment that it corrects: a correction replaces the receipt."""
    payment, line = aliased(FunderPayment), ReceiptLine
    roots = select(FunderPayment.id, FunderPayment.id.label("root_id")).where(FunderPayment.replaces_id.is_(None))
    chain = roots.cte("corrected_payments", recursive=True)
    chain = chain.union_all(select(payment.id, chain.c.root_id).join(chain, payment.replaces_id == chain.c.id))
    earliest = func.min(Receipt.issued_at).over(partition_by=chain.c.root_id).label("issued_at")
    issued = select(chain.c.id, earliest).outerjoin(line, line.funder_payment_id == chain.c.id)
    return issued.outerjoin(Receipt, Receipt.id == line.receipt_id).distinct().cte("first_of_payments")


# One object: a statement that reads it twice has it once.
_FIRST_OF_PAYMENTS = _first_of_payments()


def first_issued_at(gifts: Subquery) -> ColumnElement[Any]:
    """The moment at which the first receipt of each of these gifts was issued; null before that."""
    line, receipt, first = aliased(ReceiptLine), aliased(Receipt), _FIRST_OF_PAYMENTS.c
    of_donation = select(func.min(receipt.issued_at)).join(line, line.receipt_id == receipt.id)
    of_donation = of_donation.where(line.donation_id == gifts.c.donation_id).correlate(gifts)
    of_payment = select(first.issued_at).where(first.id == gifts.c.funder_payment_id).correlate(gifts)
    return case((gifts.c.donation_id.is_not(None), of_donation.scalar_subquery()), else_=of_payment.scalar_subquery())


def is_issued_by_end(charity: Charity, period: Period, gifts: Subquery) -> ColumnElement[bool]:
    """Whether a gift of the period has a valid receipt, and its first one was issued by the end of the period."""
    _, after = period.moments(ZoneInfo(charity.time_zone))
    return and_(gifts.c.gift_group == GiftGroup.RECEIPTED.value, first_issued_at(gifts) < after)


def received_before(charity: Charity, period: Period) -> ReceiptedBefore:
    """The gifts that were received before the period and whose first receipt was issued in it."""
    found = _receipted_in(charity, period).c
    cents = (func.coalesce(func.sum(found.cents), 0), func.coalesce(func.sum(found.cents).filter(found.is_abroad), 0))
    count, *sums = db.session.execute(select(func.count(), *cents).select_from(found.cents.table)).one()
    return ReceiptedBefore(gifts=count, cents=int(sums[0]), abroad_cents=int(sums[1]))


def gifts_that_differ(charity: Charity, period: Period, *sides: Side) -> Subquery:
    """The gifts that count in another fiscal year by the date of issue, on these sides, with their columns as in gifts_in and their `side`."""
    gifts, before = gifts_in(charity, period), _receipted_in(charity, period)
    counts = [group.value for group in (GiftGroup.RECEIPTED, *AWAITED)]
    is_later = and_(gifts.c.gift_group.in_(counts), func.coalesce(is_issued_by_end(charity, period, gifts), False).is_(False))
    columns = [column.name for column in before.c]
    queries = {
        Side.LATER: select(*(gifts.c[name] for name in columns), literal(Side.LATER.value).label("side")).where(is_later),
        Side.EARLIER: select(before, literal(Side.EARLIER.value).label("side")),
    }
    return union_all(*(queries[side] for side in sides or Side)).subquery("gifts_that_differ")


def _receipted_in(charity: Charity, period: Period) -> Subquery:
    """The gifts with a valid receipt that were received before the period and whose first receipt was issued in it."""
    gifts = union_all(_donations(charity, period), _payments(charity, period)).subquery("receipted")
    first, after = period.moments(ZoneInfo(charity.time_zone))
    at = first_issued_at(gifts)
    return select(gifts).where(at >= first, at < after).subquery("receipted_in")


def _donations(charity: Charity, period: Period) -> Select[Any]:
    """Donations from before the period that are on a receipt of the period, with what the books retain of them."""
    first, after = period.moments(ZoneInfo(charity.time_zone))
    e, line, current = LedgerEntry, ReceiptLine, aliased(ReceiptLine)
    issued = select(line.donation_id).join(Receipt, Receipt.id == line.receipt_id)
    issued = issued.where(Receipt.charity_id == charity.id, Receipt.issued_at >= first, Receipt.issued_at < after)
    cents, received = func.sum(SIGNED_CENTS), func.sum(case((e.kind.in_(PAYMENTS), e.cents), else_=0))
    return (
        select(
            Donation.id.label("donation_id"),
            cast(null(), BigInteger).label("funder_payment_id"),
            literal(GiftGroup.RECEIPTED.value).label("gift_group"),
            Donation.country.not_in(("CA", "")).label("is_abroad"),
            received.label("received_cents"),
            (received - cents).label("returned_cents"),
            cents.label("cents"),
            Receipt.serial,
        )
        .join(current, and_(current.donation_id == Donation.id, current.is_current))
        .join(Receipt, Receipt.id == current.receipt_id)
        .join(e, and_(e.donation_id == Donation.id, e.fund_id.is_(None)))
        .where(Donation.id.in_(issued), Donation.campaign_id.in_(campaigns_of(charity)), Donation.received_at < first)
        .group_by(Donation.id, Receipt.serial)
        .having(cents > 0)
    )


def _payments(charity: Charity, period: Period) -> Select[Any]:
    """Payments of funders from before the period with a valid receipt. A registered charity gets none."""
    paid = funder_payments_in(charity, period.before).c
    cents = (paid.cents, paid.returned_cents, paid.cents - paid.returned_cents)
    columns = (literal(GiftGroup.RECEIPTED.value), paid.province == ABROAD, *cents, Receipt.serial)
    return (
        select(cast(null(), BigInteger), paid.id, *columns)
        .join(ReceiptLine, and_(ReceiptLine.funder_payment_id == paid.id, ReceiptLine.is_current))
        .join(Receipt, Receipt.id == ReceiptLine.receipt_id)
        .where(~paid.is_mistaken, or_(paid.is_charity.is_(None), ~paid.is_charity))
    )
