"""Which donations have returned money that no information return reports as it should, found in the books rather than by an event."""

from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, exists, func, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.payments.offline_gifts import OfflineReversal
from campaign.payments.reversals import Reversal
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.receipts import ReceiptLine
from campaign.receipts.reported_reversals import ReportedReversal
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.rules.receipt_requirements import INFORMATION_RETURN_ABOVE_CENTS


def list_unreported(*, limit: int) -> list[int]:
    """The ids of donations whose returns `reported_reversals.bring_up_to_date` would change, whatever led to that."""
    d, i, gift = Donation, InformationReturn, union_all(_named_at_stripe(), _named_offline()).subquery().c
    returned = func.least(gift.posted_cents, d.amount_cents + d.covered_fee_cents)
    is_unreported = and_(returned != gift.named_cents, returned - gift.left_out_cents > INFORMATION_RETURN_ABOVE_CENTS)
    reported = select(func.coalesce(func.sum(ReportedReversal.cents), 0)).where(ReportedReversal.information_return_id == i.id)
    is_empty = exists().where(i.donation_id == d.id, i.closed_at.is_(None), reported.scalar_subquery() <= 0)
    has_receipt = exists().where(ReceiptLine.donation_id == d.id)
    query = select(d.id).join(gift.posted_cents.table, gift.donation_id == d.id)
    query = query.where(has_receipt, or_(is_unreported, gift.has_come_back, is_empty))
    return list(db.session.scalars(query.order_by(d.id).limit(limit)))


def _named_at_stripe() -> Select[Any]:
    """By donation, what of its refunds and disputes is in effect, named, and left out by the first receipt, and whether something named has come back."""
    p, r = ReportedReversal, Reversal
    each = select(r.payment_intent, r.posted_cents, *_named()).outerjoin(p, p.reversal_id == r.id).group_by(r.id).subquery()
    return _summed(each, Donation.id).join(Donation, Donation.payment_intent == each.c.payment_intent).group_by(Donation.id)


def _named_offline() -> Select[Any]:
    """The same of offline gifts."""
    p, r = ReportedReversal, OfflineReversal
    each = select(r.donation_id, r.cents.label("posted_cents"), *_named()).outerjoin(p, p.offline_reversal_id == r.id)
    refunds = each.where(r.kind == OfflineReversalKind.REFUNDED.value).group_by(r.id).subquery()
    return _summed(refunds, refunds.c.donation_id).group_by(refunds.c.donation_id)


def _named() -> tuple[ColumnElement[int], ColumnElement[int]]:
    p = ReportedReversal
    left_out = func.sum(p.cents).filter(p.information_return_id.is_(None))
    return func.coalesce(func.sum(p.cents), 0).label("named_cents"), func.coalesce(left_out, 0).label("left_out_cents")


def _summed(each: Subquery, donation_id: ColumnElement[int] | InstrumentedAttribute[int]) -> Select[Any]:
    sums = [func.sum(each.c[name]).label(name) for name in ("posted_cents", "named_cents", "left_out_cents")]
    has_come_back = func.bool_or(each.c.named_cents > each.c.posted_cents).label("has_come_back")
    columns: list[ColumnElement[Any]] = [donation_id.label("donation_id"), *sums, has_come_back]
    return select(*columns).select_from(each)
