"""The forecast of the day on which the match runs out: worked examples, and how often its range was right over random histories."""

import random
from datetime import date, timedelta

import pytest

from campaign.cli.seeds import AMOUNTS
from campaign.rules.exhaustion_forecast import FEWEST_DAYS, Forecast, forecast_exhaustion

TODAY = date(2026, 11, 28)


def test_the_same_sum_each_day_has_one_day_and_no_range() -> None:
    expected = TODAY + timedelta(days=20)
    assert forecast_exhaustion([500_00] * 28, 10_000_00, today=TODAY) == Forecast(
        expected_on=expected, earliest_on=expected, latest_on=expected, daily_cents=500_00, days=28
    )


def test_only_the_last_four_weeks_count() -> None:
    assert forecast_exhaustion([9_000_00] * 40 + [100_00] * 28, 1_000_00, today=TODAY) == forecast_exhaustion(
        [100_00] * 28, 1_000_00, today=TODAY
    )


def test_days_that_vary_more_have_a_wider_range() -> None:
    calm, wild = (forecast_exhaustion(days * 14, 20_000_00, today=TODAY) for days in ([400_00, 600_00], [0, 1_000_00]))
    assert calm and wild and calm.expected_on == wild.expected_on == TODAY + timedelta(days=40)
    assert calm.earliest_on and calm.latest_on and wild.earliest_on and wild.latest_on
    assert wild.earliest_on < calm.earliest_on < TODAY + timedelta(days=40) < calm.latest_on < wild.latest_on


@pytest.mark.parametrize(
    ("days", "left"),
    [
        ([500_00] * (FEWEST_DAYS - 1), 100_00),
        ([0] * 28, 100_00),
        ([500_00] * 28, 0),
        ([-300_00] * 28, 100_00),
        ([], 1),
        ([0] * 5 + [25_000_00, -24_950_00], 100_00),
    ],
)
def test_nothing_is_said_while_nobody_can_tell(days: list[int], left: int) -> None:
    assert forecast_exhaustion(days, left, today=TODAY) is None


def test_a_day_beyond_a_year_is_not_named() -> None:
    found = forecast_exhaustion([1_00] * 27 + [100_00], 3_000_00, today=TODAY)
    assert found and found.expected_on is None and found.latest_on is None and found.earliest_on is not None


def random_days(rng: random.Random, count: int, gifts: float) -> list[int]:
    """Sums matched on days with so many gifts in the mean, of the amounts of `campaign seed`, half as many at weekends."""
    amounts, weights = zip(*AMOUNTS, strict=True)
    days = []
    for day in range(count):
        pace = gifts * (0.6 if day % 7 in {5, 6} else 1.16)
        number, product = 0, rng.random()
        while product > 2.718281828**-pace:  # Poisson, by Knuth's method.
            number, product = number + 1, product * rng.random()
        days.append(sum(rng.choices(amounts, weights, k=number)))
    return days


@pytest.mark.parametrize("gifts", [2, 12])
def test_four_of_five_ranges_are_right_and_half_of_the_days_within_a_fifth(gifts: int) -> None:
    """Over histories of which 28 days are known. The control is a range of half the width, which is right much less often."""
    rng = random.Random(f"forecast {gifts}")
    inside = inside_half = near = 0
    histories = 300
    for _ in range(histories):
        days = random_days(rng, 400, gifts)
        left = sum(days[28:48])  # It runs out after about twenty more days.
        found = forecast_exhaustion(days[:28], left - rng.randrange(left // 20), today=TODAY)
        assert found and found.earliest_on and found.latest_on and found.expected_on
        actual = TODAY + timedelta(days=19)
        inside += found.earliest_on <= actual <= found.latest_on
        middle = found.expected_on
        inside_half += middle - (middle - found.earliest_on) / 2 <= actual <= middle + (found.latest_on - middle) / 2
        near += abs((middle - actual).days) <= 4
    assert 0.74 <= inside / histories <= 0.92
    assert inside_half / histories < 0.65
    assert near / histories >= 0.5
