"""What the journal is written as: a table for people, and the files that QuickBooks Online and Xero import.

QuickBooks Online: Intuit, "Import journal entries" (columns; account names without numbers, sub-accounts as Parent:Sub); numbers of at most 21
characters (Transaction Pro, "Journal Entry Import Fields"). Xero: help.xero.com, "Enter multiple manual journals using an import template" (300
lines; one narration and date for each journal; dates such as 30 Jun 2015; account codes; names of tax rates; a debit is positive).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaign.reporting.spreadsheets import Cell, Column, Kind
from campaign.rules.journal import Account, JournalLine, Purpose, Tax, tax_of
from campaign.texts.journal_words import describe_movement, subject_label, tax_label


class FormatName(StrEnum):
    """The formats, as in the address of an export."""

    CSV = "csv"
    XLSX = "xlsx"
    QUICKBOOKS = "quickbooks"
    XERO = "xero"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What lines are written with: the charity's accounts, the names of its campaigns and funds, and the reader's language.

    `has_tracking` says whether the software has a class, or a tracking category, for each campaign: it refuses one that it does not know.
    """

    accounts: Mapping[Purpose, Account]
    campaigns: Mapping[int, str]
    funds: Mapping[int, str]
    currency: str
    language: str
    has_tracking: bool = False

    def account(self, line: JournalLine) -> Account:
        """The account of the line."""
        return self.accounts[line.purpose]

    def account_name(self, line: JournalLine) -> str:
        """Its name."""
        return self.account(line).name(self.language)

    def tax_code(self, line: JournalLine, usual: Mapping[Tax, str]) -> str:
        """The tax code of the line: as the charity has set it, or the usual one."""
        return self.account(line).tax_code or usual[tax_of(line.purpose)]

    def memo(self, line: JournalLine) -> str:
        """What the line is of, with the payout, payment or gift."""
        about = describe_movement(line.movement, self.language)
        return f"{about}, {line.movement.reference}" if line.movement.reference else about

    def fund(self, line: JournalLine) -> str:
        """The fund of the line, if it is of one."""
        return self.funds.get(line.movement.fund_id or 0, "")

    def campaign(self, line: JournalLine) -> str:
        """The campaign of the line."""
        return self.campaigns[line.movement.campaign_id]


@dataclass(frozen=True, kw_only=True)
class ImportFormat:
    """A file that a product imports: its columns, in the product's words, and at most so many lines."""

    product: str
    columns: Sequence[Column]
    row: Callable[[JournalLine, Chart], list[Cell]]
    most_lines: int


def people_row(line: JournalLine, chart: Chart) -> list[Cell]:
    """A line as people read it; the headings are those of web/staff/journal.py."""
    taxes = {tax: tax_label(tax, chart.language) for tax in Tax}
    return [
        line.movement.on,
        line.movement.number,
        chart.account(line).code,
        chart.account_name(line),
        line.debit_cents or None,
        line.credit_cents or None,
        describe_movement(line.movement, chart.language),
        line.movement.reference,
        chart.tax_code(line, taxes),
        chart.campaign(line),
        chart.fund(line),
    ]


def _quickbooks_row(line: JournalLine, chart: Chart) -> list[Cell]:
    number, on = line.movement.number, f"{line.movement.on:%m/%d/%Y}"
    label = chart.campaign(line) if chart.has_tracking else ""
    amounts = (line.debit_cents or None, line.credit_cents or None)
    return [number, on, chart.account_name(line), *amounts, chart.memo(line), "", chart.currency, "", label]


# Of the same treatment for both of Xero's usual rates: its Canadian edition has one for lines without tax.
_XERO_TAXES = dict.fromkeys(Tax, "Tax Exempt")


def _xero_row(line: JournalLine, chart: Chart) -> list[Cell]:
    narration = f"{line.movement.number} {subject_label(line.movement.posting.subject, chart.language)}"
    tracking = ("Campaign", chart.campaign(line)) if chart.has_tracking else ("", "")
    account, signed = chart.account(line).code, line.debit_cents - line.credit_cents
    on = f"{line.movement.on:%d %b %Y}"
    return [narration, on, chart.memo(line), account, chart.tax_code(line, _XERO_TAXES), signed, *tracking, "", ""]


def _columns(*headings: str, money: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(heading=heading, kind=Kind.MONEY if heading in money else Kind.TEXT) for heading in headings)


IMPORT_FORMATS: Mapping[FormatName, ImportFormat] = {
    FormatName.QUICKBOOKS: ImportFormat(
        product="QuickBooks Online",
        columns=_columns(
            *("*JournalNo", "*JournalDate", "*AccountName", "*Debits", "*Credits", "Description", "Name", "Currency", "Location", "Class"),
            money=("*Debits", "*Credits"),
        ),
        row=_quickbooks_row,
        most_lines=1000,
    ),
    FormatName.XERO: ImportFormat(
        product="Xero",
        columns=_columns(
            *("*Narration", "*Date", "Description", "*AccountCode", "*TaxRate", "*Amount"),
            *("TrackingName1", "TrackingOption1", "TrackingName2", "TrackingOption2"),
            money=("*Amount",),
        ),
        row=_xero_row,
        most_lines=300,
    ),
}
