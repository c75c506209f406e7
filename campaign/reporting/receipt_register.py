"""The receipt register of a period: every receipt issued for gifts received in it, and totals that agree with the books.

The period is a calendar year, for donors' receipts, or a fiscal year, for the charity's returns (returns.py). Receipts that have ended are
listed, because their numbers were used, and are left out of the totals.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Row, Select, Subquery, and_, case, cast, func, or_, select, text, tuple_, union_all
from sqlalchemy.orm import aliased

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.funders import ABROAD
from campaign.ledger.entries import LedgerEntry
from campaign.payments.offline_gifts import OfflineGift
from campaign.receipts.receipts import Receipt, ReceiptEnd, ReceiptLine, Status
from campaign.reporting.gifts_received import (
    SIGNED_CENTS,
    first_and_last_of_funders,
    first_and_last_received,
    funder_payments_in,
    is_received_in,
)
from campaign.rules.fiscal_years import Period
from campaign.rules.offline_gifts import OfflineMethod

PAGE_SIZE = 100
ROWS_AT_ONCE = 1000
# Until the end of the transaction, plans of streamed queries are those that give their first rows soonest.
FIRST_ROWS_AT_ONCE = text("SET LOCAL cursor_tuple_fraction = 0.0001")


@dataclass(frozen=True, kw_only=True)
class RegisterTotals:
    """Totals of a period, funders' payments included. `valid`, `cancelled` and `replaced` count receipts.

    `retained_cents` is net of reversals, by the books.
    """

    valid: int
    cancelled: int
    replaced: int
    receipted_cents: int
    receipted_in_quebec_cents: int
    retained_cents: int

    @property
    def ended(self) -> int:
        """How many receipts are no longer valid."""
        return self.cancelled + self.replaced

    @property
    def unreceipted_cents(self) -> int:
        """What is retained without a valid receipt, such as donations that wait for an address or an annual receipt."""
        return self.retained_cents - self.receipted_cents


@dataclass(frozen=True, kw_only=True)
class RegisterLine:
    """One receipt in the register; sums in cents. `received` is a date or, for an annual receipt, a year."""

    id: int
    serial: str
    issued_on: str
    received: str
    donor: str
    province: str
    amount_cents: int
    advantage_cents: int
    eligible_cents: int
    status: str
    replaces: str


def _receipted(charity: Charity, period: Period) -> Subquery:
    """The period's receipt lines, for donations and funders' payments: receipt, cents, whether the receipt is valid, province."""
    line, paid = ReceiptLine, funder_payments_in(charity, period).c
    in_canada = case((Donation.country == "CA", Donation.province), else_="")
    columns = (line.receipt_id, line.cents, line.is_current)
    donors = select(*columns, in_canada.label("province")).join(Donation, Donation.id == line.donation_id)
    funders = select(*columns, paid.province).join(paid.id.table, paid.id == line.funder_payment_id)
    return union_all(donors.where(is_received_in(charity, period)), funders).subquery()


def totals_of(charity: Charity, period: Period) -> RegisterTotals:
    """The totals of the period: what was receipted, and what the books say the charity retains."""
    lines, paid = _receipted(charity, period), funder_payments_in(charity, period)
    receipted = func.coalesce(func.sum(lines.c.cents).filter(lines.c.is_current), 0)
    in_quebec = func.coalesce(func.sum(lines.c.cents).filter(lines.c.is_current, lines.c.province == "QC"), 0)
    ended = func.count(lines.c.receipt_id.distinct())
    row = db.session.execute(
        select(
            receipted,
            in_quebec,
            func.count(lines.c.receipt_id.distinct()).filter(lines.c.is_current),
            ended.filter(ReceiptEnd.ended_as == Status.CANCELLED),
            ended.filter(ReceiptEnd.ended_as == Status.REPLACED),
        ).outerjoin_from(lines, ReceiptEnd, ReceiptEnd.receipt_id == lines.c.receipt_id)
    ).one()
    retained = select(func.coalesce(func.sum(SIGNED_CENTS), 0)).join(Donation, Donation.id == LedgerEntry.donation_id)
    retained = retained.where(LedgerEntry.fund_id.is_(None), is_received_in(charity, period))
    from_funders = select(func.coalesce(func.sum(paid.c.cents - paid.c.returned_cents).filter(~paid.c.is_mistaken), 0))
    return RegisterTotals(
        valid=row[2],
        cancelled=row[3],
        replaced=row[4],
        receipted_cents=int(row[0]),
        receipted_in_quebec_cents=int(row[1]),
        retained_cents=int(db.session.scalars(retained).one()) + int(db.session.scalars(from_funders).one()),
    )


def _lines(charity: Charity, period: Period) -> Select[Any]:
    """Receipts with lines of the period, each once. EXISTS is evaluated for each receipt in turn, so that the first rows come at once."""
    g, paid = ReceiptLine, funder_payments_in(charity, period)
    # As values: what only has to exist is planned as a list of all of the period, for a page of a hundred.
    is_received = is_received_in(charity, period)
    of_donors = select(g.id).join(Donation, Donation.id == g.donation_id).where(g.receipt_id == Receipt.id, is_received).limit(1)
    of_funders = select(g.id).join(paid, paid.c.id == g.funder_payment_id).where(g.receipt_id == Receipt.id).limit(1)
    is_of_period = or_(*(one.correlate(Receipt).scalar_subquery().is_not(None) for one in (of_donors, of_funders)))
    province = select(Donation.province).join(g, g.donation_id == Donation.id).where(g.receipt_id == Receipt.id, Donation.country == "CA")
    query = select(
        Receipt.id, Receipt.serial, Receipt.content, func.coalesce(ReceiptEnd.ended_as, "valid"), province.limit(1).scalar_subquery()
    )
    query = query.outerjoin(ReceiptEnd, ReceiptEnd.receipt_id == Receipt.id)
    return query.where(Receipt.charity_id == charity.id, Receipt.issued_at >= _since(charity, period), is_of_period)


def _since(charity: Charity, period: Period) -> datetime:
    """The first moment of the period: no receipt is issued before its gift is received."""
    return period.moments(ZoneInfo(charity.time_zone))[0]


def _line(row: Sequence[Any]) -> RegisterLine:
    receipt_id, serial, content, status, province = row
    return RegisterLine(
        id=receipt_id,
        serial=serial,
        issued_on=content["issued_on"],
        received=content["received_on"] or str(content["received_in"]),
        donor=content["donor_name"],
        province=province or "",
        amount_cents=content["amount_cents"],
        advantage_cents=content["advantage_cents"],
        eligible_cents=content["eligible_cents"],
        status=status,
        replaces=content.get("replaces", ""),
    )


def register_page(charity: Charity, period: Period, *, after: int = 0, serial: str = "") -> list[RegisterLine]:
    """A page of receipts after the row `after`, or the one with this serial number. One line more than a page means that more follow."""
    query = _lines(charity, period).order_by(Receipt.issued_at, Receipt.id).limit(PAGE_SIZE + 1)
    if after:
        last = select(Receipt.issued_at, Receipt.id).where(Receipt.id == after).subquery()
        query = query.where(tuple_(Receipt.issued_at, Receipt.id) > select(last.c.issued_at, last.c.id).scalar_subquery())
    if serial:
        query = query.where(Receipt.serial == serial)
    return [_line(row) for row in db.session.execute(query)]


@dataclass(frozen=True, kw_only=True)
class RegisterGift:
    """One gift on a receipt, for exports; sums in cents. `valid_cents` is zero once the receipt has ended.

    `address` is as printed on the receipt; `country` is a code, empty while it is not known. `payment` is Stripe's payment, or the reference of a
    cheque or transfer. `is_debit` is None for a funder, `offline_method` for what was paid through Stripe.
    """

    serial: str
    issued_on: date
    received_on: date
    donor: str
    address: str
    province: str
    country: str
    cents: int
    advantage_cents: int
    valid_cents: int
    status: str
    replaces: str
    replaced_by: str
    ended_on: date | None
    end_reason: str
    donation: str
    payment: str
    is_debit: bool | None
    offline_method: OfflineMethod | None


def whole_register(charity: Charity, period: Period) -> Iterator[RegisterGift]:
    """Yield each gift of the period on each receipt, streamed from the database: a receipt for a year has several."""
    db.session.execute(FIRST_ROWS_AT_ONCE)
    for row in db.session.execute(_gifts(charity, period), execution_options={"yield_per": ROWS_AT_ONCE}):
        yield _gift(charity, row)


def _gifts(charity: Charity, period: Period) -> Select[Any]:
    line, receipt, later = ReceiptLine, Receipt.content, aliased(Receipt)
    paid = funder_payments_in(charity, period)
    return (
        select(
            Receipt.serial,
            receipt["issued_on"].astext.label("issued_on"),
            receipt["donor_name"].astext.label("donor"),
            receipt["donor_address"].label("address"),
            receipt["replaces"].astext.label("replaces"),
            case((receipt["received_in"].astext.is_(None), cast(receipt["advantage_cents"].astext, BigInteger)), else_=0).label(
                "advantage"
            ),
            line.cents,
            line.is_current,
            ReceiptEnd.ended_as,
            ReceiptEnd.reason,
            ReceiptEnd.at,
            later.serial.label("replaced_by"),
            Donation.public_id,
            Donation.received_at,
            func.coalesce(Donation.payment_intent, OfflineGift.reference, paid.c.reference, "").label("payment"),
            OfflineGift.method,
            case((Donation.id.is_not(None), Donation.is_debit)).label("is_debit"),
            func.coalesce(Donation.province, func.nullif(paid.c.province, ABROAD), "").label("province"),
            func.coalesce(Donation.country, case((paid.c.province.in_((ABROAD, "")), ""), else_="CA")).label("country"),
            paid.c.received_on,
        )
        .select_from(line)
        .join(Receipt, Receipt.id == line.receipt_id)
        .outerjoin(ReceiptEnd, ReceiptEnd.receipt_id == Receipt.id)
        .outerjoin(later, later.replaces_id == Receipt.id)
        .outerjoin(Donation, and_(Donation.id == line.donation_id, is_received_in(charity, period)))
        .outerjoin(OfflineGift, OfflineGift.donation_id == Donation.id)
        .outerjoin(paid, paid.c.id == line.funder_payment_id)
        .where(Receipt.charity_id == charity.id, Receipt.issued_at >= _since(charity, period))
        .where(or_(Donation.id.is_not(None), paid.c.id.is_not(None)))
        .order_by(line.id)
    )


def _gift(charity: Charity, row: Row[Any]) -> RegisterGift:
    return RegisterGift(
        serial=row.serial,
        issued_on=date.fromisoformat(row.issued_on),
        received_on=row.received_on or charity.local(row.received_at).date(),
        donor=row.donor,
        address=", ".join(row.address),
        province=row.province,
        country=row.country,
        cents=row.cents,
        advantage_cents=row.advantage,
        valid_cents=row.cents if row.is_current else 0,
        status=row.ended_as or Status.VALID.value,
        replaces=row.replaces or "",
        replaced_by=row.replaced_by or "",
        ended_on=charity.local(row.at).date() if row.at else None,
        end_reason=row.reason or "",
        donation=row.public_id or "",
        payment=row.payment,
        is_debit=row.is_debit,
        offline_method=OfflineMethod(row.method) if row.method else None,
    )


def years(charity: Charity) -> list[int]:
    """Calendar years from the first to the last payment of donors and funders, latest first."""
    days = [charity.local(moment).date() for moment in first_and_last_received(charity) if moment]
    days += [day for day in first_and_last_of_funders(charity) if day]
    return list(range(max(days).year, min(days).year - 1, -1)) if days else []
