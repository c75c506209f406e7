"""Workbooks (XLSX) with dates, amounts and totals, which are sent while their rows are read.

XlsxWriter writes everything but the rows: a workbook of headings, totals and notes. The rows are put into its sheets as they are read, so that the
first of a million goes out at once and memory use is constant. No text that people entered can be taken for a formula or a link.
"""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import xlsxwriter

from campaign.reporting.spreadsheets import Cell, Kind, Origin, Table
from campaign.reporting.workbook_rows import BOLD, height_of, row_writer, width_of

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FORMATS = {Kind.TEXT: "@", Kind.DATE: "yyyy-mm-dd", Kind.MONEY: "#,##0.00", Kind.COUNT: "0"}
# Of a worksheet, headings, totals and notes included. A longer table goes on in another sheet, and so does one of more bytes of XML: a part of two
# gigabytes would need an extension of the archive that Excel repairs with a warning.
MAX_ROWS, MAX_BYTES = 1_048_576, 2**30
LONGEST_SHEET_NAME = 31
# Of each part of a printed head or foot line. Excel takes 255 characters for all parts.
LONGEST_PRINTED = 110
# Of what is read of a part and does not say when it was made.
FIRST_MOMENT = datetime(1980, 1, 1, tzinfo=UTC)
PAPER = 1  # US Letter, the paper of Canada.
ROWS_IN_PIECE = 200
COMPRESSION = 1  # Higher levels make the file a fifth smaller in twice the time.
# The same parts in every workbook: a reader that names a file by its beginning finds them there.
FIRST_PARTS = ("_rels/.rels", "xl/styles.xml")
SHEET_DATA = re.compile(r"(?P<head>.*<sheetData>\s*<row .*?</row>)(?P<tail>.*)", re.DOTALL)
DIMENSION = re.compile(r"<dimension [^>]*/>")


@dataclass
class _Sheet:
    """One of the sheets of a table: what is above and below its `rows`. Totals and notes are below the last one alone."""

    table: Table
    number: int
    rows: int = 0
    totals: dict[int, int] = field(default_factory=dict)
    is_last: bool = False


def write_xlsx(target: IO[bytes], tables: Sequence[Table], origin: Origin | None = None) -> None:
    """Write a workbook with a sheet for each table."""
    for piece in workbook_pieces(tables, origin):
        target.write(piece)


def workbook_pieces(tables: Sequence[Table], origin: Origin | None = None, *, at: datetime | None = None) -> Iterator[bytes]:
    """Yield a workbook with a sheet for each table, and first one of what it is of, in pieces, while the rows are read.

    The same tables, origin and moment `at`, of which the workbook says that it was made then, give the same bytes.
    """
    sink, sheets = _Sink(), list[_Sheet]()
    created_at = (at or datetime.now(UTC)).astimezone(UTC)
    with _Archive(sink, created_at) as archive:
        parts = _parts_without_rows([_Sheet(tables[0], 1)], origin, created_at)
        for name in FIRST_PARTS:
            archive.add(name, parts[name])
        yield sink.take()
        for table in tables:
            yield from _table_pieces(archive, sink, sheets, table, origin)
        parts = _parts_without_rows(sheets, origin, created_at)
        finished = {*FIRST_PARTS, *(_part_of(number, origin) for number in range(len(sheets)))}
        for name in [name for name in parts if name not in finished]:
            archive.add(name, parts[name])
    yield sink.take()


def _table_pieces(archive: "_Archive", sink: "_Sink", sheets: list[_Sheet], table: Table, origin: Origin | None) -> Iterator[bytes]:
    rows, xml_of = iter(table.rows), row_writer(table.columns, _styles())
    totals = {number: 0 for number, column in enumerate(table.columns) if column.is_totalled}
    last, number, row = MAX_ROWS - 3 - len(table.notes), 0, next(rows, None)
    while row or not number:
        number += 1
        sheets.append(sheet := _Sheet(table, number))
        with archive.open_part(_part_of(len(sheets) - 1, origin)) as part:
            part.write(_around_rows(sheets, origin)[0])
            size = 0
            while row and sheet.rows < last and size < MAX_BYTES:
                lines: list[str] = []
                while row and sheet.rows < last and len(lines) < ROWS_IN_PIECE:
                    sheet.rows += 1
                    lines.append(xml_of(sheet.rows + 1, row))
                    for at in totals:
                        totals[at] += row[at] or 0  # type: ignore[operator]  # a total is of amounts or counts
                    row = next(rows, None)
                size += part.write("".join(lines).encode())
                yield sink.take()
            sheet.totals, sheet.is_last = totals, row is None
            part.write(_around_rows(sheets, origin)[1])
        yield sink.take()


class _Sink(io.RawIOBase):
    """Where the archive is written, and taken from in pieces. It cannot go back: the sizes of parts follow them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class _Archive(ZipFile):
    """The archive, whose parts are all of one moment."""

    def __init__(self, target: "_Sink", created_at: datetime) -> None:
        super().__init__(target, "w", ZIP_DEFLATED, compresslevel=COMPRESSION)
        self._created_at = created_at

    def open_part(self, name: str) -> IO[bytes]:
        """A part to write."""
        part = ZipInfo(name, date_time=self._created_at.timetuple()[:6])
        part.compress_type, part._compresslevel = ZIP_DEFLATED, COMPRESSION  # type: ignore[attr-defined]  # noqa: SLF001  # public from Python 3.13 on
        return self.open(part, "w")

    def add(self, name: str, content: bytes) -> None:
        """Add a whole part."""
        with self.open_part(name) as part:
            part.write(content)


def _part_of(sheet: int, origin: Origin | None) -> str:
    """The name of the part with this sheet of a table, counted from 0; the sheet of what the workbook is of comes before them."""
    return f"xl/worksheets/sheet{sheet + (2 if origin else 1)}.xml"


def _around_rows(sheets: Sequence[_Sheet], origin: Origin | None) -> tuple[bytes, bytes]:
    """What is above and below the rows of the last sheet."""
    xml = _parts_without_rows(sheets, origin, FIRST_MOMENT)[_part_of(len(sheets) - 1, origin)].decode()
    found = SHEET_DATA.fullmatch(DIMENSION.sub("", xml))  # The dimension would be that of a sheet without rows. It is optional.
    assert found
    return found["head"].encode(), found["tail"].encode()


def _parts_without_rows(sheets: Sequence[_Sheet], origin: Origin | None, created_at: datetime) -> dict[str, bytes]:
    """The parts of a workbook whose sheets have everything but their rows, for which they have space."""
    target = io.BytesIO()
    # Without constant memory, texts of all sheets would be in one table at the end.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"created": created_at})
        formats = _formats(book)
        if origin:
            _write_origin(book, origin, formats)
        for sheet in sheets:
            _write_around_rows(book, sheet, formats)
        if origin:
            _print_on_each_page(book, origin)
    with ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _styles() -> dict[Kind, int]:
    """The numbers of the formats of cells, which are the same in each workbook."""
    with xlsxwriter.Workbook(io.BytesIO()) as book:
        book.add_worksheet()
        formats = _formats(book)
        return {kind: formats[kind]._get_xf_index() for kind in Kind}  # noqa: SLF001  # nothing public tells it


def _formats(book: Any) -> dict[Any, Any]:
    # A number is at the right of its column, so that a text or a date beside it begins at a distance.
    wrapped, left, right = {"text_wrap": True, "valign": "top"}, {"align": "left", "indent": 1}, {"align": "right"}
    sides = {kind: right if kind in {Kind.MONEY, Kind.COUNT} else left for kind in Kind}
    plain = {kind: book.add_format({"num_format": number, **wrapped, **sides[kind]}) for kind, number in FORMATS.items()}
    bold = {(kind, True): book.add_format({"num_format": number, "bold": True, "top": 1}) for kind, number in FORMATS.items()}
    fact = book.add_format({"num_format": FORMATS[Kind.DATE], **wrapped, **left})
    headings = {("heading", kind): book.add_format({"bold": True, **wrapped, **sides[kind]}) for kind in Kind}
    formats: dict[Any, Any] = {**plain, **bold, **headings, "fact": fact}
    for style in formats.values():
        style._get_xf_index()  # noqa: SLF001  # Numbers them now, and not in the order of their first use.
    return formats


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


def _write_around_rows(book: Any, sheet: _Sheet, formats: dict[Any, Any]) -> None:
    table, widths = sheet.table, [width_of(column) for column in sheet.table.columns]
    added = _add_sheet(book, table, sheet.number, formats)
    if not sheet.is_last:
        return
    at = sheet.rows + 1
    if sheet.totals:
        _write_totals(added, at, table, sheet.totals, formats)
    for number, note in enumerate(table.notes, at + 2):
        _set_height(added, number, [note], [sum(widths)])
        added.merge_range(number, 0, number, len(widths) - 1, note, formats[Kind.TEXT])


def _add_sheet(book: Any, table: Table, number: int, formats: dict[Any, Any]) -> Any:
    suffix = f" {number}" if number > 1 else ""
    sheet = book.add_worksheet(table.title[: LONGEST_SHEET_NAME - len(suffix)] + suffix)
    _set_page(sheet)
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    _set_height(sheet, 0, [column.heading for column in table.columns], [width_of(column) / BOLD for column in table.columns])
    for at, column in enumerate(table.columns):
        sheet.set_column(at, at, width_of(column))
        sheet.write_string(0, at, column.heading, formats["heading", column.kind])
    return sheet


def _set_page(sheet: Any) -> None:
    """Print all columns on one page of Letter paper."""
    sheet.set_paper(PAPER)
    sheet.set_landscape()
    sheet.set_margins(left=0.4, right=0.4)
    sheet.fit_to_pages(1, 0)


def _set_height(sheet: Any, row: int, cells: Sequence[Cell], widths: Sequence[float]) -> None:
    if height := height_of(cells, widths):
        sheet.set_row(row, height)


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
