"""Shares of sums (rules/shares.py): they add up, never fall when a sum grows, and are Webster's."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.rules.shares import ShareSums, share_out, shares_of

WEIGHTS = st.lists(st.integers(1, 40), min_size=1, max_size=6)
LARGE_WEIGHTS = st.lists(st.integers(1, 10**14), min_size=1, max_size=40)
LARGE_TOTALS = st.integers(0, 10**15)


def oracle(total: int, weights: list[int]) -> tuple[int, ...]:
    """Cent by cent, to the first of those with the largest weight / (2 * share + 1)."""
    shares = [0] * len(weights)
    for _ in range(total):
        quotients = [Fraction(weight, 2 * share + 1) for share, weight in zip(shares, weights, strict=True)]
        shares[quotients.index(max(quotients))] += 1
    return tuple(shares)


@given(st.integers(0, 150), WEIGHTS)
def test_shares_are_those_of_the_oracle(total: int, weights: list[int]) -> None:
    assert share_out(total, weights) == oracle(total, weights)


@given(LARGE_TOTALS, LARGE_WEIGHTS)
def test_shares_add_up_and_none_falls_when_the_sum_grows_by_a_cent(total: int, weights: list[int]) -> None:
    shares, more = share_out(total, weights), share_out(total + 1, weights)
    assert (sum(shares), sum(more)) == (total, total + 1)
    assert all(0 <= share <= later for share, later in zip(shares, more, strict=True))


@given(LARGE_TOTALS, LARGE_TOTALS, LARGE_WEIGHTS)
def test_no_share_falls_however_much_the_sum_grows(one: int, other: int, weights: list[int]) -> None:
    pairs = zip(share_out(min(one, other), weights), share_out(max(one, other), weights), strict=True)
    assert all(share <= later for share, later in pairs)


@given(LARGE_TOTALS, LARGE_WEIGHTS)
def test_shares_are_nearest_to_their_parts_as_no_cent_would_be_better_placed(total: int, weights: list[int]) -> None:
    """The condition of Webster's method: the last cent of each came no later than the next of any other would."""
    shares = share_out(total, weights)
    last = [Fraction(weight, 2 * share - 1) for share, weight in zip(shares, weights, strict=True) if share]
    following = [Fraction(weight, 2 * share + 1) for share, weight in zip(shares, weights, strict=True)]
    assert not last or min(last) >= max(following)


@given(LARGE_WEIGHTS)
def test_of_the_pledge_itself_each_has_what_they_promised(weights: list[int]) -> None:
    assert share_out(sum(weights), weights) == tuple(weights)


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (0, [3, 2], (0, 0)),
        (1, [1, 1], (1, 0)),
        (3, [1, 1], (2, 1)),
        (1, [1, 2], (0, 1)),
        (100, [1, 1, 1], (34, 33, 33)),
        (10_00, [50_000_00, 30_000_00, 20_000_00], (5_00, 3_00, 2_00)),
        (7, [7], (7,)),
    ],
)
def test_examples(total: int, weights: list[int], shares: tuple[int, ...]) -> None:
    assert share_out(total, weights) == shares


CENTS = st.integers(0, 10**6)


@given(CENTS, CENTS, CENTS, CENTS, CENTS, st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_shares_of_all_sums_add_up_in_both_directions(
    held: int, matched: int, left: int, called: int, received: int, weights: list[int]
) -> None:
    sums = ShareSums(
        pledged_cents=held + matched + left, held_cents=held, matched_cents=matched, called_cents=called, received_cents=received
    )
    shares = shares_of(sums, weights)
    total = shares[0]
    for share in shares[1:]:
        total = total + share
    assert total == sums
    for share in shares:
        assert min(*vars(share).values(), share.left_cents) >= 0
