"""Groups of days for the page of a funder."""

import itertools
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from campaign.rules.gift_groups import FEWEST_GIFTS, GiftGroup, group_days

FIRST = date(2026, 11, 1)


def day(number: int, gifts: int, cents: int) -> GiftGroup:
    on = FIRST + timedelta(days=number)
    return GiftGroup(first_on=on, last_on=on, gifts=gifts, matched_cents=cents)


def test_days_are_joined_until_five_gifts_are_together() -> None:
    found = group_days([day(0, 2, 20_00), day(1, 2, 10_00), day(4, 3, 5_00), day(5, 9, 90_00), day(6, 1, 7_00)])
    assert [(group.first_on.day, group.last_on.day, group.gifts, group.matched_cents) for group in found] == [
        (1, 5, 7, 35_00),
        (6, 7, 10, 97_00),
    ]
    assert group_days([day(0, 4, 400_00)]) == group_days([]) == []
    assert [group.gifts for group in group_days([day(0, 6, 60_00), day(1, -2, -20_00)])] == [], "four are left"


@given(st.lists(st.tuples(st.integers(-4, 12), st.integers(-500_00, 500_00))))
def test_every_group_has_five_gifts_and_all_days_are_in_one(days: list[tuple[int, int]]) -> None:
    groups = group_days(day(number, gifts, cents) for number, (gifts, cents) in enumerate(days))
    assert all(group.gifts >= FEWEST_GIFTS for group in groups)
    assert bool(groups) == (sum(gifts for gifts, _ in days) >= FEWEST_GIFTS)
    if groups:
        assert sum(group.gifts for group in groups) == sum(gifts for gifts, _ in days)
        assert sum(group.matched_cents for group in groups) == sum(cents for _, cents in days)
        assert (groups[0].first_on, groups[-1].last_on) == (FIRST, FIRST + timedelta(days=len(days) - 1))
        assert all(one.last_on < later.first_on for one, later in itertools.pairwise(groups))
