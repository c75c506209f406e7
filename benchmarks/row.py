"""A row of the table of benchmarks."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """A measurement and the baseline (`floor`) that it is compared with, from the same run."""

    name: str
    target: str
    figure: str
    floor: str
    ratio: float
    reached: bool


def print_row(row: Row) -> Row:
    """Print the row as a line of the table, and return it."""
    verdict = "reached" if row.reached else "NOT REACHED"
    print(f"{row.name:<18} {row.figure:<74} floor {row.floor:<8} ratio {row.ratio:4.2f}  target {row.target}  {verdict}", flush=True)
    return row
