"""Files of spreadsheets, read as rows of text: UTF-8, UTF-16 as Excel's "Unicode text", Windows-1252 and Mac Roman, with any usual separator.

A file that is not text, is empty or has too many rows is refused with the reason. No cell is changed.
"""

import csv
import io
import re
import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from enum import StrEnum

MOST_BYTES = 5 * 1024 * 1024
MOST_ROWS = 3000
MOST_COLUMNS = 60
LONGEST_CELL = 2000
SEPARATORS = (",", ";", "\t")
# Of the old encodings of one byte a letter, those in which Excel writes: on Windows, and on a Mac as "CSV (Macintosh)".
OLD_ENCODINGS = ("cp1252", "mac_roman")
# Beside letters of ASCII, what French and English text contains.
_USUAL = frozenset("àâäæçéèêëîïôöœùûüÿñáíóúÀÂÄÆÇÉÈÊËÎÏÔÖŒÙÛÜŸÑÁÍÓÚ«»“”‘’–—…°€£\u00a0\u202f")
_WORD = re.compile(r"[^\W\d_]+")
# What a no-break space within an amount, or an apostrophe or quotation mark beside a letter, looks like in the other encoding.
_MARK_IN_WORD = re.compile(r"[^\W\d_][«»“”°£€][^\W\d_]|\d[À-ÿ]\d")
_BEGINS_FORMULA = frozenset("=+-@\u2212\t\r")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


class FileFlaw(StrEnum):
    """Why a file cannot be read."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    WORKBOOK = "workbook"
    NO_TEXT = "no_text"
    MIXED = "mixed"
    NO_ROWS = "no_rows"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_COLUMNS = "too_many_columns"
    LONG_CELL = "long_cell"
    OPEN_QUOTE = "open_quote"


class FileRefused(Exception):
    """The file cannot be read; `line` is where, 0 when it is nowhere in particular."""

    def __init__(self, flaw: FileFlaw, line: int = 0) -> None:
        super().__init__(flaw)
        self.flaw, self.line = flaw, line


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """One row, and the line of the file on which it begins, 1 for the first: the row of a spreadsheet when no cell has line ends."""

    line: int
    cells: list[str]


@dataclass(frozen=True, kw_only=True)
class ImportedFile:
    """The headings and the rows below them, without empty rows. Each row has as many cells as there are headings."""

    headings: list[str]
    rows: list[FileRow]


def read_file(content: bytes) -> ImportedFile:
    """Read the file. Raises FileRefused."""
    if len(content) > MOST_BYTES:
        raise FileRefused(FileFlaw.TOO_LARGE)
    if content.startswith((_ZIP, _OLE)):
        raise FileRefused(FileFlaw.WORKBOOK)
    rows = _rows(decode(content))
    if not rows:
        raise FileRefused(FileFlaw.EMPTY)
    width = max(len(row.cells) for row in rows)
    if width > MOST_COLUMNS:
        raise FileRefused(FileFlaw.TOO_MANY_COLUMNS)
    first, *rest = (FileRow(line=row.line, cells=row.cells + [""] * (width - len(row.cells))) for row in rows)
    if not rest:
        raise FileRefused(FileFlaw.NO_ROWS)
    return ImportedFile(headings=[heading.strip() for heading in first.cells], rows=rest)


def decode(content: bytes) -> str:
    """The text of the file, without a byte order mark. Raises FileRefused when it is none."""
    text = _decoded(content)
    if any(unicodedata.category(c) == "Cc" and c not in "\t\r\n\x0b\x0c" for c in text):
        raise FileRefused(FileFlaw.NO_TEXT)
    return text


def _decoded(content: bytes) -> str:
    try:
        if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            return content.decode("utf-16")
        if b"\0" in content[:2000]:  # UTF-16 without a mark: Latin letters have a zero byte each.
            return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")
    except UnicodeDecodeError:
        raise FileRefused(FileFlaw.NO_TEXT) from None
    try:
        return content.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        # Letters of UTF-8 beside bytes that are none: what an old encoding would make of them is no name.
        if any(c in _USUAL for c in content.decode("utf-8", errors="ignore")):
            raise FileRefused(FileFlaw.MIXED) from None
        return _decoded_as_old(content)


def _decoded_as_old(content: bytes) -> str:
    """In the old encoding in which fewer letters are strange. Detectors of encodings guess from long texts; a list of names has few accents."""
    texts = [content.decode(encoding, errors="replace") for encoding in OLD_ENCODINGS]
    return min(texts, key=_strange_letters)


def _strange_letters(text: str) -> int:
    """How many words with accents have characters that are none of French or English, or mix small letters and capitals, as JosÈ and FORæT do."""
    words = {word for word in _WORD.findall(text) if not word.isascii()}
    strange = sum(not c.isascii() and c not in _USUAL for c in text)
    return strange + sum(not (word.islower() or word.isupper() or word.istitle()) for word in words) + len(_MARK_IN_WORD.findall(text))


def _rows(text: str) -> list[FileRow]:
    """The rows that are not empty."""
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, line = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not (line == 1 and _names_separator(cells)):
                rows.append(FileRow(line=line, cells=[_as_typed(cell) for cell in cells]))
            if any(len(cell) > LONGEST_CELL for cell in cells):
                raise FileRefused(FileFlaw.LONG_CELL, line)
            if len(rows) > MOST_ROWS + 1:
                raise FileRefused(FileFlaw.TOO_MANY_ROWS)
            line = reader.line_num + 1
    except csv.Error:
        raise FileRefused(FileFlaw.OPEN_QUOTE, line) from None
    return rows


def _as_typed(cell: str) -> str:
    """Without the apostrophe with which spreadsheets, and our own CSV, keep a text from being a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _BEGINS_FORMULA else cell


def _names_separator(cells: list[str]) -> bool:
    """Whether this is the line `sep=;` with which some programs begin, for Excel."""
    return cells[0].lower().startswith("sep=")


def _separator(text: str) -> str:
    """The separator of the headings; where they have several, the one of which they have the most. Quoted text does not count."""
    lines = [line for line in text.splitlines() if line.strip()][:1]
    if lines and lines[0].lower().startswith("sep=") and lines[0][4:5] in SEPARATORS:
        return lines[0][4:5]
    outside = "".join(lines[0].split('"')[::2]) if lines else ""
    return max(SEPARATORS, key=outside.count)
