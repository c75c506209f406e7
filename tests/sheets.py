"""Spreadsheets as a spreadsheet program reads them: the cells of XLSX workbooks with their types, and CSV by the conventions of a language."""

import csv
import io
import re
import zipfile
from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree as ET

X = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

Cell = str | date | Decimal | None


def read_workbook(workbook: bytes) -> dict[str, list[list[Cell]]]:
    """The rows of each sheet by its name. A number with a date format is a date."""
    book = zipfile.ZipFile(io.BytesIO(workbook))
    names = [sheet.attrib["name"] for sheet in ET.fromstring(book.read("xl/workbook.xml")).iter(f"{X}sheet")]
    styles = ET.fromstring(book.read("xl/styles.xml"))
    formats = {found.attrib["numFmtId"]: found.attrib["formatCode"] for found in styles.iter(f"{X}numFmt")}
    cells = styles.find(f"{X}cellXfs")
    assert cells is not None
    is_date = ["yy" in formats.get(found.attrib["numFmtId"], "") for found in cells]
    return {name: _rows(book.read(f"xl/worksheets/sheet{number}.xml"), is_date) for number, name in enumerate(names, 1)}


def _rows(sheet: bytes, is_date: list[bool]) -> list[list[Cell]]:
    rows = []
    for row in ET.fromstring(sheet).iter(f"{X}row"):
        cells: dict[int, Cell] = {_column(cell.attrib["r"]): _value(cell, is_date) for cell in row}
        rows.append([cells.get(number) for number in range(max(cells, default=-1) + 1)])
    return rows


def _column(reference: str) -> int:
    letters = re.sub("[0-9]", "", reference)
    number = 0
    for character in letters:
        number = number * 26 + ord(character) - ord("A") + 1
    return number - 1


def _value(cell: ET.Element, is_date: list[bool]) -> Cell:
    if cell.attrib.get("t") == "inlineStr":
        return "".join(cell.itertext())
    if not (text := "".join(cell.itertext())):
        return None
    number = Decimal(text)
    return date(1899, 12, 30) + timedelta(days=int(number)) if is_date[int(cell.attrib.get("s", 0))] else number


def read_csv(file: bytes, *, separator: str) -> list[list[str]]:
    """The cells of a CSV file, by the list separator of the program's language."""
    assert file.startswith("\ufeff".encode()), "without a byte order mark Excel reads another encoding"
    return list(csv.reader(io.StringIO(file.decode("utf-8-sig")), delimiter=separator))
