"""Dates and times as people write them, in the charity's time zone. A time that the clocks skip or repeat is refused, not guessed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


class InvalidLocalTime(ValueError):
    """The text is not a date or time, or daylight saving skips or repeats that time."""


def parse(text: str, zone: ZoneInfo) -> datetime:
    """The moment that the text names. A date is its first moment; a time with a UTC offset is not converted. Raises InvalidLocalTime."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidLocalTime(f"{text} is not a date or time; write it like 2026-12-31 or 2026-12-31 17:30.") from None
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


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of the next day, also in a night when the clocks change."""
    return datetime.combine(day + timedelta(days=1), time.min, zone)


def parse_end(text: str, zone: ZoneInfo) -> datetime:
    """As `parse`, but a date without a time means the end of that day."""
    moment = parse(text, zone)
    return end_of_day(moment.date(), zone) if len(text.strip()) == len("2026-12-31") else moment
