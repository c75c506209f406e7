"""The match, held by properties: never above any limit, nothing left that could have matched."""

from hypothesis import given
from hypothesis import strategies as st

from campaign.rules.matching import Allocation, Offer, Ratio, allocate, full_match, total, unmatched_part

RATIOS = st.builds(Ratio, numerator=st.integers(1, 5), denominator=st.integers(1, 5))
GIFTS = st.integers(1, 25_000_00)


@st.composite
def offers(draw: st.DrawFn) -> list[Offer]:
    count = draw(st.integers(0, 4))
    return [Offer(fund_id=i + 1, ratio=draw(RATIOS), available_cents=draw(st.integers(0, 60_000_00))) for i in range(count)]


ONE_TO_ONE = Ratio(numerator=1, denominator=1)


@given(GIFTS, st.integers(0, 60_000_00))
def test_one_to_one_gives_the_lesser_of_gift_and_fund(gift: int, available: int) -> None:
    assert total(allocate(gift, [Offer(fund_id=1, ratio=ONE_TO_ONE, available_cents=available)])) == min(gift, available)


@given(GIFTS, offers())
def test_no_fund_gives_more_than_it_has_or_than_its_ratio(gift: int, funds: list[Offer]) -> None:
    by_id = {offer.fund_id: offer for offer in funds}
    for allocation in allocate(gift, funds):
        assert 0 < allocation.cents <= by_id[allocation.fund_id].available_cents
        assert allocation.cents <= by_id[allocation.fund_id].ratio.match_of(gift)


@given(GIFTS, offers())
def test_no_cent_of_a_gift_is_matched_twice(gift: int, funds: list[Offer]) -> None:
    ratios = {offer.fund_id: offer.ratio for offer in funds}
    assert unmatched_part(gift, allocate(gift, funds), ratios) >= 0


@given(GIFTS, offers())
def test_nothing_is_left_that_could_have_matched(gift: int, funds: list[Offer]) -> None:
    given_out = allocate(gift, funds)
    ratios = {offer.fund_id: offer.ratio for offer in funds}
    spent = {a.fund_id: a.cents for a in given_out}
    left = unmatched_part(gift, given_out, ratios)
    for offer in funds:
        assert min(offer.ratio.match_of(left), offer.available_cents - spent.get(offer.fund_id, 0)) <= 0


@given(st.lists(GIFTS, min_size=1, max_size=20), st.integers(0, 100_000_00), st.randoms(use_true_random=False))
def test_the_sum_matched_does_not_depend_on_the_order_of_gifts(gifts: list[int], pledge: int, chance: object) -> None:
    def matched(order: list[int]) -> int:
        left = pledge
        for gift in order:
            left -= total(allocate(gift, [Offer(fund_id=1, ratio=ONE_TO_ONE, available_cents=left)]))
        return pledge - left

    shuffled = list(gifts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert matched(gifts) == matched(shuffled) == min(pledge, sum(gifts))


@given(GIFTS, RATIOS)
def test_odd_cents_round_down(gift: int, ratio: Ratio) -> None:
    match = ratio.match_of(gift)
    assert match * ratio.denominator <= gift * ratio.numerator < (match + 1) * ratio.denominator
    assert ratio.gift_behind(match) <= gift


def test_a_gift_larger_than_what_is_left_draws_on_the_next_fund() -> None:
    first, second = (Offer(fund_id=i, ratio=ONE_TO_ONE, available_cents=c) for i, c in ((1, 37_42), (2, 100_00)))
    assert allocate(50_00, [first, second]) == [Allocation(fund_id=1, cents=37_42), Allocation(fund_id=2, cents=12_58)]


def test_without_a_fund_there_is_no_match_and_none_is_missed() -> None:
    assert allocate(50_00, []) == []
    assert full_match(50_00, []) == 0
