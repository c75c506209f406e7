"""Bars of days for a chart: sums in, places on a drawing out. The same figures are a table beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

# The drawing's own units; it is scaled to the page.
WIDTH = 7200
HEIGHT = 2000
# Of a bar and the gap after it, the bar's share.
_BAR_PERCENT = 78
_QUARTERS = (4, 8, 10, 20, 40)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One colored part of a bar."""

    y: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar, its parts from the bottom up."""

    x: int
    width: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """All bars, and the sum at the top of the drawing."""

    bars: tuple[Bar, ...]
    top_cents: int


def stack_bars(sums: Sequence[Sequence[int]]) -> BarChart:
    """A bar for each group of sums, in cents, stacked in their order. A sum below zero has no height."""
    top = round_up(max((sum(max(0, cents) for cents in group) for group in sums), default=0))
    step = WIDTH // max(1, len(sums))
    bars = []
    for number, group in enumerate(sums):
        bottom, parts = HEIGHT, []
        for cents in group:
            height = max(0, cents) * HEIGHT // top
            bottom -= height
            parts.append(Part(y=bottom, height=height))
        bars.append(Bar(x=number * step, width=step * _BAR_PERCENT // 100, parts=tuple(parts)))
    return BarChart(bars=tuple(bars), top_cents=top)


def round_up(cents: int) -> int:
    """The next round sum: $1, $2, $2.50, $5 or $10 times a power of ten, at least $10."""
    power = 10_00
    while True:
        for quarters in _QUARTERS:
            if cents <= quarters * power // 4:
                return quarters * power // 4
        power *= 10
