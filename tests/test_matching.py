"""The rule of the match as properties: never above a limit, nothing left that could have matched, the same to the cent however it is cut."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.rules.matching import (
    Allocation,
    Limit,
    Offer,
    Ratio,
    Terms,
    Wish,
    allocate,
    covered,
    excess,
    finishing_gift,
    in_full,
    is_whole,
    limit_of,
    total,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RATIOS = st.builds(Ratio, numerator=st.integers(1, 5), denominator=st.integers(1, 5))
GIFTS = st.integers(1, 25_000_00)
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


def wish(cents: int, **changed: object) -> Wish:
    return replace(Wish(gift_cents=cents, amount_cents=cents, at=NOON), **changed)


def offer(cents: int, fund_id: int = 1, *, is_paused: bool = False, **terms: object) -> Offer:
    return Offer(fund_id=fund_id, available_cents=cents, is_paused=is_paused, terms=Terms(**terms))


def after(asked: Wish, taken: list[Allocation]) -> Wish:
    """The wish as it stands when these parts were given."""
    given_by = dict(asked.given)
    for part in taken:
        given_by[part.fund_id] = given_by.get(part.fund_id, 0) + part.cents
    return replace(asked, given=given_by)


@given(GIFTS, st.integers(0, 60_000_00))
def test_one_to_one_gives_the_lesser_of_gift_and_fund(gift: int, available: int) -> None:
    assert total(allocate(wish(gift), [offer(available)])) == min(gift, available)


@given(GIFTS, offers(), st.integers(0, 20_000_00))
def test_never_above_any_limit(gift: int, funds: list[Offer], of_donor: int) -> None:
    asked = wish(gift, donor_given=dict.fromkeys(range(1, 5), of_donor))
    by_id = {o.fund_id: o for o in funds}
    taken = allocate(asked, funds)
    assert covered({a.fund_id: a.cents for a in taken}, {i: o.terms.ratio for i, o in by_id.items()}) <= gift
    for part in taken:
        fund = by_id[part.fund_id]
        assert 0 < part.cents <= fund.available_cents
        assert not fund.is_paused
        assert fund.terms.is_open(NOON)
        assert gift >= fund.terms.minimum_cents
        assert part.cents <= fund.terms.ratio.match_of(gift)
        assert fund.terms.per_donation_cents is None or part.cents <= fund.terms.per_donation_cents
        assert fund.terms.per_donor_cents is None or of_donor + part.cents <= fund.terms.per_donor_cents


@given(GIFTS, offers())
def test_nothing_is_left_that_could_have_matched(gift: int, funds: list[Offer]) -> None:
    asked = wish(gift)
    taken = allocate(asked, funds)
    spent = {a.fund_id: a.cents for a in taken}
    rest = [replace(o, available_cents=o.available_cents - spent.get(o.fund_id, 0)) for o in funds]
    assert allocate(after(asked, taken), rest) == []


@given(
    GIFTS, st.integers(1, 60_000_00), TERMS.map(lambda t: replace(t, per_donor_cents=None)), st.lists(st.integers(0, 10_000_00), max_size=6)
)
def test_a_match_in_pieces_comes_to_the_same_cent(gift: int, available: int, terms: Terms, pieces: list[int]) -> None:
    """Money that comes free bit by bit heals a gift to what it would have had at once: no cent is lost to rounding."""
    at_once = total(allocate(wish(gift), [Offer(fund_id=1, available_cents=available, terms=terms)]))
    asked, left = wish(gift), available
    for piece in [*pieces, available]:
        taken = allocate(asked, [Offer(fund_id=1, available_cents=min(piece, left), terms=terms)])
        asked, left = after(asked, taken), left - total(taken)
    assert available - left == at_once


@given(st.lists(GIFTS, min_size=1, max_size=20), st.integers(0, 100_000_00), st.randoms(use_true_random=False))
def test_the_sum_matched_does_not_depend_on_the_order_of_gifts(gifts: list[int], pledge: int, chance: object) -> None:
    def matched(order: list[int]) -> int:
        left = pledge
        for gift in order:
            left -= total(allocate(wish(gift), [offer(left)]))
        return pledge - left

    shuffled = list(gifts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert matched(gifts) == matched(shuffled) == min(pledge, sum(gifts))


@given(GIFTS, RATIOS)
def test_odd_cents_round_down(gift: int, ratio: Ratio) -> None:
    match = ratio.match_of(gift)
    assert match * ratio.denominator <= gift * ratio.numerator < (match + 1) * ratio.denominator
    assert ratio.gift_behind(match) <= gift
    assert match == 0 or ratio.match_of(ratio.gift_behind(match)) >= match


@given(GIFTS, offers(), st.lists(st.integers(0, 25_000_00), min_size=1, max_size=5))
def test_a_fall_leaves_what_is_due_and_ten_falls_are_one(gift: int, funds: list[Offer], nets: list[int]) -> None:
    ratios = {o.fund_id: o.terms.ratio for o in funds}
    given_at_first = allocate(wish(gift), funds)

    def fallen(matched: list[Allocation], net: int) -> list[Allocation]:
        back = {a.fund_id: a.cents for a in excess(net, matched, ratios)}
        assert all(cents > 0 for cents in back.values())
        return [replace(a, cents=a.cents - back.get(a.fund_id, 0)) for a in matched if a.cents > back.get(a.fund_id, 0)]

    falling = sorted((min(net, gift) for net in nets), reverse=True)
    step_by_step = given_at_first
    for net in falling:
        step_by_step = fallen(step_by_step, net)
        assert covered({a.fund_id: a.cents for a in step_by_step}, ratios) <= net
    assert step_by_step == fallen(given_at_first, falling[-1])


@given(GIFTS, st.integers(0, 60_000_00), GIFTS)
def test_one_to_one_falls_by_no_more_than_it_must(gift: int, available: int, net: int) -> None:
    matched = allocate(wish(gift), [offer(available)])
    back = total(excess(net, matched, {1: Ratio(numerator=1, denominator=1)}))
    assert total(matched) - back == min(total(matched), net)


@given(GIFTS, offers())
def test_a_whole_gift_asks_for_nothing_more_of_anybody(gift: int, funds: list[Offer]) -> None:
    asked = after(wish(gift), allocate(wish(gift), funds))
    unlimited = [Offer(fund_id=o.fund_id, available_cents=10**12, terms=Terms(ratio=o.terms.ratio)) for o in funds]
    assert is_whole(asked, {o.fund_id: o.terms.ratio for o in funds}) == (allocate(asked, unlimited) == [])
    if is_whole(asked, {o.fund_id: o.terms.ratio for o in funds}):
        assert (allocate(asked, funds), limit_of(asked, funds), in_full(asked, funds)) == ([], None, sum(asked.given.values()))


@given(GIFTS, offers())
def test_a_reason_is_given_exactly_when_something_is_missing(gift: int, funds: list[Offer]) -> None:
    asked = wish(gift)
    taken, reason = allocate(asked, funds), limit_of(asked, funds)
    ratios = {o.fund_id: o.terms.ratio for o in funds}
    given_by = {a.fund_id: a.cents for a in taken}
    could_use_more = [
        o
        for o in funds
        if o.terms.ratio.match_of(gift - covered({f: c for f, c in given_by.items() if f != o.fund_id}, ratios))
        > given_by.get(o.fund_id, 0)
    ]
    assert (reason is not None) == bool(could_use_more)
    if total(taken) < in_full(asked, funds) and len(set(ratios.values())) == 1:
        assert reason in {Limit.USED_UP, Limit.PAUSED, Limit.MINIMUM, Limit.PER_DONATION, Limit.PER_DONOR}


@pytest.mark.parametrize(
    ("fund", "gift", "expected", "reason"),
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
def test_each_term_limits_the_match_and_names_itself(fund: Offer, gift: int, expected: int, reason: Limit | None) -> None:
    assert total(allocate(wish(gift), [fund])) == expected
    assert limit_of(wish(gift), [fund]) == reason


def test_a_gift_that_is_covered_can_still_be_short_of_a_cent() -> None:
    """At two to one the last cent of a gift earns two: one of them may be missing."""
    two_to_one = Ratio(numerator=2, denominator=1)
    assert limit_of(wish(1), [offer(1, ratio=two_to_one)]) is Limit.USED_UP
    assert total(allocate(wish(1, given={1: 1}), [offer(1, ratio=two_to_one)])) == 1


def test_what_a_donor_gave_before_counts_toward_the_cap_per_donor() -> None:
    capped = offer(1_000_00, per_donor_cents=150_00)
    assert total(allocate(wish(100_00, donor_given={1: 100_00}), [capped])) == 50_00
    assert allocate(wish(100_00, donor_given={1: 150_00}), [capped]) == []


def test_a_gift_larger_than_what_is_left_draws_on_the_next_fund() -> None:
    both = [offer(37_42), offer(100_00, fund_id=2)]
    assert allocate(wish(50_00), both) == [Allocation(fund_id=1, cents=37_42), Allocation(fund_id=2, cents=12_58)]


def test_the_fund_drawn_on_last_gives_way_first() -> None:
    matched = [Allocation(fund_id=1, cents=37_42), Allocation(fund_id=2, cents=62_58)]
    ratios = dict.fromkeys((1, 2), Ratio(numerator=1, denominator=1))
    assert excess(50_00, matched, ratios) == [Allocation(fund_id=2, cents=50_00)]
    assert excess(30_00, matched, ratios) == [Allocation(fund_id=2, cents=62_58), Allocation(fund_id=1, cents=7_42)]
    assert excess(100_00, matched, ratios) == []


def test_what_was_given_before_is_counted_when_a_reason_is_sought() -> None:
    first, second = offer(100_00), offer(30_00, fund_id=2)
    held = wish(100_00, given={1: 40_00})
    assert allocate(held, [first, second]) == [Allocation(fund_id=1, cents=60_00)]
    assert limit_of(held, [first, second]) is None
    assert limit_of(wish(100_00, given={1: 40_00, 2: 60_00}), [offer(0), offer(0, fund_id=2)]) is None
    assert limit_of(wish(100_00, given={1: 40_00, 2: 59_99}), [offer(0), offer(0, fund_id=2)]) is Limit.USED_UP
    assert limit_of(wish(100_00, given={1: 40_00}), [offer(59_99)]) is Limit.USED_UP
    assert limit_of(wish(100_00, given={1: 40_00}), [offer(60_00)]) is None


def test_two_funds_that_both_gave_before_keep_apart_what_each_gave() -> None:
    asked = wish(100_00, given={1: 20_00, 2: 30_00})
    assert allocate(asked, [offer(10_00), offer(100_00, fund_id=2)]) == [
        Allocation(fund_id=1, cents=10_00),
        Allocation(fund_id=2, cents=40_00),
    ]
    three = [offer(10_00), offer(5_00, fund_id=2), offer(100_00, fund_id=3)]
    assert [a.cents for a in allocate(asked, three)] == [10_00, 5_00, 35_00]


def test_a_donors_cap_that_is_reached_with_this_gift_names_itself() -> None:
    capped = [offer(1_000_00, per_donor_cents=50_00), offer(0, fund_id=2, per_donor_cents=50_00)]
    assert limit_of(wish(100_00, donor_given={1: 20_00, 2: 0}), capped) is Limit.PER_DONOR
    assert limit_of(wish(100_00, donor_given={1: 50_00}), capped[:1]) is Limit.PER_DONOR
    assert limit_of(wish(100_00, donor_given={1: 49_99, 2: 99_00}), [offer(0, per_donor_cents=50_00)]) is Limit.USED_UP
    assert limit_of(wish(100_00, given={1: 50_00}), capped[:1]) is Limit.PER_DONOR, (
        "its own part counts where nothing is known of the donor"
    )
    assert limit_of(wish(100_00, given={1: 49_99}), [offer(0, per_donor_cents=50_00)]) is Limit.USED_UP


@pytest.mark.parametrize(
    ("terms", "reason"),
    [({"opens_at": NOON}, Limit.USED_UP), ({"minimum_cents": 100_00}, Limit.USED_UP), ({"closes_at": NOON}, Limit.CLOSED)],
)
def test_on_the_edge_of_a_term_it_is_the_money_that_is_missing(terms: dict, reason: Limit) -> None:
    assert limit_of(wish(100_00), [offer(0, **terms)]) is reason


def test_of_several_reasons_the_one_that_may_pass_is_named() -> None:
    used_up, closed = offer(0), offer(5_00, fund_id=2, closes_at=NOON)
    assert limit_of(wish(50_00), [closed, used_up]) is Limit.USED_UP
    assert limit_of(wish(50_00), [closed]) is Limit.CLOSED
    for_large_gifts = offer(5_00, fund_id=3, minimum_cents=100_00)
    assert limit_of(wish(50_00), [used_up, for_large_gifts]) is Limit.MINIMUM, "there is money, and it is for larger gifts"


def test_without_a_fund_there_is_no_match_and_none_is_missed() -> None:
    assert allocate(wish(50_00), []) == []
    assert in_full(wish(50_00), []) == 0
    assert limit_of(wish(50_00), []) is None


def test_in_full_is_what_the_terms_would_give_with_money_without_end() -> None:
    capped = [offer(1_00, per_donation_cents=40_00, is_paused=True)]
    assert in_full(wish(50_00), capped) == 40_00
    assert in_full(wish(50_00, given={1: 10_00}), capped) == 40_00


def test_a_fund_that_is_gone_still_covers_its_part_one_to_one() -> None:
    assert covered({7: 12_34}, {}) == 12_34
    assert total(allocate(wish(50_00, given={7: 40_00}), [offer(100_00)])) == 10_00


@pytest.mark.parametrize(
    ("funds", "gift"),
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
def test_the_gift_that_finishes_the_match_takes_exactly_what_is_left(funds: list[Offer], gift: int | None) -> None:
    assert finishing_gift(funds, at=NOON) == gift
