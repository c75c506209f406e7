"""Dates and times as people write them, in the charity's time zone. A time that the clocks skip or repeat is refused, not guessed.

A day is written YYYY-MM-DD and in no other way, wherever it is typed; the standard library also reads 20261231 and 2026-W53-4.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

# Days before and after cannot be meant, and the last ones of the calendar have no next day.
EARLIEST_YEAR, LATEST_YEAR = 1900, 2999
_DAY_LENGTH = len("2026-12-31")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(_DAY.pattern + r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?")


class InvalidLocalTime(ValueError):
    """The text is not a date or time, or daylight saving skips or repeats that time."""


def parse_day(text: str) -> date:
    """The day that the text names. Raises InvalidLocalTime."""
    if _DAY.fullmatch(text.strip()):
        with suppress(ValueError):
            day = date.fromisoformat(text.strip())
            if EARLIEST_YEAR <= day.year <= LATEST_YEAR:
                return day
    raise InvalidLocalTime(f"{text} is not a day; write it like 2026-12-31.")


def parse(text: str, zone: ZoneInfo) -> datetime:
    """The moment that the text names. A date is its first moment; a time with a UTC offset is not converted. Raises InvalidLocalTime."""
    moment = _moment(text.strip())
    if moment.tzinfo is not None:
        return moment
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise InvalidLocalTime(f"The clocks skip {text} that night; write an hour earlier or later.")
    if first.utcoffset() != second.utcoffset():
        raise InvalidLocalTime(
            f"The clocks show {text} twice that night; write another hour, or add the UTC offset, as in {first.isoformat()}."
        )
    return first


def _moment(text: str) -> datetime:
    with suppress(ValueError):
        day = parse_day(text[:_DAY_LENGTH])
        if len(text) == _DAY_LENGTH:
            return datetime.combine(day, time.min)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    raise InvalidLocalTime(f"{text} is not a date or time; write it like 2026-12-31 or 2026-12-31 17:30.")


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of the next day, also in a night when the clocks change."""
    return datetime.combine(day + timedelta(days=1), time.min, zone)


def parse_end(text: str, zone: ZoneInfo) -> datetime:
    """As `parse`, but a date without a time means the end of that day."""
    moment = parse(text, zone)
    return end_of_day(moment.date(), zone) if len(text.strip()) == _DAY_LENGTH else moment
