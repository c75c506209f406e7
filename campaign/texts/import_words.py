"""Why a file, or a cell of it, cannot be read, and what is asked about a row: what is wrong, and what to do."""

from campaign.rules.import_columns import ImportField
from campaign.rules.imported_files import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS, FileFlaw
from campaign.rules.imported_values import ValueFlaw
from campaign.texts.catalogue import gettext_noop, translator

_FILES = {
    FileFlaw.EMPTY: gettext_noop("This file is empty. Please choose another one."),
    FileFlaw.TOO_LARGE: gettext_noop("This file is larger than 5 MB. Please split it, and upload one part after the other."),
    FileFlaw.WORKBOOK: gettext_noop("This is a workbook. In Excel, please choose File, Save as, CSV UTF-8, and upload that file."),
    FileFlaw.PDF: gettext_noop("This is a PDF. Please upload the list from which it was made, saved in Excel as CSV UTF-8."),
    FileFlaw.PICTURE: gettext_noop("This is a picture. Please upload a list of gifts, saved in Excel as CSV UTF-8."),
    FileFlaw.MARKUP: gettext_noop(
        "This is a web page or another document. Please open it in Excel, choose File, Save as, CSV UTF-8, and upload that file."
    ),
    FileFlaw.NO_TEXT: gettext_noop(
        "This is not a text file with columns. In Excel, please choose File, Save as, CSV UTF-8, and upload that file."
    ),
    FileFlaw.MIXED: gettext_noop(
        "Some accents in this file are of another encoding than the others, as after copying from an older file. In Excel, please check the accents, and save it as CSV UTF-8."
    ),
    FileFlaw.NO_ROWS: gettext_noop("This file has headings alone, or one row without headings. Please begin with a row of headings."),
    FileFlaw.TOO_MANY_ROWS: gettext_noop("This file has more than %(most)s rows. Please split it, and upload one part after the other."),
    FileFlaw.TOO_MANY_COLUMNS: gettext_noop(
        "This file has more than %(columns)s columns. Please delete those that are not about the gifts."
    ),
    FileFlaw.LONG_CELL: gettext_noop("A cell of row %(row)s is longer than %(longest)s characters. Please shorten it."),
    FileFlaw.OPEN_QUOTE: gettext_noop(
        'Row %(row)s has a quotation mark (") that is opened or closed once too often. Please correct it there.'
    ),
}
_VALUES = {
    ValueFlaw.NO_DAY: gettext_noop("“%(text)s” is not a day. Please write it like 2026-12-31."),
    ValueFlaw.DAY_OR_MONTH: gettext_noop("“%(text)s” may be two days. Please choose under Columns whether day or month comes first."),
    ValueFlaw.NO_AMOUNT: gettext_noop("“%(text)s” is not an amount. Please write it like 1234.56 or 1234,56."),
    ValueFlaw.THOUSANDS_OR_CENTS: gettext_noop("“%(text)s” may be thousands or decimals. Please write it like 1234.00 or 1.23."),
    ValueFlaw.NEGATIVE: gettext_noop("“%(text)s” is less than zero. Money that was given back is recorded at its gift, not here."),
    ValueFlaw.METHOD: gettext_noop("“%(text)s” is none of the ways to pay. Please choose: cheque, cash, e-Transfer or bank transfer."),
    ValueFlaw.LANGUAGE: gettext_noop("“%(text)s” is no language of receipts. Please choose English or French."),
}
_FIELDS = {
    ImportField.RECEIVED_ON: gettext_noop("Received on"),
    ImportField.AMOUNT: gettext_noop("Amount"),
    ImportField.METHOD: gettext_noop("Paid by"),
    ImportField.REFERENCE: gettext_noop("Number of the cheque or transfer"),
    ImportField.FIRST_NAME: gettext_noop("First name"),
    ImportField.LAST_NAME: gettext_noop("Last name"),
    ImportField.ORGANIZATION: gettext_noop("Organization"),
    ImportField.EMAIL: gettext_noop("Email"),
    ImportField.ADDRESS_LINE1: gettext_noop("Address"),
    ImportField.ADDRESS_LINE2: gettext_noop("Apartment, unit, PO box"),
    ImportField.CITY: gettext_noop("City"),
    ImportField.PROVINCE: gettext_noop("Province or territory"),
    ImportField.POSTAL_CODE: gettext_noop("Postal code"),
    ImportField.COUNTRY: gettext_noop("Country"),
    ImportField.LANGUAGE: gettext_noop("Language of the receipt"),
}
_LIKE_ROW = gettext_noop("Row %(row)s of this file has the same number, or the same donor, amount and day. Is this another gift?")
_WHICH_DONOR = gettext_noop("Donors with a similar name live at this postal code. Is it one of them? Please open the row and choose.")


def describe_file(flaw: FileFlaw, row: int, language: str) -> str:
    """Why the file cannot be read. `row` is that of a spreadsheet."""
    return translator(language).gettext(_FILES[flaw], row=row, most=MOST_ROWS, columns=MOST_COLUMNS, longest=LONGEST_CELL)


def describe_value(flaw: ValueFlaw, text: str, language: str) -> str:
    """Why the cell with this text cannot be read."""
    return translator(language).gettext(_VALUES[flaw], text=text)


def name_field(field: ImportField, language: str) -> str:
    """The field, as it is named in the form and as the heading of its column."""
    return translator(language).gettext(_FIELDS[field])


def describe_like_row(row: int, language: str) -> str:
    """The question whether a row is the same gift as an earlier one."""
    return translator(language).gettext(_LIKE_ROW, row=row)


def describe_unclear_donor(language: str) -> str:
    """The question by which donor a row is."""
    return translator(language).gettext(_WHICH_DONOR)
