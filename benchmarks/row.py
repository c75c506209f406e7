"""A line of the table."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured, beside what it is measured against in the same run."""

    name: str
    aim: str
    figure: str
    floor: str
    ratio: float
    reached: bool
