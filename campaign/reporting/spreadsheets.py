"""Tables that staff and funders export, and CSV as the Excel of each language opens it. Workbooks are written by workbooks.py.

French CSV has semicolons and decimal commas, as the list separator and decimal sign of Canadian French are; English has commas and points. No
text that people entered can be taken for a formula. A workbook begins with what it is of; a CSV says so in its name alone.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto

from campaign.rules.money import DECIMAL_SIGNS, format_decimal

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SEPARATORS = {"en": ",", "fr": ";"}
# What a formula begins with, also as wide or small characters, which are these in Unicode's compatibility form, and as a minus sign.
BEGINS_FORMULA = frozenset("=+-@\u2212")
# What programs drop or do not show at the beginning of a cell: spaces of any width, controls, and marks such as a byte order mark.
UNSEEN = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


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
