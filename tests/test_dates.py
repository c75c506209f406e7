"""Days and moments in words: each page and email has them from one place, where the first of a month is an ordinal in French."""

import contextlib
import re
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from campaign.rules import local_time
from campaign.rules.local_time import InvalidLocalTime
from campaign.texts.dates import format_day, format_moment
from tools.architecture import source_files

# A format by name, which has the words of a language; `yyyy-MM-dd` has none.
NAMED_FORMAT = re.compile(r"format_(?:date|datetime)\([^\n]*[\"'](?:full|long|medium|short)[\"']|\|\s*(?:date|datetime)format")


@pytest.mark.parametrize(("width", "words"), [("long", "1er janvier 2027"), ("medium", "1er janv. 2027")])
def test_the_first_of_a_month_is_an_ordinal_in_french(width: str, words: str) -> None:
    assert format_day(date(2027, 1, 1), "fr", width) == words  # type: ignore[arg-type]  # a literal by parameter
    moment = format_moment(datetime(2027, 1, 1, 11, 1, 1, tzinfo=UTC), "fr", width)  # type: ignore[arg-type]
    assert moment.startswith(f"{words}, 11:01:01")


def test_other_days_and_english_have_none() -> None:
    days = [date(2027, 1, n) for n in range(2, 32)]
    assert [d for d in days if format_day(d, "fr") != f"{d.day} janvier 2027"] == []
    assert [format_day(date(2027, 11, 1), "en"), format_day(date(2027, 11, 11), "en")] == ["November 1, 2027", "November 11, 2027"]
    assert "1er" not in format_moment(datetime(2027, 11, 11, 1, 1, tzinfo=UTC), "fr")


def test_no_test_takes_the_day_of_utc_for_that_of_the_charity() -> None:
    """Such a test fails for some hours of a day or a year: `factories.today()` is the day of the first charity."""
    pattern = re.compile(r"now\(UTC\)\.(?:year|month|date\(\))|date\.today\(\)")
    assert pattern.search("datetime.now(UTC)" + ".year"), "the pattern finds what it is meant to find"
    found = [path.name for path in Path(__file__).parent.glob("*.py") if pattern.search(path.read_text())]
    assert found == []


NO_DAYS = (
    "20261128", "2026-W48-6", "2026W486", "2026-11-28T00:00", "2026-11-28 00:00", "2026-11", "2026-1-2", "28-11-2026", "2026-02-30", "2026-11-28Z",
    "\u0662\u0660\u0662\u0666-11-28", "0001-01-01", "9999-12-31", "1899-12-31", "3000-01-01", "today", "",
)  # fmt: skip


def test_a_day_is_written_in_one_way() -> None:
    assert (local_time.parse_day(" 2026-11-28 "), local_time.parse_day("2028-02-29")) == (date(2026, 11, 28), date(2028, 2, 29))
    for typed in NO_DAYS:
        with pytest.raises(InvalidLocalTime, match="is not a day; write it like 2026-12-31"):
            local_time.parse_day(typed)
    for typed in {*NO_DAYS, "2026-11-28T9:30", "20261128T0930", "2026-W48-6T09:30", "2026-11-28 09"} - {
        "2026-11-28T00:00",
        "2026-11-28 00:00",
    }:
        with pytest.raises(InvalidLocalTime, match="is not a date or time"):
            local_time.parse_end(typed, ZoneInfo("America/Toronto"))
    accepted = [typed for typed in NO_DAYS if _reads(typed)]
    assert accepted[:3] == ["20261128", "2026-W48-6", "2026W486"], "the control: the standard library reads these"


def _reads(typed: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(date.fromisoformat(typed))
    return False


# What we stored ourselves is read by these.
READS_ISO = {
    *(
        "local_time.py",
        "receipt_register.py",
        "receipt_requirements.py",
        "integrity_checks.py",
        "charity_details.py",
        "call_render_jobs.py",
    ),
    "statement_periods.py",  # The names of weeks and moments, each of one form.
}


def test_no_other_module_reads_a_typed_day() -> None:
    found = {path.name for path in source_files() if re.search(r"fromiso(format|calendar)|strptime", path.read_text())}
    assert found == READS_ISO


def test_no_other_module_writes_a_day_in_words() -> None:
    assert NAMED_FORMAT.search('str(format_date(day, "long"))'), "the pattern finds what it is meant to find"
    found = [path.name for path in source_files() if NAMED_FORMAT.search(path.read_text())]
    assert found == []
