"""When a funder's reports are due: after each week, month or quarter, when a part of the pledge is matched, and at the end.

What counts is what the recipient had chosen when a period ended, so that a change in the middle of one neither loses a report nor sends two.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import takewhile
from zoneinfo import ZoneInfo

from campaign.rules.local_time import end_of_day
from campaign.rules.statement_periods import StatementPeriod, month, quarter, week

# A report is sent in the morning after its period: by then what was paid in the evening is in the books, and a clock is right that was an hour fast.
MORNING = time(8)
# Of periods that ended longer ago, nothing is sent any more.
LOOKBACK = timedelta(days=200)


class ReportKind(StrEnum):
    """What a report is about."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    MILESTONE = "milestone"
    END = "end"


class Milestone(StrEnum):
    """A part of the pledge that is matched, in percent, or the end of the fund."""

    HALF = "50"
    THREE_QUARTERS = "75"
    NINE_TENTHS = "90"
    WHOLE = "100"
    END = "end"


PERIODIC: dict[ReportKind, Callable[[date], StatementPeriod]] = {
    ReportKind.WEEKLY: week,
    ReportKind.MONTHLY: month,
    ReportKind.QUARTERLY: quarter,
}
PARTS = (Milestone.HALF, Milestone.THREE_QUARTERS, Milestone.NINE_TENTHS, Milestone.WHOLE)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The kinds of reports that somebody gets from a moment on; none while they are paused or stopped."""

    at: datetime
    kinds: frozenset[ReportKind]


def chosen_at(choices: Sequence[Choice], moment: datetime) -> frozenset[ReportKind]:
    """What was chosen at the moment, by choices in their order."""
    before = [choice for choice in choices if choice.at < moment]
    return before[-1].kinds if before else frozenset()


def reached_part(*, matched_cents: int, pledged_cents: int) -> Milestone | None:
    """The largest of PARTS of the pledge that is matched."""
    reached = [part for part in PARTS if pledged_cents and matched_cents * 100 >= int(part) * pledged_cents]
    return reached[-1] if reached else None


def due_periods(
    kind: ReportKind, choices: Sequence[Choice], *, first_on: date, last_on: date | None, now: datetime
) -> list[StatementPeriod]:
    """The periods of a kind whose report is due at `now`, in the charity's time zone, the earliest first.

    `first_on` is the fund's first day, `last_on` the day of its end, after which the report of the end is the last one.
    """
    zone = now.tzinfo
    assert isinstance(zone, ZoneInfo)
    ended = takewhile(lambda period: _last(period) >= first_on, _back_from(now, PERIODIC[kind]))
    within = (period for period in ended if last_on is None or _first(period) <= last_on)
    return [period for period in within if kind in chosen_at(choices, end_of_day(_last(period), zone))][::-1]


def _back_from(now: datetime, period_of: Callable[[date], StatementPeriod]) -> Iterable[StatementPeriod]:
    """The periods whose reports may be sent at `now`, the latest first."""
    # Before the morning, that of yesterday is not due yet.
    until = now.date() if now.time() >= MORNING else now.date() - timedelta(days=1)
    day = _first(period_of(until)) - timedelta(days=1)
    while day >= now.date() - LOOKBACK:
        period = period_of(day)
        yield period
        day = _first(period) - timedelta(days=1)


def _first(period: StatementPeriod) -> date:
    assert period.first_on
    return period.first_on


def _last(period: StatementPeriod) -> date:
    assert period.last_on
    return period.last_on
