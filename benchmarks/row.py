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
