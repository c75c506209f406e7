"""Workbooks are sent while their rows are read, and open as what was in the table (campaign/reporting/workbooks.py)."""

import io
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from zipfile import ZipFile

import pytest

from campaign.reporting import workbooks
from campaign.reporting.spreadsheets import Cell, Column, Kind, Origin, Table
from tests.sheets import read_workbook

COLUMNS = (
    Column(heading="When", kind=Kind.DATE),
    Column(heading="Who"),
    Column(heading="Sum", kind=Kind.MONEY, is_totalled=True),
    Column(heading="Gifts", kind=Kind.COUNT, is_totalled=True),
)
ORIGIN = Origin(title="About", facts=[("Charity", "A & B"), ("Day", date(2026, 1, 2))], subject="A & B", source="staff@example.org")


def rows_of(count: int, *, read: list[int] | None = None) -> Iterator[list[Cell]]:
    for number in range(count):
        if read is not None:
            read.append(number)
        yield [date(2026, 1, 1 + number % 28), f"Donor {number}", -5 if number == 0 else number * 100, 1]


def table_of(count: int, **changed: object) -> Table:
    values = {"title": "Gifts", "columns": COLUMNS, "rows": rows_of(count), "total": "Total", **changed}
    return Table(**values)  # type: ignore[arg-type]


def test_the_first_rows_go_out_before_the_others_are_read() -> None:
    read: list[int] = []
    pieces = workbooks.workbook_pieces([table_of(5_000, rows=rows_of(5_000, read=read))], ORIGIN)
    assert next(pieces).startswith(b"PK")
    assert len(read) <= 1, "the first byte waits for no row"
    sent = next(pieces)
    assert 1 < len(read) <= workbooks.ROWS_IN_PIECE + 1
    assert max(map(len, (sent, *pieces))) < 200_000, "no piece has all rows"


def test_every_cell_is_as_in_the_table_and_totals_and_notes_follow_the_rows() -> None:
    typed = ["=1+1", "https://example.org", " in front", "a\nb", "a & <b>", "_x0041_", "\x0b", "", "élan 李", "x" * 40_000, None]
    rows: list[list[Cell]] = [[date(2026, 2, 3), cell, 12_34, None] for cell in typed]
    target = io.BytesIO()
    workbooks.write_xlsx(target, [table_of(0, rows=rows, notes=["A note.", "Another."]), table_of(0, title="None")], ORIGIN)
    sheets = read_workbook(target.getvalue())
    assert list(sheets) == ["About", "Gifts", "None"]
    gifts = sheets["Gifts"]
    shown = [row[1] for row in gifts[1 : len(typed) + 1]]
    assert shown[:5] == typed[:5]
    assert shown[5:8] == ["_x005F_x0041_", "_x000B_", ""], "as a workbook escapes what XML cannot carry"
    assert (shown[8], len(str(shown[9])), shown[10]) == ("élan 李", 32_767, None)
    assert gifts[len(typed) + 1][:3] == ["Total", "", Decimal("12.34") * len(typed)]
    assert [row[0] for row in gifts if row][-2:] == ["A note.", "Another."]
    assert sheets["None"] == [["When", "Who", "Sum", "Gifts"], ["Total", "", 0, 0]]


def test_a_table_that_is_too_long_for_a_sheet_goes_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_ROWS", 7)
    target = io.BytesIO()
    workbooks.write_xlsx(target, [table_of(9, notes=["A note."])])
    sheets = read_workbook(target.getvalue())
    assert {name: [row[1] for row in sheet[1:4]] for name, sheet in sheets.items()} == {
        "Gifts": ["Donor 0", "Donor 1", "Donor 2"],
        "Gifts 2": ["Donor 3", "Donor 4", "Donor 5"],
        "Gifts 3": ["Donor 6", "Donor 7", "Donor 8"],
    }
    assert sheets["Gifts 3"][4] == ["Total", "", Decimal("35.95"), 9], "of all sheets"


def test_a_sheet_of_too_many_bytes_goes_on_in_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_BYTES", 60_000)
    target = io.BytesIO()
    workbooks.write_xlsx(target, [table_of(1_000)])
    sheets = read_workbook(target.getvalue())
    assert len(sheets) > 2
    assert sum(len(sheet) - 1 for sheet in sheets.values()) == 1_001, "all rows, and the totals once"


def test_the_formats_of_rows_are_those_of_the_workbook() -> None:
    """The rows name formats by numbers that XlsxWriter gives out."""
    target = io.BytesIO()
    workbooks.write_xlsx(target, [table_of(1)], ORIGIN)
    with ZipFile(target) as archive:
        assert archive.testzip() is None
        styles, sheet = archive.read("xl/styles.xml").decode(), archive.read("xl/worksheets/sheet2.xml").decode()
    codes = dict(part.split('" formatCode="')[:2] for part in styles.split('numFmtId="')[1:] if '" formatCode="' in part)
    formats = [part.split('"')[0] for part in styles.split("<cellXfs")[1].split('<xf numFmtId="')[1:]]
    used = [int(part.split(' s="')[1].split('"')[0]) for part in sheet.split('<row r="2">')[1].split("<c ")[1:5]]
    assert [codes.get(formats[style], formats[style]).split('"')[0] for style in used] == ["yyyy-mm-dd", "@", "#,##0.00", "1"]
