"""When reports to funders are due: each period that ended while it was chosen, once, whatever the clock did meanwhile."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies

from campaign.rules.report_schedule import Choice, Milestone, ReportKind, due_periods, reached_part
from campaign.rules.statement_periods import parse_period, week

TORONTO = ZoneInfo("America/Toronto")
WEEKLY, MONTHLY, QUARTERLY = ReportKind.WEEKLY, ReportKind.MONTHLY, ReportKind.QUARTERLY
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TORONTO)


def due(kind: ReportKind, now: str, *choices: Choice, first: str = "2026-10-05", last: str | None = None) -> list[str]:
    chosen = choices or (Choice(at=LONG_AGO, kinds=frozenset({kind})),)
    end = date.fromisoformat(last) if last else None
    return [one.name for one in due_periods(kind, chosen, first_on=date.fromisoformat(first), last_on=end, now=local(now))]


def test_a_period_is_due_in_the_morning_after_it_and_from_then_on() -> None:
    assert due(MONTHLY, "2026-11-01T07:59") == []
    assert due(MONTHLY, "2026-11-01T08:00") == ["2026-10"]
    assert due(MONTHLY, "2026-12-13T23:59") == ["2026-10", "2026-11"], "of a month of outage, each"
    assert due(WEEKLY, "2026-10-26T08:00") == ["2026-w41", "2026-w42", "2026-w43"]
    assert due(QUARTERLY, "2027-01-01T08:00") == ["2026-q4"]
    assert due(MONTHLY, "2027-08-20T08:00", first="2026-10-05")[0] == "2027-02", "what ended long ago is not sent any more"


def test_what_was_chosen_when_the_period_ended_decides() -> None:
    monthly, none = frozenset({MONTHLY}), frozenset[ReportKind]()
    middle = local("2026-11-15T12:00")
    later = local("2026-12-01T12:00")
    assert due(MONTHLY, "2027-01-02T09:00", Choice(at=middle, kinds=monthly)) == ["2026-11", "2026-12"]
    paused = (Choice(at=LONG_AGO, kinds=monthly), Choice(at=middle, kinds=none), Choice(at=later, kinds=monthly))
    assert due(MONTHLY, "2027-01-02T09:00", *paused) == ["2026-10", "2026-12"], "November ended while it was paused"
    assert due(WEEKLY, "2027-01-02T09:00", *paused) == []


def test_the_report_of_the_period_in_which_a_fund_ends_is_the_last() -> None:
    assert due(MONTHLY, "2027-03-01T09:00", last="2026-12-31") == ["2026-10", "2026-11", "2026-12"]
    assert due(MONTHLY, "2027-03-01T09:00", first="2026-12-02", last="2027-01-01") == ["2026-12", "2027-01"]


@given(
    strategies.dates(date(2020, 1, 1), date(2035, 1, 1)),
    strategies.lists(strategies.integers(1, 2000), max_size=30),
    strategies.sampled_from([WEEKLY, MONTHLY, QUARTERLY]),
)
def test_whenever_it_is_asked_each_period_is_found_once_in_its_order(first: date, hours: list[int], kind: ReportKind) -> None:
    """Runs at any intervals under the time that is looked back, the last of them long after: together they find what the calendar has."""
    choices, now, found = (
        [Choice(at=LONG_AGO.replace(year=2019), kinds=frozenset({kind}))],
        datetime.combine(first, datetime.min.time(), TORONTO),
        dict[str, None](),
    )
    for step in hours:
        now += timedelta(hours=step)
        found.update(dict.fromkeys(one.name for one in due_periods(kind, choices, first_on=first, last_on=None, now=now)))
    periods = [parse_period(name) for name in found]
    assert all(one.first_on == before.last_on + timedelta(days=1) for before, one in pairwise(periods) if one.first_on and before.last_on)
    assert not periods or (periods[0].last_on is not None and periods[0].last_on >= first)
    assert all(one.last_on is not None and one.last_on < now.date() for one in periods)


@pytest.mark.parametrize(
    ("matched", "reached"),
    [(0, None), (49_99, None), (50_00, "50"), (74_99, "50"), (75_00, "75"), (90_00, "90"), (99_99, "90"), (100_00, "100")],
)
def test_the_largest_part_that_is_reached(matched: int, reached: str | None) -> None:
    assert reached_part(matched_cents=matched, pledged_cents=100_00) == (Milestone(reached) if reached else None)
    assert reached_part(matched_cents=0, pledged_cents=0) is None


def test_weeks_are_those_of_iso_8601() -> None:
    assert week(date(2027, 1, 3)).name == "2026-w53"
    assert (week(date(2026, 12, 28)).first_on, parse_period("2026-w53").last_on) == (date(2026, 12, 28), date(2027, 1, 3))
    for name in ("2026-w54", "2026-w00", "2026-w9"):
        with pytest.raises(ValueError, match=name):
            parse_period(name)
