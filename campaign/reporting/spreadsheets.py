"""Tables as spreadsheets: XLSX with dates, amounts and totals, and CSV as the Excel of each language opens it. All exports are made here.

French CSV has semicolons and decimal commas, as the list separator and decimal sign of Canadian French are; English has commas and points. No
text that people entered can be taken for a formula or a link. A workbook begins with what it is of; a CSV says so in its name alone.
"""

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, auto
from typing import IO, Any

import xlsxwriter

from campaign.rules.money import DECIMAL_SIGNS, format_decimal

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SEPARATORS = {"en": ",", "fr": ";"}
# What a formula begins with, also as wide or small characters, which are these in Unicode's compatibility form, and as a minus sign.
BEGINS_FORMULA = frozenset("=+-@\u2212")
# What programs drop or do not show at the beginning of a cell: spaces of any width, controls, and marks such as a byte order mark.
UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
DATE_FORMAT, MONEY_FORMAT, COUNT_FORMAT = "yyyy-mm-dd", "#,##0.00", "0"
# Of a worksheet, the row of headings and that of totals included. A longer table goes on in another sheet.
MAX_ROWS = 1_048_576
LONGEST_SHEET_NAME = 31
# Of each part of a printed head or foot line. Excel takes 255 characters for all parts.
LONGEST_PRINTED = 110
PAPER = 1  # US Letter, the paper of Canada.
LINE_HEIGHT = 15  # In points.
# How much wider bold text is than the digits that widths of columns are counted in.
BOLD = 1.15
CHUNK_BYTES = 64 * 1024


class Kind(Enum):
    """What the cells of a column are: `str`, `date` or None, cents, or an `int`."""

    TEXT = auto()
    DATE = auto()
    MONEY = auto()
    COUNT = auto()


Cell = str | date | int | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column; `is_totalled` adds it up in the last row of a sheet."""

    heading: str
    kind: Kind = Kind.TEXT
    width: int = 16
    is_totalled: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A sheet named `title`. `rows` may be streamed. `notes` follow the table, each in a row of its own, in XLSX alone."""

    title: str
    columns: Sequence[Column]
    rows: Iterable[Sequence[Cell]]
    total: str
    notes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a workbook is of. `facts` are names with values, on a first sheet `title`; `subject` and `source` are printed on each page."""

    title: str
    facts: Sequence[tuple[str, str | date]]
    subject: str
    source: str


def csv_lines(table: Table, language: str, *, has_mark: bool = True) -> Iterator[str]:
    """Yield the lines of a CSV file for the spreadsheets of the language. A byte order mark makes them read UTF-8. It has no totals.

    Texts are quoted; dates, amounts and counts are not. Programs that import a file may take a mark for a part of the first heading.
    """
    separator = SEPARATORS[language]
    yield ("\ufeff" if has_mark else "") + separator.join(_quoted(column.heading) for column in table.columns) + "\r\n"
    for row in table.rows:
        cells = (_csv_cell(column.kind, cell, language) for column, cell in zip(table.columns, row, strict=True))
        yield separator.join(cells) + "\r\n"


def _csv_cell(kind: Kind, cell: Cell, language: str) -> str:
    if cell is None:
        return ""
    if kind is Kind.MONEY and isinstance(cell, int):
        return format_decimal(cell).replace(".", DECIMAL_SIGNS[language])
    return _quoted(_formula_safe(cell)) if isinstance(cell, str) else str(cell)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _formula_safe(text: str) -> str:
    shown = next((character for character in text if unicodedata.category(character) not in UNSEEN), "")
    return f"'{text}" if unicodedata.normalize("NFKC", shown)[:1] in BEGINS_FORMULA or text.startswith(("\t", "\r")) else text


def write_xlsx(target: IO[bytes], tables: Sequence[Table], origin: Origin | None = None) -> None:
    """Write a workbook with a sheet for each table, a row at a time, so that memory use is constant."""
    # Text entered by people stays text, even if it begins like a formula or a URL.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        formats = _formats(book)
        if origin:
            _write_origin(book, origin, formats)
        for table in tables:
            _write_table(book, table, formats)
        if origin:
            _print_on_each_page(book, origin)


def _formats(book: Any) -> dict[Any, Any]:
    numbers = {Kind.TEXT: "@", Kind.DATE: DATE_FORMAT, Kind.MONEY: MONEY_FORMAT, Kind.COUNT: COUNT_FORMAT}
    wrapped = {"text_wrap": True, "valign": "top"}
    # A number is at the right of its column, so that a text or a date beside it begins at a distance.
    left, right = {"align": "left", "indent": 1}, {"align": "right"}
    sides = {kind: right if kind in {Kind.MONEY, Kind.COUNT} else left for kind in Kind}
    plain = {kind: book.add_format({"num_format": number, **wrapped, **sides[kind]}) for kind, number in numbers.items()}
    bold = {(kind, True): book.add_format({"num_format": number, "bold": True, "top": 1}) for kind, number in numbers.items()}
    fact = book.add_format({"num_format": DATE_FORMAT, **wrapped, **left})
    headings = {("heading", kind): book.add_format({"bold": True, **wrapped, **sides[kind]}) for kind in Kind}
    return {**plain, **bold, **headings, "fact": fact}


def _write_origin(book: Any, origin: Origin, formats: dict[Any, Any]) -> None:
    sheet = book.add_worksheet(origin.title)
    _set_page(sheet)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 70)
    for row, (name, value) in enumerate(origin.facts):
        sheet.write_string(row, 0, name, formats["heading", Kind.TEXT])
        _write_cell(sheet, row, 1, Kind.DATE, value, formats["fact"])


def _print_on_each_page(book: Any, origin: Origin) -> None:
    for sheet in book.worksheets():
        sheet.set_header(f"&L{_printed(origin.subject)}&R&A", {"scale_with_doc": False})
        sheet.set_footer(f"&L{_printed(origin.source)}&R&P / &N", {"scale_with_doc": False})


def _printed(text: str) -> str:
    """The text in a head or foot line of Excel, where an ampersand begins a code."""
    return text[:LONGEST_PRINTED].replace("&", "&&")


def _write_table(book: Any, table: Table, formats: dict[Any, Any]) -> None:
    totals, widths = (
        {number: 0 for number, column in enumerate(table.columns) if column.is_totalled},
        [_width(column) for column in table.columns],
    )
    sheet, names, at = None, 0, 0
    for row in table.rows:
        if sheet is None or at == MAX_ROWS - 1:
            names += 1
            sheet, at = _add_sheet(book, table, names, formats), 1
        _set_height(sheet, at, row, widths)
        for number, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
            _write_cell(sheet, at, number, column.kind, cell, formats[column.kind])
            if number in totals and isinstance(cell, int):
                totals[number] += cell
        at += 1
    if sheet is None:
        sheet, at = _add_sheet(book, table, 1, formats), 1
    if totals:
        _write_totals(sheet, at, table, totals, formats)
    for number, note in enumerate(table.notes, at + 2):
        _set_height(sheet, number, [note], [sum(widths)])
        sheet.merge_range(number, 0, number, len(widths) - 1, note, formats[Kind.TEXT])


def _add_sheet(book: Any, table: Table, number: int, formats: dict[Any, Any]) -> Any:
    suffix = f" {number}" if number > 1 else ""
    sheet = book.add_worksheet(table.title[: LONGEST_SHEET_NAME - len(suffix)] + suffix)
    _set_page(sheet)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    _set_height(sheet, 0, [column.heading for column in table.columns], [_width(column) / BOLD for column in table.columns])
    for at, column in enumerate(table.columns):
        sheet.set_column(at, at, _width(column))
        sheet.write_string(0, at, column.heading, formats["heading", column.kind])
    return sheet


def _set_page(sheet: Any) -> None:
    """Print all columns on one page of Letter paper."""
    sheet.set_paper(PAPER)
    sheet.set_landscape()
    sheet.set_margins(left=0.4, right=0.4)
    sheet.fit_to_pages(1, 0)


def _set_height(sheet: Any, row: int, cells: Sequence[Cell], widths: Sequence[float]) -> None:
    """Make the row as high as its longest text takes: not every program does so itself."""
    lines = max((_lines(cell, width) for cell, width in zip(cells, widths, strict=True) if isinstance(cell, str)), default=1)
    if lines > 1:
        sheet.set_row(row, lines * LINE_HEIGHT)


def _lines(text: str, width: float) -> int:
    """How many lines the text takes when it is broken between words."""
    return len(textwrap.wrap(text, max(1, int(width)))) if len(text) > width else 1


def _width(column: Column) -> float:
    """The width that shows each word of the heading, which is bold, in one line."""
    return max(column.width, BOLD * max(map(len, column.heading.split())) + 1)


def _write_cell(sheet: Any, row: int, column: int, kind: Kind, cell: Cell, style: Any) -> None:
    if isinstance(cell, str):
        sheet.write_string(row, column, cell, style)
    elif isinstance(cell, date):
        sheet.write_datetime(row, column, cell, style)
    elif cell is not None:
        # A sheet has no integer cents. The cell is exact to 15 digits.
        sheet.write_number(row, column, Decimal(cell).scaleb(-2) if kind is Kind.MONEY else cell, style)


def _write_totals(sheet: Any, row: int, table: Table, totals: dict[int, int], formats: dict[Any, Any]) -> None:
    """Sums of the whole table, as values: programs that do not calculate read them too."""
    for number, column in enumerate(table.columns):
        if number in totals:
            _write_cell(sheet, row, number, column.kind, totals[number], formats[column.kind, True])
        else:
            sheet.write_string(row, number, "" if number else table.total, formats[Kind.TEXT, True])
