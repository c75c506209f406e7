"""The gifts of a period, donations and payments of funders, with what the books retain of each and its group for the charity's returns.

A gift belongs to the period in which it was received, in the charity's time zone, less what went back of it until now: when a receipt is
changed, the return of the year of the gift is amended (CRA, information letter CIL 2001-023; form T1240).
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, cast, exists, func, null, or_, select, true, union_all
from sqlalchemy.orm import aliased
from sqlalchemy.types import BigInteger

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations import declarations
from campaign.donations.donations import Donation
from campaign.donations.donors import ANNUAL, Donor
from campaign.edges.db import db
from campaign.funders.funders import ABROAD, Funder
from campaign.funders.payment_receipts import voided_payments
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment, FunderPaymentReturn, FunderPaymentReversal, is_counted, returned_in_query
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.outbox import leases
from campaign.outbox.messages import OutboxMessage
from campaign.payments.offline_gifts import OfflineReversal
from campaign.payments.reversals import Reversal
from campaign.receipts.receipts import EndReason, Receipt, ReceiptEnd, ReceiptLine
from campaign.rules.fiscal_years import Period
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.rules.return_lines import GiftGroup

PAYMENTS = (Move.DONATION, Move.COVERED_FEE)
REINSTATEMENTS = (Move.REINSTATEMENT, Move.COVERED_FEE_REINSTATEMENT)
REVERSALS = (Move.REFUND, Move.DISPUTE, Move.COVERED_FEE_REFUND)
# A cheque that bounced, or was recorded by mistake, never was a gift.
NO_GIFTS = (Move.OFFLINE_REVERSAL,)
QUEBEC, OTHER_PROVINCE, UNKNOWN = "QC", "other", "unknown"

# What an entry adds to what the charity retains of a donation.
SIGNED_CENTS = case(
    (LedgerEntry.kind.in_((*PAYMENTS, *REINSTATEMENTS)), LedgerEntry.cents),
    (LedgerEntry.kind.in_((*REVERSALS, *NO_GIFTS)), -LedgerEntry.cents),
    else_=0,
)


def first_and_last_received(charity: Charity) -> tuple[datetime | None, datetime | None]:
    """The moments of the first and the last payment of a donor; None without any. Each campaign is asked for its own, which an index answers."""
    d = Donation
    of_campaign = select(func.min(d.received_at).label("first"), func.max(d.received_at).label("last"))
    of_campaign = of_campaign.where(d.campaign_id == Campaign.id, d.received_at.is_not(None)).correlate(Campaign)
    own = of_campaign.lateral()
    every = select(func.min(own.c.first), func.max(own.c.last)).select_from(Campaign).join(own, true())
    first, last = db.session.execute(every.where(Campaign.charity_id == charity.id)).one()
    return first, last


def campaigns_of(charity: Charity) -> Select[Any]:
    """The ids of the charity's campaigns."""
    return select(Campaign.id).where(Campaign.charity_id == charity.id)


def is_received_in(charity: Charity, period: Period) -> ColumnElement[bool]:
    """Whether a donation was received in the period."""
    first, after = period.moments(ZoneInfo(charity.time_zone))
    return and_(Donation.campaign_id.in_(campaigns_of(charity)), Donation.received_at >= first, Donation.received_at < after)


def has_more_than(charity: Charity, period: Period, count: int) -> bool:
    """Whether more donations than this were received in the period. It reads so many entries of an index at most."""
    return db.session.scalar(select(Donation.received_at).where(is_received_in(charity, period)).offset(count).limit(1)) is not None


def funder_payments_in(charity: Charity, period: Period) -> Subquery:
    """The payments of funders that were received in the period, with what the returns need of the funder. All reads of them are here.

    `is_charity` is null while it is not known whether the funder is a registered charity. `is_mistaken` is whether the payment was recorded wrongly.
    `returned_cents` is what went back to the funder until now, `late_cents` what of it after the period. Before returns were rows of their own, all
    of a payment went back by its reversal.
    """
    reversal = select(FunderPaymentRequest.returned_on).where(
        FunderPaymentReversal.funder_payment_id == FunderPayment.id, FunderPaymentRequest.id == FunderPaymentReversal.request_id
    )
    reversed_on, in_full = reversal.scalar_subquery(), cast(FunderPayment.cents, BigInteger)
    returned = case((reversed_on.is_not(None), in_full), else_=returned_in_query())
    late = case((reversed_on > period.last_on, in_full), else_=returned_in_query(FunderPaymentReturn.returned_on > period.last_on))
    return (
        select(
            FunderPayment.id,
            FunderPayment.cents,
            FunderPayment.received_on,
            FunderPayment.reference,
            func.coalesce(func.nullif(Funder.legal_name, ""), Funder.name_en).label("name"),
            Funder.legal_name,
            Funder.id.label("funder_id"),
            Funder.address,
            Funder.province,
            Funder.registration_number,
            Funder.is_registered_charity.label("is_charity"),
            and_(~is_counted(), reversed_on.is_(None)).label("is_mistaken"),
            returned.label("returned_cents"),
            late.label("late_cents"),
        )
        .join(Fund, Fund.id == FunderPayment.fund_id)
        .join(Funder, Funder.id == Fund.funder_id)
        .where(
            Fund.campaign_id.in_(campaigns_of(charity)),
            FunderPayment.received_on >= period.first_on,
            FunderPayment.received_on <= period.last_on,
        )
        .subquery("paid_by_funders")
    )


def first_and_last_of_funders(charity: Charity) -> tuple[date | None, date | None]:
    """The days of the first and last payment of the charity's funders; None without any."""
    funds = select(Fund.id).where(Fund.campaign_id.in_(campaigns_of(charity)))
    first, last = func.min(FunderPayment.received_on), func.max(FunderPayment.received_on)
    row = db.session.execute(select(first, last).where(FunderPayment.fund_id.in_(funds))).one()
    return row[0], row[1]


def gifts_in(charity: Charity, period: Period) -> Subquery:
    """Each gift of the period with its group, its place, its cents by the books, and the number of its valid receipt."""
    return union_all(_donations(charity, period), _funder_payments(charity, period)).subquery("gifts")


def _donations(charity: Charity, period: Period) -> Select[Any]:
    moved, in_time, is_abroad = _moved(charity, period), _returned_in_time(charity, period), Donation.country.not_in(("CA", ""))
    returned = moved.c.received_cents - moved.c.cents
    group = case(
        (moved.c.cents == 0, GiftGroup.RETURNED.value),
        (Receipt.id.is_not(None), GiftGroup.RECEIPTED.value),
        (_was_voided(), GiftGroup.VOIDED.value),
        (_lacks_details(), GiftGroup.INCOMPLETE.value),
        (_lacks_declaration(), GiftGroup.UNDECLARED.value),
        (Donor.receipt_preference == ANNUAL, GiftGroup.ANNUAL.value),
        else_=GiftGroup.DUE.value,
    )
    place = case((is_abroad, ABROAD), (Donation.province == QUEBEC, QUEBEC), (Donation.province == "", UNKNOWN), else_=OTHER_PROVINCE)
    return (
        select(
            Donation.id.label("donation_id"),
            cast(null(), BigInteger).label("funder_payment_id"),
            group.label("gift_group"),
            place.label("place"),
            is_abroad.label("is_abroad"),
            moved.c.received_cents,
            returned.label("returned_cents"),
            func.greatest(0, returned - func.coalesce(in_time.c.cents, 0)).label("late_cents"),
            moved.c.cents,
            func.coalesce(Receipt.serial, "").label("serial"),
        )
        .join(moved, moved.c.donation_id == Donation.id)
        .outerjoin(in_time, in_time.c.donation_id == Donation.id)
        .join(Donor, Donor.id == Donation.donor_id)
        .outerjoin(ReceiptLine, and_(ReceiptLine.donation_id == Donation.id, ReceiptLine.is_current))
        .outerjoin(Receipt, Receipt.id == ReceiptLine.receipt_id)
    )


def _moved(charity: Charity, period: Period) -> Subquery:
    """What the entries of each donation of the period say. One that turned out not to be a gift was not received."""
    e = LedgerEntry
    received = func.sum(case((e.kind.in_(PAYMENTS), e.cents), (e.kind.in_(NO_GIFTS), -e.cents), else_=0))
    return (
        select(
            e.donation_id,
            received.label("received_cents"),
            func.sum(SIGNED_CENTS).label("cents"),
        )
        .join(Donation, Donation.id == e.donation_id)
        .where(e.fund_id.is_(None), is_received_in(charity, period))
        .group_by(e.donation_id)
        .having(received > 0)
        .subquery("moved")
    )


def _returned_in_time(charity: Charity, period: Period) -> Subquery:
    """What went back of each donation until the end of the period and is in effect, by Stripe's moments: we may hear of it later, by any route.

    When Stripe names no moment, the last one at which the reversal was posted counts. Of an offline gift the day counts that staff wrote down.
    """
    e, r, (_, after) = LedgerEntry, Reversal, period.moments(ZoneInfo(charity.time_zone))
    is_of_reversal = func.split_part(e.reference, ":", 2) == r.stripe_id
    posted_at = select(func.max(e.at)).where(e.donation_id == Donation.id, e.kind.in_(REVERSALS), is_of_reversal).scalar_subquery()
    at_stripe = select(Donation.id.label("donation_id"), func.sum(r.posted_cents).label("cents"))
    at_stripe = at_stripe.join(r, r.payment_intent == Donation.payment_intent).where(func.coalesce(r.returned_at, posted_at) < after)
    o = OfflineReversal
    offline = select(Donation.id, func.sum(o.cents)).join(o, o.donation_id == Donation.id)
    offline = offline.where(o.kind == OfflineReversalKind.REFUNDED.value, o.reversed_on <= period.last_on)
    both = (one.where(is_received_in(charity, period)).group_by(Donation.id) for one in (at_stripe, offline))
    return union_all(*both).subquery("returned_in_time")


def _was_voided() -> ColumnElement[bool]:
    """Whether a receipt of the donation was voided."""
    line = aliased(ReceiptLine)
    voided = select(line.id).join(ReceiptEnd, ReceiptEnd.receipt_id == line.receipt_id).where(ReceiptEnd.reason == EndReason.VOID.value)
    return exists(voided.where(line.donation_id == Donation.id))


def _lacks_details() -> ColumnElement[bool]:
    """Whether a name or an address is missing (Donation.lacks_details), or the receipt waits for one that can be printed."""
    d = Donation
    name = func.coalesce(func.nullif(d.organization, ""), func.btrim(func.concat(d.first_name, " ", d.last_name)))
    place = func.concat(d.city, d.province, d.postal_code)
    present = (d.address_line1 != "", d.address_line2 != "", place != "", d.country != "CA")
    lines = sum((case((is_present, 1), else_=0) for is_present in present[1:]), start=case((present[0], 1), else_=0))
    return or_(name == "", lines < 2, _waits_for("donor_%"))


def _lacks_declaration() -> ColumnElement[bool]:
    """Whether the receipt would bear an organization's name that the donor has not declared (completeness.lacks_declaration).

    One that replaces a receipt in the same name takes no declaration.
    """
    d, line = Donation, aliased(ReceiptLine)
    person = func.btrim(func.concat(d.first_name, " ", d.last_name))
    bears_organization = and_(d.organization != "", ~and_(d.in_own_name, person != ""))
    replaced = select(line.id).join(ReceiptEnd, ReceiptEnd.receipt_id == line.receipt_id).join(Receipt, Receipt.id == line.receipt_id)
    same_name = Receipt.content["donor_name"].astext == d.organization
    is_replaced = exists(replaced.where(line.donation_id == d.id, ReceiptEnd.awaits_replacement, same_name).correlate(d))
    return or_(and_(bears_organization, ~declarations.is_declared_in_query(), ~is_replaced), _waits_for("declaration"))


def _waits_for(element: str) -> ColumnElement[bool]:
    """Whether the receipt of a donation waits for an element whose name is like this."""
    o = OutboxMessage
    missing = func.concat(",", func.array_to_string(o.missing_elements, ",")).like(f"%,{element}%")
    return exists().where(o.donation_id == Donation.id, leases.is_pending(o), missing)


def _funder_payments(charity: Charity, period: Period) -> Select[Any]:
    """Payments of funders. One of whom it is not known whether they are a registered charity counts as another donor.

    A payment that was recorded wrongly is no gift; one whose money came and went back is a gift that was returned, in part or in full.
    """
    paid = funder_payments_in(charity, period).c
    group = case(
        (paid.cents == paid.returned_cents, GiftGroup.RETURNED.value),
        (paid.is_charity, GiftGroup.OTHER_CHARITY.value),
        (Receipt.id.is_not(None), GiftGroup.RECEIPTED.value),
        (paid.id.in_(select(voided_payments().c.id)), GiftGroup.VOIDED.value),
        (or_(func.cardinality(paid.address) < 2, paid.legal_name == ""), GiftGroup.INCOMPLETE.value),
        else_=GiftGroup.DUE.value,
    )
    place = case((paid.province.in_((QUEBEC, ABROAD)), paid.province), (paid.province == "", UNKNOWN), else_=OTHER_PROVINCE)
    serial = func.coalesce(Receipt.serial, "")
    sums = (paid.cents, paid.returned_cents, paid.late_cents, paid.cents - paid.returned_cents)
    return (
        select(cast(null(), BigInteger), paid.id, group, place, paid.province == ABROAD, *sums, serial)
        .outerjoin(ReceiptLine, and_(ReceiptLine.funder_payment_id == paid.id, ReceiptLine.is_current))
        .outerjoin(Receipt, Receipt.id == ReceiptLine.receipt_id)
        .where(~paid.is_mistaken)
    )
