"""Rows of a sheet as XML (ECMA-376, part 1, section 18.3.1.73), and the widths and heights that show their texts whole."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from xlsxwriter.utility import xl_col_to_name

from campaign.reporting.spreadsheets import Cell, Column, Kind
from campaign.rules.money import format_decimal

LONGEST_CELL = 32_767
FIRST_DAY = date(1899, 12, 30)  # Day 0 of a sheet, for all days from March 1900.
LINE_HEIGHT, HIGHEST_ROW = 15, 409  # In points.
# How much wider bold text is than the digits that widths of columns are counted in.
BOLD = 1.15
# What XML cannot carry, and what a workbook would read as an escape.
ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{chr(n): f"_x{n:04X}_" for n in (*range(9), *range(11, 32), 0xFFFE, 0xFFFF)}}
)
LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")


def row_writer(columns: Sequence[Column], styles: Mapping[Kind, int]) -> Callable[[int, Sequence[Cell]], str]:
    """Return what writes a row with its number, counted from 1, as XML."""
    widths = [width_of(column) for column in columns]
    cells = [(column.kind, f'<c r="{xl_col_to_name(number)}', f'" s="{styles[column.kind]}"') for number, column in enumerate(columns)]

    def xml_of(number: int, row: Sequence[Cell]) -> str:
        height = height_of(row, widths)
        pieces = [f'<row r="{number}" ht="{height}" customHeight="1">' if height else f'<row r="{number}">']
        for (kind, begin, style), cell in zip(cells, row, strict=True):
            if isinstance(cell, str):
                pieces.append(f'{begin}{number}{style} t="inlineStr"><is><t xml:space="preserve">{_escaped(cell)}</t></is></c>')
            elif isinstance(cell, date):
                pieces.append(f"{begin}{number}{style}><v>{(cell - FIRST_DAY).days}</v></c>")
            elif cell is not None:
                pieces.append(f"{begin}{number}{style}><v>{format_decimal(cell) if kind is Kind.MONEY else cell}</v></c>")
        return "".join((*pieces, "</row>"))

    return xml_of


def _escaped(text: str) -> str:
    return LOOKS_ESCAPED.sub("_x005F_", text[:LONGEST_CELL]).translate(ESCAPES)


def height_of(cells: Sequence[Cell], widths: Sequence[float]) -> int:
    """The height that the longest text takes, 0 for one line: not every program finds it itself."""
    lines = max((_lines(cell, width) for cell, width in zip(cells, widths, strict=True) if isinstance(cell, str)), default=1)
    return min(lines * LINE_HEIGHT, HIGHEST_ROW) if lines > 1 else 0


def _lines(text: str, width: float) -> int:
    """How many lines the text takes when it is broken between words."""
    return len(textwrap.wrap(text, max(1, int(width)))) if len(text) > width else 1


def width_of(column: Column) -> float:
    """The width that shows each word of the heading, which is bold, in one line."""
    return max(column.width, BOLD * max(map(len, column.heading.split())) + 1)
