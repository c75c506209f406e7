"""Properties of the matching rule: no limit is exceeded, no match is left unused, and matching in steps gives the same cents."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign.rules.allocation import (
    Allocation,
    Limit,
    MatchRequest,
    Offer,
    Ratio,
    Terms,
    allocate,
    donation_covered_by,
    finishing_donation,
    full_match,
    is_fully_matched,
    limit_of,
    match_to_release,
    total,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RATIOS = st.builds(Ratio, numerator=st.integers(1, 5), denominator=st.integers(1, 5))
DONATIONS = st.integers(1, 25_000_00)
CAPS = st.none() | st.integers(1, 30_000_00)
EDGES = st.none() | st.integers(-2, 2).map(lambda hours: NOON + timedelta(hours=hours))
TERMS = st.builds(
    Terms,
    ratio=RATIOS,
    minimum_cents=st.sampled_from([0, 0, 25_00]),
    per_donation_cents=CAPS,
    per_donor_cents=CAPS,
    opens_at=EDGES,
    closes_at=EDGES,
)


@st.composite
def offers(draw: st.DrawFn, terms: st.SearchStrategy[Terms] = TERMS) -> list[Offer]:
    count = draw(st.integers(0, 4))
    return [
        Offer(fund_id=i + 1, terms=draw(terms), available_cents=draw(st.integers(0, 60_000_00)), is_paused=draw(st.booleans()))
        for i in range(count)
    ]


def request(cents: int, **changed: Any) -> MatchRequest:
    return replace(MatchRequest(matchable_cents=cents, amount_cents=cents, at=NOON), **changed)


def offer(cents: int, fund_id: int = 1, *, is_paused: bool = False, **terms: Any) -> Offer:
    return Offer(fund_id=fund_id, available_cents=cents, is_paused=is_paused, terms=Terms(**terms))


def after(wanted: MatchRequest, taken: list[Allocation]) -> MatchRequest:
    """The request after these allocations."""
    allocated = dict(wanted.allocated)
    for part in taken:
        allocated[part.fund_id] = allocated.get(part.fund_id, 0) + part.cents
    return replace(wanted, allocated=allocated)


@given(DONATIONS, st.integers(0, 60_000_00))
def test_one_to_one_matches_the_lesser_of_donation_and_fund(donation: int, available: int) -> None:
    assert total(allocate(request(donation), [offer(available)])) == min(donation, available)


@given(DONATIONS, offers(), st.integers(0, 20_000_00))
def test_no_limit_is_exceeded(donation: int, funds: list[Offer], of_donor: int) -> None:
    wanted = request(donation, donor_allocated=dict.fromkeys(range(1, 5), of_donor))
    by_id = {o.fund_id: o for o in funds}
    taken = allocate(wanted, funds)
    assert donation_covered_by({a.fund_id: a.cents for a in taken}, {i: o.terms.ratio for i, o in by_id.items()}) <= donation
    for part in taken:
        fund = by_id[part.fund_id]
        assert 0 < part.cents <= fund.available_cents
        assert not fund.is_paused
        assert fund.terms.is_open(NOON)
        assert donation >= fund.terms.minimum_cents
        assert part.cents <= fund.terms.ratio.match_of(donation)
        assert fund.terms.per_donation_cents is None or part.cents <= fund.terms.per_donation_cents
        assert fund.terms.per_donor_cents is None or of_donor + part.cents <= fund.terms.per_donor_cents


@given(DONATIONS, offers())
def test_no_available_match_is_left_unused(donation: int, funds: list[Offer]) -> None:
    wanted = request(donation)
    taken = allocate(wanted, funds)
    spent = {a.fund_id: a.cents for a in taken}
    rest = [replace(o, available_cents=o.available_cents - spent.get(o.fund_id, 0)) for o in funds]
    assert allocate(after(wanted, taken), rest) == []


@given(
    DONATIONS,
    st.integers(1, 60_000_00),
    TERMS.map(lambda t: replace(t, per_donor_cents=None)),
    st.lists(st.integers(0, 10_000_00), max_size=6),
)
def test_matching_in_steps_gives_the_same_sum(donation: int, available: int, terms: Terms, pieces: list[int]) -> None:
    """Money that is released in parts matches a donation as much as it would have at once: no cent is lost to rounding."""
    in_one_step = total(allocate(request(donation), [Offer(fund_id=1, available_cents=available, terms=terms)]))
    wanted, left = request(donation), available
    for piece in [*pieces, available]:
        taken = allocate(wanted, [Offer(fund_id=1, available_cents=min(piece, left), terms=terms)])
        wanted, left = after(wanted, taken), left - total(taken)
    assert available - left == in_one_step


@given(st.lists(DONATIONS, min_size=1, max_size=20), st.integers(0, 100_000_00), st.randoms(use_true_random=False))
def test_the_sum_matched_does_not_depend_on_the_order_of_donations(donations: list[int], pledge: int, random: Random) -> None:
    def matched(order: list[int]) -> int:
        left = pledge
        for donation in order:
            left -= total(allocate(request(donation), [offer(left)]))
        return pledge - left

    shuffled = list(donations)
    random.shuffle(shuffled)
    assert matched(donations) == matched(shuffled) == min(pledge, sum(donations))


@given(DONATIONS, RATIOS)
def test_fractions_of_a_cent_are_rounded_down(donation: int, ratio: Ratio) -> None:
    match = ratio.match_of(donation)
    assert match * ratio.denominator <= donation * ratio.numerator < (match + 1) * ratio.denominator
    assert ratio.donation_required_for(match) <= donation
    assert match == 0 or ratio.match_of(ratio.donation_required_for(match)) >= match


@given(DONATIONS, offers(), st.lists(st.integers(0, 25_000_00), min_size=1, max_size=5))
def test_a_reduction_leaves_the_match_due_and_several_equal_one(donation: int, funds: list[Offer], nets: list[int]) -> None:
    ratios = {o.fund_id: o.terms.ratio for o in funds}
    initial = allocate(request(donation), funds)

    def reduce(matched: list[Allocation], net: int) -> list[Allocation]:
        released = {a.fund_id: a.cents for a in match_to_release(net, matched, ratios)}
        assert all(cents > 0 for cents in released.values())
        return [replace(a, cents=a.cents - released.get(a.fund_id, 0)) for a in matched if a.cents > released.get(a.fund_id, 0)]

    reduced_nets = sorted((min(net, donation) for net in nets), reverse=True)
    step_by_step = initial
    for net in reduced_nets:
        step_by_step = reduce(step_by_step, net)
        assert donation_covered_by({a.fund_id: a.cents for a in step_by_step}, ratios) <= net
    assert step_by_step == reduce(initial, reduced_nets[-1])


@given(DONATIONS, st.integers(0, 60_000_00), DONATIONS)
def test_one_to_one_releases_only_what_it_must(donation: int, available: int, net: int) -> None:
    matched = allocate(request(donation), [offer(available)])
    released = total(match_to_release(net, matched, {1: Ratio(numerator=1, denominator=1)}))
    assert total(matched) - released == min(total(matched), net)


@given(DONATIONS, offers())
def test_a_fully_matched_donation_requests_nothing_more(donation: int, funds: list[Offer]) -> None:
    wanted = after(request(donation), allocate(request(donation), funds))
    unlimited = [Offer(fund_id=o.fund_id, available_cents=10**12, terms=Terms(ratio=o.terms.ratio)) for o in funds]
    assert is_fully_matched(wanted, {o.fund_id: o.terms.ratio for o in funds}) == (allocate(wanted, unlimited) == [])
    if is_fully_matched(wanted, {o.fund_id: o.terms.ratio for o in funds}):
        assert (allocate(wanted, funds), limit_of(wanted, funds), full_match(wanted, funds)) == ([], None, sum(wanted.allocated.values()))


@given(DONATIONS, offers())
@example(19_95, [offer(6_77, ratio=Ratio(numerator=4, denominator=3)), offer(19_82, fund_id=2, ratio=Ratio(numerator=4, denominator=3))])
def test_a_limit_is_reported_exactly_when_match_is_missing(donation: int, funds: list[Offer]) -> None:
    wanted = request(donation)
    taken, reason = allocate(wanted, funds), limit_of(wanted, funds)
    ratios = {o.fund_id: o.terms.ratio for o in funds}
    allocated = {a.fund_id: a.cents for a in taken}
    could_use_more = [
        o
        for o in funds
        if o.terms.ratio.match_of(donation - donation_covered_by({f: c for f, c in allocated.items() if f != o.fund_id}, ratios))
        > allocated.get(o.fund_id, 0)
    ]
    assert (reason is not None) == bool(could_use_more)
    # Each fund rounds its own part down, so a match of several may be a cent less for each of the others.
    if total(taken) < full_match(wanted, funds) - max(len(taken) - 1, 0) and len(set(ratios.values())) == 1:
        assert reason in {Limit.USED_UP, Limit.PAUSED, Limit.MINIMUM, Limit.PER_DONATION, Limit.PER_DONOR}


@pytest.mark.parametrize(
    ("fund", "donation", "expected", "reason"),
    [
        (offer(1_000_00), 100_00, 100_00, None),
        (offer(37_42), 100_00, 37_42, Limit.USED_UP),
        (offer(0), 100_00, 0, Limit.USED_UP),
        (offer(1_000_00, is_paused=True), 100_00, 0, Limit.PAUSED),
        (offer(1_000_00, opens_at=NOON + timedelta(seconds=1)), 100_00, 0, Limit.NOT_OPEN_YET),
        (offer(1_000_00, opens_at=NOON), 100_00, 100_00, None),
        (offer(1_000_00, closes_at=NOON), 100_00, 0, Limit.CLOSED),
        (offer(1_000_00, closes_at=NOON + timedelta(seconds=1)), 100_00, 100_00, None),
        (offer(1_000_00, minimum_cents=100_00), 99_99, 0, Limit.MINIMUM),
        (offer(1_000_00, minimum_cents=100_00), 100_00, 100_00, None),
        (offer(1_000_00, per_donation_cents=25_00), 100_00, 25_00, Limit.PER_DONATION),
        (offer(1_000_00, per_donor_cents=25_00), 100_00, 25_00, Limit.PER_DONOR),
        (offer(1_000_00, ratio=Ratio(numerator=1, denominator=3)), 100_01, 33_33, None),
        (offer(1_000_00, ratio=Ratio(numerator=2, denominator=1)), 100_01, 200_02, None),
    ],
)
def test_each_term_limits_the_match_and_is_reported(fund: Offer, donation: int, expected: int, reason: Limit | None) -> None:
    assert total(allocate(request(donation), [fund])) == expected
    assert limit_of(request(donation), [fund]) == reason


def test_a_covered_donation_can_still_lack_a_cent() -> None:
    """At two to one, the last cent of a donation is matched with two cents, one of which may be missing."""
    two_to_one = Ratio(numerator=2, denominator=1)
    assert limit_of(request(1), [offer(1, ratio=two_to_one)]) is Limit.USED_UP
    assert total(allocate(request(1, allocated={1: 1}), [offer(1, ratio=two_to_one)])) == 1


def test_earlier_donations_count_toward_the_cap_per_donor() -> None:
    capped = offer(1_000_00, per_donor_cents=150_00)
    assert total(allocate(request(100_00, donor_allocated={1: 100_00}), [capped])) == 50_00
    assert allocate(request(100_00, donor_allocated={1: 150_00}), [capped]) == []


def test_a_donation_larger_than_what_is_left_draws_on_the_next_fund() -> None:
    both = [offer(37_42), offer(100_00, fund_id=2)]
    assert allocate(request(50_00), both) == [Allocation(fund_id=1, cents=37_42), Allocation(fund_id=2, cents=12_58)]


def test_the_fund_drawn_on_last_is_released_first() -> None:
    matched = [Allocation(fund_id=1, cents=37_42), Allocation(fund_id=2, cents=62_58)]
    ratios = dict.fromkeys((1, 2), Ratio(numerator=1, denominator=1))
    assert match_to_release(50_00, matched, ratios) == [Allocation(fund_id=2, cents=50_00)]
    assert match_to_release(30_00, matched, ratios) == [Allocation(fund_id=2, cents=62_58), Allocation(fund_id=1, cents=7_42)]
    assert match_to_release(100_00, matched, ratios) == []


def test_earlier_allocations_count_toward_the_reported_limit() -> None:
    first, second = offer(100_00), offer(30_00, fund_id=2)
    held = request(100_00, allocated={1: 40_00})
    assert allocate(held, [first, second]) == [Allocation(fund_id=1, cents=60_00)]
    assert limit_of(held, [first, second]) is None
    assert limit_of(request(100_00, allocated={1: 40_00, 2: 60_00}), [offer(0), offer(0, fund_id=2)]) is None
    assert limit_of(request(100_00, allocated={1: 40_00, 2: 59_99}), [offer(0), offer(0, fund_id=2)]) is Limit.USED_UP
    assert limit_of(request(100_00, allocated={1: 40_00}), [offer(59_99)]) is Limit.USED_UP
    assert limit_of(request(100_00, allocated={1: 40_00}), [offer(60_00)]) is None


def test_earlier_allocations_of_two_funds_are_counted_separately() -> None:
    wanted = request(100_00, allocated={1: 20_00, 2: 30_00})
    assert allocate(wanted, [offer(10_00), offer(100_00, fund_id=2)]) == [
        Allocation(fund_id=1, cents=10_00),
        Allocation(fund_id=2, cents=40_00),
    ]
    three = [offer(10_00), offer(5_00, fund_id=2), offer(100_00, fund_id=3)]
    assert [a.cents for a in allocate(wanted, three)] == [10_00, 5_00, 35_00]


def test_a_donor_cap_that_this_donation_reaches_is_reported() -> None:
    capped = [offer(1_000_00, per_donor_cents=50_00), offer(0, fund_id=2, per_donor_cents=50_00)]
    assert limit_of(request(100_00, donor_allocated={1: 20_00, 2: 0}), capped) is Limit.PER_DONOR
    assert limit_of(request(100_00, donor_allocated={1: 50_00}), capped[:1]) is Limit.PER_DONOR
    assert limit_of(request(100_00, donor_allocated={1: 49_99, 2: 99_00}), [offer(0, per_donor_cents=50_00)]) is Limit.USED_UP
    assert limit_of(request(100_00, allocated={1: 50_00}), capped[:1]) is Limit.PER_DONOR, (
        "its own allocation counts when the donor's total is unknown"
    )
    assert limit_of(request(100_00, allocated={1: 49_99}), [offer(0, per_donor_cents=50_00)]) is Limit.USED_UP


@pytest.mark.parametrize(
    ("terms", "reason"),
    [({"opens_at": NOON}, Limit.USED_UP), ({"minimum_cents": 100_00}, Limit.USED_UP), ({"closes_at": NOON}, Limit.CLOSED)],
)
def test_at_the_edge_of_a_term_the_missing_money_is_reported(terms: dict[str, Any], reason: Limit) -> None:
    assert limit_of(request(100_00), [offer(0, **terms)]) is reason


def test_of_several_limits_the_one_that_may_change_is_reported() -> None:
    used_up, closed = offer(0), offer(5_00, fund_id=2, closes_at=NOON)
    assert limit_of(request(50_00), [closed, used_up]) is Limit.USED_UP
    assert limit_of(request(50_00), [closed]) is Limit.CLOSED
    for_large_donations = offer(5_00, fund_id=3, minimum_cents=100_00)
    assert limit_of(request(50_00), [used_up, for_large_donations]) is Limit.MINIMUM, "there is money, but only for larger donations"


def test_without_a_fund_no_match_is_made_or_missing() -> None:
    assert allocate(request(50_00), []) == []
    assert full_match(request(50_00), []) == 0
    assert limit_of(request(50_00), []) is None


def test_the_full_match_is_what_the_terms_allow_with_unlimited_money() -> None:
    capped = [offer(1_00, per_donation_cents=40_00, is_paused=True)]
    assert full_match(request(50_00), capped) == 40_00
    assert full_match(request(50_00, allocated={1: 10_00}), capped) == 40_00


def test_an_unknown_fund_covers_its_allocation_one_to_one() -> None:
    assert donation_covered_by({7: 12_34}, {}) == 12_34
    assert total(allocate(request(50_00, allocated={7: 40_00}), [offer(100_00)])) == 10_00


@pytest.mark.parametrize(
    ("funds", "donation"),
    [
        ([offer(374_20)], 374_20),
        ([offer(0)], None),
        ([], None),
        ([offer(374_20, is_paused=True)], None),
        ([offer(374_20, closes_at=NOON)], None),
        ([offer(374_20, per_donation_cents=100_00)], None),
        ([offer(374_20), offer(100_00, fund_id=2)], 474_20),
        ([offer(100_00, ratio=Ratio(numerator=2, denominator=1))], 50_00),
        ([offer(100_01, ratio=Ratio(numerator=2, denominator=1))], 50_01),
        ([offer(1)], 1),
        ([offer(374_20), offer(5_00, fund_id=2, is_paused=True)], 374_20),
        ([offer(374_20), offer(5_00, fund_id=2, closes_at=NOON)], 374_20),
        ([offer(374_20, closes_at=NOON + timedelta(hours=1)), offer(0, fund_id=2)], 374_20),
        ([offer(374_20), offer(0, fund_id=2, is_paused=True)], 374_20),
    ],
)
def test_the_donation_that_finishes_the_match_takes_exactly_what_is_left(funds: list[Offer], donation: int | None) -> None:
    assert finishing_donation(funds, at=NOON) == donation
