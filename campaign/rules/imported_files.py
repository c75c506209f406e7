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
# The first bytes of files that are no text with columns, even where all their bytes are those of text.
_WORKBOOKS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<table", b"<svg", b"{\\rtf")


class FileFlaw(StrEnum):
    """Why a file cannot be read."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    WORKBOOK = "workbook"
    PDF = "pdf"
    PICTURE = "picture"
    MARKUP = "markup"
    NO_TEXT = "no_text"
    MIXED = "mixed"
    NO_ROWS = "no_rows"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_COLUMNS = "too_many_columns"
    LONG_CELL = "long_cell"
    OPEN_QUOTE = "open_quote"


class FileRefused(Exception):
    """The file cannot be read; `row` is where, 0 when it is nowhere in particular."""

    def __init__(self, flaw: FileFlaw, row: int = 0) -> None:
        super().__init__(flaw)
        self.flaw, self.row = flaw, row


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """One row, and its number as a spreadsheet shows it, 1 for the first: a cell may have several lines."""

    number: int
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
    if flaw := _flaw_of_kind(content):
        raise FileRefused(flaw)
    rows = _rows(decode(content))
    if not rows:
        raise FileRefused(FileFlaw.EMPTY)
    width = max(len(row.cells) for row in rows)
    if width > MOST_COLUMNS:
        raise FileRefused(FileFlaw.TOO_MANY_COLUMNS)
    first, *rest = (FileRow(number=row.number, cells=row.cells + [""] * (width - len(row.cells))) for row in rows)
    if not rest:
        raise FileRefused(FileFlaw.NO_ROWS)
    return ImportedFile(headings=[heading.strip() for heading in first.cells], rows=rest)


def _flaw_of_kind(content: bytes) -> FileFlaw | None:
    """What a file is by its first bytes, when that is no text with columns."""
    if content.startswith(_WORKBOOKS):
        return FileFlaw.WORKBOOK
    if content.startswith(_PICTURES) or (content[:4], content[8:12]) == (b"RIFF", b"WEBP"):
        return FileFlaw.PICTURE
    begin = content[:200].removeprefix(BOM_UTF8).lstrip().lower()
    if begin.startswith(b"%pdf-"):
        return FileFlaw.PDF
    return FileFlaw.MARKUP if begin.startswith(_MARKUP) else None


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
    """The rows that are not empty, numbered as a spreadsheet shows them: it has empty rows, and no row for the line that names the separator."""
    separator = _separator(text)
    # What people once formatted below their rows are empty rows, hundreds of thousands of them.
    reader = csv.reader(io.StringIO(text.rstrip(f"{separator} \t\r\n"), newline=""), delimiter=separator, strict=True)
    rows, number = [], 0
    try:
        for cells in reader:
            number += 1
            if not any(cells) or not any(cell.strip() for cell in cells):
                continue
            if number == 1 and _names_separator(cells):
                number = 0
                continue
            if any(len(cell) > LONGEST_CELL for cell in cells):
                raise FileRefused(FileFlaw.LONG_CELL, number)
            rows.append(FileRow(number=number, cells=[_as_typed(cell) for cell in cells]))
            if len(rows) > MOST_ROWS + 1:
                raise FileRefused(FileFlaw.TOO_MANY_ROWS)
    except csv.Error:
        raise FileRefused(FileFlaw.OPEN_QUOTE, number + 1) from None
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
