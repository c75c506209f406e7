"""Periods of a funder's statement: a week, a month, a quarter, or everything up to the end of a day or up to a moment.

Each has a name, which is in its URL and in the name of its file: `2026-w48`, `2026-11`, `2026-q4`, `2026-11-28`, `2026-11-28T200211Z` in UTC.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from campaign.rules.local_time import EARLIEST_YEAR, LATEST_YEAR, InvalidLocalTime, parse_day
from campaign.rules.months import InvalidMonth, month_of, parse_month

MONTHS_OF_QUARTER = 3
_QUARTER = re.compile(r"([0-9]{4})-q([1-4])")
_WEEK = re.compile(r"([0-9]{4})-w([0-9]{2})")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}Z")
_MOMENT_FORMAT = "%Y-%m-%dT%H%M%SZ"


class InvalidPeriod(ValueError):
    """The text names no period."""


class PeriodKind(StrEnum):
    """What a period covers. A statement to a day or moment begins with the fund's first entry."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    TO_DAY = "to_day"
    TO_MOMENT = "to_moment"


@dataclass(frozen=True, kw_only=True)
class StatementPeriod:
    """A period by its name. `last_on` is its last day in the charity's time zone, `first_on` the first day of a month or quarter.

    `moment`, which is not in it any more, ends a period to a moment.
    """

    name: str
    kind: PeriodKind
    first_on: date | None = None
    last_on: date | None = None
    moment: datetime | None = None


def week(day: date) -> StatementPeriod:
    """The week of the day, from Monday to Sunday, by its number in ISO 8601."""
    year, number, weekday = day.isocalendar()
    first_on = day - timedelta(days=weekday - 1)
    name = f"{year:04}-w{number:02}"
    return StatementPeriod(name=name, kind=PeriodKind.WEEK, first_on=first_on, last_on=first_on + timedelta(days=6))


def month(day: date) -> StatementPeriod:
    """The month of the day."""
    found = month_of(day)
    return StatementPeriod(name=f"{day:%Y-%m}", kind=PeriodKind.MONTH, first_on=found.first_on, last_on=found.last_on)


def quarter(day: date) -> StatementPeriod:
    """The quarter of the day."""
    number = (day.month - 1) // MONTHS_OF_QUARTER + 1
    first_on = date(day.year, MONTHS_OF_QUARTER * (number - 1) + 1, 1)
    last_on = month_of(date(day.year, MONTHS_OF_QUARTER * number, 1)).last_on
    return StatementPeriod(name=f"{day.year:04}-q{number}", kind=PeriodKind.QUARTER, first_on=first_on, last_on=last_on)


def to_day(day: date) -> StatementPeriod:
    """Everything up to the end of the day."""
    return StatementPeriod(name=day.isoformat(), kind=PeriodKind.TO_DAY, last_on=day)


def to_moment(moment: datetime) -> StatementPeriod:
    """Everything before the moment, whose name is to the second."""
    return StatementPeriod(name=f"{moment.astimezone(UTC):{_MOMENT_FORMAT}}", kind=PeriodKind.TO_MOMENT, moment=moment)


def parse_period(name: str) -> StatementPeriod:
    """The period of this name. Raises InvalidPeriod."""
    with suppress(InvalidMonth):
        return month(parse_month(name))
    if (found := _QUARTER.fullmatch(name)) and EARLIEST_YEAR <= int(found[1]) <= LATEST_YEAR:
        return quarter(date(int(found[1]), MONTHS_OF_QUARTER * int(found[2]), 1))
    with suppress(ValueError):
        if (found := _WEEK.fullmatch(name)) and EARLIEST_YEAR <= int(found[1]) <= LATEST_YEAR:
            return week(date.fromisocalendar(int(found[1]), int(found[2]), 1))
    with suppress(ValueError):
        if _MOMENT.fullmatch(name):
            moment = datetime.strptime(name, _MOMENT_FORMAT).replace(tzinfo=UTC)
            if EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
                return to_moment(moment)
    with suppress(InvalidLocalTime):
        return to_day(parse_day(name))
    raise InvalidPeriod(f"{name} is not a period; write it like 2026-11, 2026-q4 or 2026-11-28.")


def periods_back(last: date, first: date) -> list[StatementPeriod]:
    """Each month and quarter from those of `last` back to those of `first`: a quarter, then its months."""
    found, day = list[StatementPeriod](), last
    while day >= first.replace(day=1):
        of_quarter, of_month = quarter(day), month(day)
        if not found or of_quarter.name not in {period.name for period in found[-MONTHS_OF_QUARTER:]}:
            found.append(of_quarter)
        found.append(of_month)
        day = month_of(day).first_on - timedelta(days=1)
    return found
