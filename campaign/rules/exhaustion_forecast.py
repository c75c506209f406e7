"""The day on which a match runs out at the present pace, with a range.

Method: the sums matched on each of the last days have a mean and a variance. Gifts that go on as they came reach the rest after about
rest / mean days. How far that may be off has two causes: the pace is known from a few days only, and the days to come vary as those did. Both
shares of the variance (variance / (mean² × days) and variance / (mean × rest)) add up, on a logarithmic scale, and the range covers 80 % of it.
tests/test_exhaustion_forecast.py compares forecasts with how random histories went on.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

# The pace is that of the last four weeks, in which each day of the week counts equally, and no pace is read from less than one.
MOST_DAYS = 28
FEWEST_DAYS = 7
# Beyond a year nobody knows.
HORIZON_DAYS = 366
# A range from a twentieth to twenty times the days says nothing: one large gift came, or went back, among few.
MOST_DEVIATION = 2.4
# Four of five outcomes of a normal distribution are within so many standard deviations.
_DEVIATIONS = 1.2816


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """When the match runs out. A day beyond the horizon is None. `daily_cents` is the mean of the last `days` days."""

    expected_on: date | None
    earliest_on: date | None
    latest_on: date | None
    daily_cents: int
    days: int


def forecast_exhaustion(matched_cents: Sequence[int], left_cents: int, *, today: date) -> Forecast | None:
    """When the rest is matched, if it goes on as on these whole days, the latest last. None while nobody can tell: too few days, nothing matched, or days that vary too much."""
    basis = matched_cents[-MOST_DAYS:]
    if len(basis) < FEWEST_DAYS or sum(basis) <= 0 or left_cents <= 0:
        return None
    mean, variance = statistics.fmean(basis), statistics.variance(basis)
    days = left_cents / mean
    deviation = math.sqrt(variance / (mean * mean * len(basis)) + variance / (mean * left_cents))
    if deviation > MOST_DEVIATION:
        return None
    spread = math.exp(_DEVIATIONS * deviation)
    return Forecast(
        expected_on=_day(today, days),
        earliest_on=_day(today, days / spread),
        latest_on=_day(today, days * spread),
        daily_cents=round(mean),
        days=len(basis),
    )


def _day(today: date, days: float) -> date | None:
    return today + timedelta(days=int(days)) if days < HORIZON_DAYS else None
