"""Periods of whole days: calendar years, for donors' receipts, and the charity's fiscal years, for its returns (T3010, TP-985.22).

A fiscal year is named after the calendar year in which it ends. Its end is a month and a day, written `03-31`.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CALENDAR_YEAR_END = "12-31"
_END = re.compile(r"([0-9]{2})-([0-9]{2})")
_LEAP_YEAR = 2024


class InvalidYearEnd(ValueError):
    """The text is not a month and a day."""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days from `first_on` to `last_on`, both inclusive."""

    first_on: date
    last_on: date

    @property
    def year(self) -> int:
        """The calendar year in which it ends."""
        return self.last_on.year

    @property
    def until_its_end(self) -> "Period":
        """All days to its last one."""
        return Period(first_on=date.min, last_on=self.last_on)

    @property
    def before(self) -> "Period":
        """All days before its first one."""
        return Period(first_on=date.min, last_on=self.first_on - timedelta(days=1))

    def moments(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Its first moment and the first moment after it."""
        return datetime.combine(self.first_on, time.min, zone), datetime.combine(self.last_on + timedelta(days=1), time.min, zone)


def parse_year_end(text: str) -> str:
    """The end of a fiscal year as `MM-DD`. 29 February is the last day of February in each year. Raises InvalidYearEnd."""
    found = _END.fullmatch(text.strip())
    try:
        date(_LEAP_YEAR, *map(int, found.groups() if found else ("0", "0")))
    except ValueError:
        raise InvalidYearEnd(f"{text} is not a month and a day; write the last day of the fiscal year like 03-31.") from None
    return text.strip()


def fiscal_year(end: str, year: int) -> Period:
    """The fiscal year that ends in this calendar year."""
    return Period(first_on=_end_in(end, year - 1) + timedelta(days=1), last_on=_end_in(end, year))


def calendar_year(year: int) -> Period:
    """January 1 to December 31."""
    return fiscal_year(CALENDAR_YEAR_END, year)


def fiscal_year_of(end: str, day: date) -> int:
    """The calendar year in which the fiscal year of this day ends."""
    return day.year if day <= _end_in(end, day.year) else day.year + 1


def _end_in(end: str, year: int) -> date:
    month, day = map(int, end.split("-"))
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))
