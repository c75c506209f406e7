"""The register of receipts of a year: every one that was issued for gifts received in it, and totals that tie to the books.

A year is that of the gifts, by the charity's clocks: it is what T3010 line 4500 and Québec's TP-985.22 ask for. Receipts that stand no
more are listed, as their numbers were used, and count for nothing.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any
from zoneinfo import ZoneInfo

import xlsxwriter
from sqlalchemy import ColumnElement, Select, Subquery, case, exists, func, literal, or_, select, union_all

from campaign.edges.db import db
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.giving.funder_payments import FunderPayment
from campaign.giving.funds import Fund
from campaign.giving.ledger import LedgerEntry, Move
from campaign.giving.receipts import Receipt, ReceiptEnd, ReceiptGift
from campaign.rules.money import decimal

PAGE = 100
ROWS_AT_ONCE = 1000
MOST_ROWS_OF_A_SHEET = 1_048_575
IN = (Move.DONATION, Move.OFFLINE, Move.COVERED_FEE, Move.REINSTATEMENT, Move.COVERED_FEE_REINSTATEMENT)
OUT = (Move.REFUND, Move.DISPUTE, Move.COVERED_FEE_REFUND)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums in cents of the gifts received in a year, funders' payments among them. `kept` is what the charity keeps by the books."""

    standing: int
    ended: int
    receipted_cents: int
    receipted_in_quebec_cents: int
    kept_cents: int

    @property
    def unreceipted_cents(self) -> int:
        """What is kept and has no receipt that stands: it waits for one, for an address, or for the receipt of the year."""
        return self.kept_cents - self.receipted_cents


@dataclass(frozen=True, kw_only=True)
class Line:
    """One receipt in the register; sums in cents."""

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


def bounds(charity: Charity, year: int) -> tuple[datetime, datetime]:
    """The first moment of the year by the charity's clocks, and of the next."""
    zone = ZoneInfo(charity.time_zone)
    return datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)


def _campaigns(charity: Charity) -> Select[Any]:
    return select(Campaign.id).where(Campaign.charity_id == charity.id)


def _received_in(charity: Charity, year: int) -> tuple[ColumnElement[bool], ...]:
    first, after = bounds(charity, year)
    return Donation.campaign_id.in_(_campaigns(charity)), Donation.paid_at >= first, Donation.paid_at < after


def _paid_by_funders_in(charity: Charity, year: int) -> tuple[ColumnElement[bool], ...]:
    of_charity = FunderPayment.fund_id.in_(select(Fund.id).where(Fund.campaign_id.in_(_campaigns(charity))))
    return of_charity, FunderPayment.received_on >= date(year, 1, 1), FunderPayment.received_on < date(year + 1, 1, 1)


def _gifts(charity: Charity, year: int) -> Subquery:
    """The year's gifts on receipts, donors' and funders': receipt, cents, whether the receipt stands, province."""
    g = ReceiptGift
    in_canada = case((Donation.country == "CA", Donation.province), else_="")
    donors = select(g.receipt_id, g.cents, g.is_current, in_canada.label("province")).join(Donation, Donation.id == g.donation_id)
    funders = select(g.receipt_id, g.cents, g.is_current, literal("")).join(FunderPayment, FunderPayment.id == g.funder_payment_id)
    return union_all(donors.where(*_received_in(charity, year)), funders.where(*_paid_by_funders_in(charity, year))).subquery()


def totals_of(charity: Charity, year: int) -> Totals:
    """What was receipted of the year's gifts, and what the books say of them."""
    gifts = _gifts(charity, year)
    receipted = func.coalesce(func.sum(gifts.c.cents).filter(gifts.c.is_current), 0)
    in_quebec = func.coalesce(func.sum(gifts.c.cents).filter(gifts.c.is_current, gifts.c.province == "QC"), 0)
    standing, in_all = func.count(gifts.c.receipt_id.distinct()).filter(gifts.c.is_current), func.count(gifts.c.receipt_id.distinct())
    row = db.session.execute(select(receipted, in_quebec, standing, in_all)).one()
    signed = case((LedgerEntry.kind.in_(IN), LedgerEntry.cents), (LedgerEntry.kind.in_(OUT), -LedgerEntry.cents), else_=0)
    kept = select(func.coalesce(func.sum(signed), 0)).join(Donation, Donation.id == LedgerEntry.donation_id)
    from_funders = select(func.coalesce(func.sum(FunderPayment.cents), 0)).where(*_paid_by_funders_in(charity, year))
    return Totals(
        standing=row[2],
        ended=row[3] - row[2],
        receipted_cents=int(row[0]),
        receipted_in_quebec_cents=int(row[1]),
        kept_cents=int(db.session.scalars(kept.where(LedgerEntry.fund_id.is_(None), *_received_in(charity, year))).one())
        + int(db.session.scalars(from_funders).one()),
    )


def _lines(charity: Charity, year: int) -> Select[Any]:
    """Receipts with gifts of the year, by number; one for several gifts once. Each is looked at by itself, so that the first come at once."""
    first, _ = bounds(charity, year)
    g = ReceiptGift
    of_donors = exists().where(g.receipt_id == Receipt.id, Donation.id == g.donation_id, *_received_in(charity, year))
    of_funders = exists().where(g.receipt_id == Receipt.id, FunderPayment.id == g.funder_payment_id, *_paid_by_funders_in(charity, year))
    province = select(Donation.province).join(g, g.donation_id == Donation.id).where(g.receipt_id == Receipt.id, Donation.country == "CA")
    query = select(
        Receipt.id, Receipt.serial, Receipt.content, func.coalesce(ReceiptEnd.ended_as, "valid"), province.limit(1).scalar_subquery()
    )
    query = query.outerjoin(ReceiptEnd, ReceiptEnd.receipt_id == Receipt.id)
    return query.where(Receipt.charity_id == charity.id, Receipt.issued_at >= first, or_(of_donors, of_funders))


def _line(row: Sequence[Any]) -> Line:
    receipt_id, serial, content, status, province = row
    return Line(
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


def page_of(charity: Charity, year: int, *, after: int = 0, serial: str = "") -> list[Line]:
    """A page of the register, those after the row `after`; or the one of this number alone. One more than a page when there is more."""
    query = _lines(charity, year).where(Receipt.id > after).order_by(Receipt.id).limit(PAGE + 1)
    if serial:
        query = query.where(Receipt.serial == serial)
    return [_line(row) for row in db.session.execute(query)]


def all_of(charity: Charity, year: int) -> Iterator[Line]:
    """The whole register, read as it is wanted."""
    rows = db.session.execute(_lines(charity, year).order_by(Receipt.id), execution_options={"yield_per": ROWS_AT_ONCE})
    for row in rows:
        yield _line(row)


def years(charity: Charity) -> list[int]:
    """Years in which gifts were received, the latest first."""
    first, last = db.session.execute(
        select(func.min(Donation.paid_at), func.max(Donation.paid_at)).where(Donation.campaign_id.in_(_campaigns(charity)))
    ).one()
    return list(range(charity.local(last).year, charity.local(first).year - 1, -1)) if first and last else []


def as_csv(lines: Iterator[Line], headings: Sequence[str], statuses: dict[str, str]) -> Iterator[str]:
    """For a spreadsheet: with its accents, and nothing that it would take for a formula."""
    yield "\ufeff" + _csv_line(list(headings))
    for line in lines:
        texts = [_harmless(text) for text in (line.serial, line.issued_on, line.received, line.donor, line.province)]
        sums = [decimal(cents) for cents in (line.amount_cents, line.advantage_cents, line.eligible_cents)]
        yield _csv_line([*texts, *sums, statuses[line.status], _harmless(line.replaces)])


def _csv_line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def write_xlsx(target: IO[bytes], lines: Iterator[Line], headings: Sequence[str], statuses: dict[str, str]) -> None:
    """The same as a workbook, with sums that are numbers; a row at a time, so that memory stays flat."""
    # Strings stay strings: what begins like a formula or an address is text from people.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        sheet = book.add_worksheet("Receipts")
        bold, money = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0.00"})
        sheet.set_column(0, 4, 18)
        sheet.set_column(5, 9, 14)
        sheet.freeze_panes(1, 0)
        for column, heading in enumerate(headings):
            sheet.write_string(0, column, heading, bold)
        for row, line in enumerate(lines, 1):
            for column, text in enumerate((line.serial, line.issued_on, line.received, line.donor, line.province)):
                sheet.write_string(row, column, text)
            for column, cents in enumerate((line.amount_cents, line.advantage_cents, line.eligible_cents), 5):
                # A sheet has no whole cents: this is the last step of the way out, and exact to 15 digits.
                sheet.write(row, column, Decimal(cents).scaleb(-2), money)
            sheet.write_string(row, 8, statuses[line.status])
            sheet.write_string(row, 9, line.replaces)
