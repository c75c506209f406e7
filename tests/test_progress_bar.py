"""The bar of a campaign's progress, and what is said beside it, from the first gift to beyond the goal."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.rules.allocation import Ratio
from campaign.rules.progress_bar import STEPS, bar_of, match_end_cents, next_milestone
from campaign.texts.progress_copy import Reached, beside_sum, encouragement

ONE_TO_ONE = Ratio(numerator=1, denominator=1)
GOAL = 200_000_00
cents = st.integers(0, 1_000_000_00)


def reached(raised: int, *, donations: int = 10, takes_gifts: bool = True, cause: str = "research") -> Reached:
    return Reached(cause=cause, cents=raised, goal_cents=GOAL, match_counts=True, donations=donations, takes_gifts=takes_gifts)


@given(donated=cents, matched=cents, goal=st.integers(1, 1_000_000_00), end=st.none() | cents)
def test_nothing_is_beyond_the_bar(donated: int, matched: int, goal: int, end: int | None) -> None:
    bar = bar_of(donated_cents=donated, matched_cents=matched, goal_cents=goal, match_end_cents=end)
    assert 0 <= bar.donated <= bar.donated + bar.matched <= STEPS
    assert 0 < bar.goal <= STEPS or goal * STEPS < max(goal, donated + matched)
    assert bar.match_end is None or 0 <= bar.match_end <= STEPS


def test_beyond_the_goal_the_bar_is_full_and_the_goal_is_marked_within_it() -> None:
    bar = bar_of(donated_cents=177_054_00, matched_cents=50_000_00, goal_cents=GOAL, match_end_cents=None)
    assert (bar.donated + bar.matched, bar.goal) == (STEPS, 880)


@pytest.mark.parametrize(
    ("raised", "left", "match_counts", "end"),
    [
        (0, [(50_000_00, ONE_TO_ONE)], True, 100_000_00),
        (0, [(50_000_00, ONE_TO_ONE)], False, 50_000_00),
        (30_690_00, [(34_655_00, ONE_TO_ONE)], True, 100_000_00),
        (0, [(50_000_00, Ratio(numerator=1, denominator=2))], True, 150_000_00),
        (0, [(10_000_00, ONE_TO_ONE), (20_000_00, Ratio(numerator=2, denominator=1))], True, 50_000_00),
        (100_000_00, [(0, ONE_TO_ONE)], True, None),
        (100_000_00, [], True, None),
    ],
)
def test_the_match_ends_where_its_last_cent_would_be_matched(
    raised: int, left: list[tuple[int, Ratio]], match_counts: bool, end: int | None
) -> None:
    assert match_end_cents(raised, left, match_counts=match_counts) == end


@given(raised=st.integers(0, GOAL * 2))
def test_the_next_milestone_is_ahead(raised: int) -> None:
    milestone = next_milestone(raised, GOAL)
    assert (milestone is None) == (raised >= GOAL)
    assert milestone is None or raised < milestone <= GOAL


def test_milestones_never_go_back() -> None:
    milestones = [next_milestone(raised, GOAL) or GOAL for raised in range(0, GOAL, GOAL // 100)]
    assert all(one <= other for one, other in pairwise(milestones))


@pytest.mark.parametrize(
    ("raised", "donations", "english", "french"),
    [
        (0, 0, "Be the first to give.", "Soyez la première personne à donner."),
        (9_999_00, 1, "Next milestone: $10,000", "Prochaine étape\u00a0: 10\u00a0000\u00a0$"),
        (10_000_00, 1, "", ""),
        (99_999_99, 1, "", ""),
        (100_000_00, 1, "More than halfway to the goal.", "Plus de la moitié de l’objectif est atteinte."),
        (180_000_00, 1, "Only $20,000 to go.", "Plus que 20\u00a0000\u00a0$ pour atteindre l’objectif."),
        (
            GOAL,
            1,
            "The goal of $200,000 is reached: thank you! Every gift still funds research.",
            "L’objectif de 200\u00a0000\u00a0$ est atteint\u00a0: merci! Chaque don continue de financer la recherche.",
        ),
    ],
)
def test_what_is_said_goes_with_the_sum(raised: int, donations: int, english: str, french: str) -> None:
    assert encouragement(reached(raised, donations=donations), "en") == english
    assert encouragement(reached(raised, donations=donations, cause="la recherche"), "fr") == french


def test_a_closed_campaign_asks_for_nothing() -> None:
    assert encouragement(reached(0, donations=0, takes_gifts=False), "en") == ""
    assert encouragement(reached(120_000_00, takes_gifts=False), "en") == ""
    assert encouragement(reached(GOAL, takes_gifts=False), "en") == "The goal of $200,000 was reached: thank you!"


def test_beyond_the_goal_the_page_says_how_far() -> None:
    assert beside_sum(reached(227_054_00), "en") == "raised, 113% of the goal"
    assert beside_sum(reached(227_054_00), "fr") == "recueillis, soit 113\u00a0% de l’objectif"
    assert beside_sum(reached(GOAL), "en") == "raised of $200,000"
