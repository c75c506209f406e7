"""Moments as people write them, by the charity's clocks. What the clocks skip, or show twice, in a night of change is refused, not guessed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


class NotAMoment(ValueError):
    """The text is no day or moment, or no clock shows it, or shows it twice."""


def parse(text: str, zone: ZoneInfo) -> datetime:
    """`2026-12-31` is its first moment, `2026-12-31 17:30` that moment; a moment with an offset of its own is taken as it is."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotAMoment(f"{text} is no moment; write it like 2026-12-31 or 2026-12-31 17:30.") from None
    if moment.tzinfo is not None:
        return moment
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise NotAMoment(f"The clocks skip {text} that night; write the hour before or after.")
    if first.utcoffset() != second.utcoffset():
        raise NotAMoment(f"The clocks show {text} twice that night; write another hour, or the offset too, as in {first.isoformat()}.")
    return first


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first moment after a day, whatever the clocks do that night."""
    return datetime.combine(day + timedelta(days=1), time.min, zone)


def parse_end(text: str, zone: ZoneInfo) -> datetime:
    """As `parse`, but a day alone is taken to its end."""
    moment = parse(text, zone)
    return end_of_day(moment.date(), zone) if len(text.strip()) == len("2026-12-31") else moment
