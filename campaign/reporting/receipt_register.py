"""The receipt register of a year: every receipt issued for donations received in it, and totals that agree with the books.

The year is that of receipt of the donations in the charity's time zone, as T3010 line 4500 and Québec's TP-985.22 require. Receipts that
have ended are listed, because their numbers were used, and are left out of the totals.
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

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.payments import FunderPayment, is_counted
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.receipts.receipts import Receipt, ReceiptEnd, ReceiptLine
from campaign.rules.money import format_decimal

PAGE_SIZE = 100
# In a spreadsheet, also as wide characters of Japanese keyboards.
BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
ROWS_AT_ONCE = 1000
CREDITS = (Move.DONATION, Move.COVERED_FEE, Move.REINSTATEMENT, Move.COVERED_FEE_REINSTATEMENT)
DEBITS = (Move.REFUND, Move.DISPUTE, Move.COVERED_FEE_REFUND)


@dataclass(frozen=True, kw_only=True)
class RegisterTotals:
    """Totals of a year, funders' payments included. `valid` and `ended` count receipts; `retained_cents` is net of reversals, by the books."""

    valid: int
    ended: int
    receipted_cents: int
    receipted_in_quebec_cents: int
    retained_cents: int

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


def bounds(charity: Charity, year: int) -> tuple[datetime, datetime]:
    """The first moments of the year and of the next, in the charity's time zone."""
    zone = ZoneInfo(charity.time_zone)
    return datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)


def _campaigns(charity: Charity) -> Select[Any]:
    return select(Campaign.id).where(Campaign.charity_id == charity.id)


def _received_in(charity: Charity, year: int) -> tuple[ColumnElement[bool], ...]:
    first, after = bounds(charity, year)
    return Donation.campaign_id.in_(_campaigns(charity)), Donation.received_at >= first, Donation.received_at < after


def _paid_by_funders_in(charity: Charity, year: int) -> tuple[ColumnElement[bool], ...]:
    return _is_of_funders(charity), FunderPayment.received_on >= date(year, 1, 1), FunderPayment.received_on < date(year + 1, 1, 1)


def _is_of_funders(charity: Charity) -> ColumnElement[bool]:
    return FunderPayment.fund_id.in_(select(Fund.id).where(Fund.campaign_id.in_(_campaigns(charity))))


def _receipted(charity: Charity, year: int) -> Subquery:
    """The year's receipt lines, for donations and funders' payments: receipt, cents, whether the receipt is valid, province."""
    g = ReceiptLine
    in_canada = case((Donation.country == "CA", Donation.province), else_="")
    donors = select(g.receipt_id, g.cents, g.is_current, in_canada.label("province")).join(Donation, Donation.id == g.donation_id)
    funders = select(g.receipt_id, g.cents, g.is_current, literal("")).join(FunderPayment, FunderPayment.id == g.funder_payment_id)
    return union_all(donors.where(*_received_in(charity, year)), funders.where(*_paid_by_funders_in(charity, year))).subquery()


def totals_of(charity: Charity, year: int) -> RegisterTotals:
    """The totals of the year: what was receipted, and what the books say the charity retains."""
    lines = _receipted(charity, year)
    receipted = func.coalesce(func.sum(lines.c.cents).filter(lines.c.is_current), 0)
    in_quebec = func.coalesce(func.sum(lines.c.cents).filter(lines.c.is_current, lines.c.province == "QC"), 0)
    valid, in_all = func.count(lines.c.receipt_id.distinct()).filter(lines.c.is_current), func.count(lines.c.receipt_id.distinct())
    row = db.session.execute(select(receipted, in_quebec, valid, in_all)).one()
    signed = case((LedgerEntry.kind.in_(CREDITS), LedgerEntry.cents), (LedgerEntry.kind.in_(DEBITS), -LedgerEntry.cents), else_=0)
    retained = select(func.coalesce(func.sum(signed), 0)).join(Donation, Donation.id == LedgerEntry.donation_id)
    from_funders = select(func.coalesce(func.sum(FunderPayment.cents), 0)).where(*_paid_by_funders_in(charity, year), is_counted())
    return RegisterTotals(
        valid=row[2],
        ended=row[3] - row[2],
        receipted_cents=int(row[0]),
        receipted_in_quebec_cents=int(row[1]),
        retained_cents=int(db.session.scalars(retained.where(LedgerEntry.fund_id.is_(None), *_received_in(charity, year))).one())
        + int(db.session.scalars(from_funders).one()),
    )


def _lines(charity: Charity, year: int) -> Select[Any]:
    """Receipts with lines of the year, each once. EXISTS is evaluated for each receipt in turn, so that the first rows come at once."""
    first, _ = bounds(charity, year)
    g = ReceiptLine
    of_donors = exists().where(g.receipt_id == Receipt.id, Donation.id == g.donation_id, *_received_in(charity, year))
    of_funders = exists().where(g.receipt_id == Receipt.id, FunderPayment.id == g.funder_payment_id, *_paid_by_funders_in(charity, year))
    province = select(Donation.province).join(g, g.donation_id == Donation.id).where(g.receipt_id == Receipt.id, Donation.country == "CA")
    query = select(
        Receipt.id, Receipt.serial, Receipt.content, func.coalesce(ReceiptEnd.ended_as, "valid"), province.limit(1).scalar_subquery()
    )
    query = query.outerjoin(ReceiptEnd, ReceiptEnd.receipt_id == Receipt.id)
    return query.where(Receipt.charity_id == charity.id, Receipt.issued_at >= first, or_(of_donors, of_funders))


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


def register_page(charity: Charity, year: int, *, after: int = 0, serial: str = "") -> list[RegisterLine]:
    """A page of receipts after the row `after`, or the one with this serial number. One line more than a page means that more follow."""
    query = _lines(charity, year).where(Receipt.id > after).order_by(Receipt.id).limit(PAGE_SIZE + 1)
    if serial:
        query = query.where(Receipt.serial == serial)
    return [_line(row) for row in db.session.execute(query)]


def whole_register(charity: Charity, year: int) -> Iterator[RegisterLine]:
    """Yield the whole register, streamed from the database."""
    rows = db.session.execute(_lines(charity, year).order_by(Receipt.id), execution_options={"yield_per": ROWS_AT_ONCE})
    for row in rows:
        yield _line(row)


def years(charity: Charity) -> list[int]:
    """Years from the first to the last payment of donors and funders, latest first."""
    donors = select(func.min(Donation.received_at), func.max(Donation.received_at)).where(Donation.campaign_id.in_(_campaigns(charity)))
    funders = select(func.min(FunderPayment.received_on), func.max(FunderPayment.received_on)).where(_is_of_funders(charity))
    days = [charity.local(moment).date() for moment in db.session.execute(donors).one() if moment]
    days += [day for day in db.session.execute(funders).one() if day]
    return list(range(max(days).year, min(days).year - 1, -1)) if days else []


def as_csv(lines: Iterator[RegisterLine], headings: Sequence[str], statuses: dict[str, str]) -> Iterator[str]:
    """Yield CSV lines for a spreadsheet: a byte order mark makes it read UTF-8, and no text can be taken for a formula."""
    yield "\ufeff" + _csv_line(list(headings))
    for line in lines:
        texts = [_formula_safe(text) for text in (line.serial, line.issued_on, line.received, line.donor, line.province)]
        sums = [format_decimal(cents) for cents in (line.amount_cents, line.advantage_cents, line.eligible_cents)]
        yield _csv_line([*texts, *sums, statuses[line.status], _formula_safe(line.replaces)])


def _csv_line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _formula_safe(text: str) -> str:
    return f"'{text}" if text.startswith(BEGINS_FORMULA) else text


def write_xlsx(target: IO[bytes], lines: Iterator[RegisterLine], headings: Sequence[str], statuses: dict[str, str]) -> None:
    """Write the register as a workbook with numeric sums, a row at a time, so that memory use is constant."""
    # Text entered by people stays text, even if it begins like a formula or a URL.
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
                # A sheet has no integer cents. The cell is exact to 15 digits.
                sheet.write(row, column, Decimal(cents).scaleb(-2), money)
            sheet.write_string(row, 8, statuses[line.status])
            sheet.write_string(row, 9, line.replaces)
