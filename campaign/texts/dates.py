"""Days and moments in the words of a language. The first of a month is an ordinal in French: `1er janvier 2027`."""

from datetime import date, datetime
from functools import lru_cache
from typing import Literal

from babel import dates, units

from campaign.texts.catalogue import translator

Width = Literal["long", "medium"]
NO_BREAK = "\u00a0"


def format_day(day: date, language: str, width: Width = "long") -> str:
    """`January 1, 2027` or `1er janvier 2027`; the month is abbreviated when the width is medium."""
    return _words_of_day(day, language, width)


@lru_cache(maxsize=4096)  # A page may have a year of days several times.
def _words_of_day(day: date, language: str, width: Width) -> str:
    return _with_ordinal(dates.format_date(day, width, locale=language), day, language)


def format_day_of_year(day: date, language: str) -> str:
    """`March 31` or `31 mars`, of any year."""
    return _with_ordinal(dates.format_skeleton("MMMMd", day, locale=language), day, language)


def format_month(day: date, language: str) -> str:
    """`November 2026` or `novembre 2026`."""
    return dates.format_skeleton("yMMMM", day, locale=language)


def format_moment(moment: datetime, language: str, width: Width = "medium") -> str:
    """The day and time of a moment, in the time zone that it has."""
    return _with_ordinal(dates.format_datetime(moment, width, locale=language), moment, language)


def format_minute(moment: datetime, language: str, width: Width = "medium") -> str:
    """The day and time of a moment without seconds, for donors: `Jan 1, 2027, 2:32 p.m.` or `1er janv. 2027, 14 h 32`."""
    return f"{format_day(moment.date(), language, width)}, {format_time(moment, language)}"


def format_period(days: int, language: str) -> str:
    """`90 days`, or `2 years` for whole years of 365 days."""
    years, rest = divmod(days, 365)
    return units.format_unit(days if rest else years, "duration-day" if rest else "duration-year", locale=language)


def format_time(moment: datetime, language: str) -> str:
    """The time of day of a moment, in the time zone that it has: `2:32 p.m.` or `14 h 32`, on one line."""
    return dates.format_time(moment, "short", locale=f"{language}_CA").replace(" ", NO_BREAK)


def format_time_with_zone(moment: datetime, language: str) -> str:
    """As `format_time`, with the zone, for readers who may be in another one: `2:32 p.m. (EST)` or `14 h 32 (HNE)`."""
    zone = dates.get_timezone_name(moment, width="short", locale=f"{language}_CA")
    return f"{format_time(moment, language)}{NO_BREAK}({zone})"


def _with_ordinal(text: str, day: date, language: str) -> str:
    # The locale data has no ordinal for the first of the month, which French requires.
    return text.replace("1", translator(language).pgettext("first day of a month", "1"), 1) if day.day == 1 else text
