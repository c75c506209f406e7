"""Calendar months, written 2026-11, as whole days."""

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta

from campaign.rules.fiscal_years import Period
from campaign.rules.local_time import EARLIEST_YEAR, LATEST_YEAR

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class InvalidMonth(ValueError):
    """The text is not a month."""


def parse_month(text: str) -> date:
    """The first day of the month that the text names. Raises InvalidMonth."""
    found = _MONTH.fullmatch(text)
    if not found or not EARLIEST_YEAR <= int(found[1]) <= LATEST_YEAR:
        raise InvalidMonth(f"{text} is not a month; write it like 2026-11.")
    return date(int(found[1]), int(found[2]), 1)


def month_of(day: date) -> Period:
    """The month of the day."""
    return Period(first_on=day.replace(day=1), last_on=day.replace(day=calendar.monthrange(day.year, day.month)[1]))


def month_before(day: date) -> Period:
    """The month before that of the day."""
    return month_of(day.replace(day=1) - timedelta(days=1))


def months_back(last: date, first: date) -> Iterator[date]:
    """Yield the first day of each month from that of `last` back to that of `first`."""
    month = month_of(last)
    while month.last_on >= first:
        yield month.first_on
        month = month_before(month.first_on)
