"""What is said of the match follows from the live rule, over a grid of its states, in both languages: no claim where nothing is given."""

import itertools
import re
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaign.rules import match_of_a_gift, wording
from campaign.rules.match_of_a_gift import Happening, Life, MatchNow
from campaign.rules.matching import Limit, Ratio
from campaign.rules.wording import FundStanding, FundState, MatchState, Quote

TORONTO = ZoneInfo("America/Toronto")
ONE, HALF, TWO = Ratio(numerator=1, denominator=1), Ratio(numerator=1, denominator=2), Ratio(numerator=2, denominator=1)
FUND = FundState(name="Fonds Sanâa", ratio=ONE, pledged_cents=50_000_00, available_cents=12_350_00, held_cents=0)
OPEN = MatchState(funds=(FUND,))
PROMISES = re.compile(r"doubl|adds|left\b|reste |s’ajoutent", re.IGNORECASE)
LANGUAGES = ["en", "fr"]


def numbers(text: str) -> list[str]:
    """Sums and years in a sentence, written one way, so that two languages can be compared."""
    bare = re.sub(r"(?<=\d)[\u00a0\u202f,](?=\d{3})|(?<=1)er", "", text)
    return sorted(n.replace(",", ".") for n in re.findall(r"\d+(?:[.,]\d\d)?", bare))


def grid() -> list[MatchState]:
    """Every mixture of standing, money, holds, healing, caps, window and ratio, of one fund and of two."""
    funds = [
        replace(FUND, standing=standing, available_cents=left, held_cents=held, ratio=ratio, **terms)
        for standing, (left, held), ratio, terms in itertools.product(
            FundStanding,
            [(12_350_00, 0), (12_350_00, 5_00), (0, 5_00), (0, 0)],
            [ONE, HALF, TWO],
            [
                {},
                {"per_donation_cents": 500_00, "minimum_cents": 25_00},
                {"per_donor_cents": 1_000_00},
                {"opens_at": datetime(2026, 12, 1, tzinfo=TORONTO), "closes_at": datetime(2027, 1, 1, tzinfo=TORONTO)},
                {"opens_at": datetime(2026, 12, 1, 9, tzinfo=TORONTO), "closes_at": datetime(2026, 12, 1, 21, tzinfo=TORONTO)},
            ],
        )
    ]
    alone = [
        MatchState(funds=(f,), holds=holds, is_healing=healing)
        for f in funds
        for holds, healing in itertools.product((True, False), repeat=2)
    ]
    beside = [MatchState(funds=(f, replace(FUND, name="Autre fonds", available_cents=7_00))) for f in funds]
    return [MatchState(funds=()), *alone, *beside]


GRID = grid()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_claim_is_made_exactly_when_a_fund_gives(language: str) -> None:
    assert len(GRID) > 800
    for state in GRID:
        claim = wording.campaign_claim(state, language)
        assert bool(claim) == bool(state.funds)
        assert bool(PROMISES.search(claim)) == (state.giving is not None), (state, claim)
        assert bool(wording.held_while_paying(state, language)) == (state.giving is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_said_to_be_left_is_what_is_left(language: str) -> None:
    for state in GRID:
        if state.giving is not None:
            left = numbers(wording.written_short(state.left_alike_cents, language))[0]
            assert left in numbers(wording.campaign_claim(state, language)), state


def test_both_languages_name_the_same_sums_and_days() -> None:
    for state in GRID:
        for say in (wording.campaign_claim, wording.how_it_works, wording.held_while_paying):
            english, french = say(state, "en"), say(state, "fr")
            assert len(english) == len(french) or isinstance(english, str)
            both = [" ".join(said) if isinstance(said, list) else said for said in (english, french)]
            hours = [
                re.sub(r"\d+[:\u202f ]*(?:h|:)?[\u00a0\u202f ]*\d*[\u00a0\u202f ]*(?:[ap]\.m\.)? \([A-Z]{2,3}\)", "", text) for text in both
            ]
            assert numbers(hours[0]) == numbers(hours[1]), both


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_promised_to_be_held_where_nothing_is_held(language: str) -> None:
    held = re.compile(r"held for you|réservé pendant")
    for state in GRID:
        said = " ".join([*wording.how_it_works(state, language), wording.held_while_paying(state, language)])
        assert bool(held.search(said)) == (state.holds and state.giving is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_without_match_says_that_the_gift_counts(language: str) -> None:
    counts = re.compile(r"counts in full|compte (toujours )?en entier")
    for state in GRID:
        if state.funds and state.giving is None:
            assert counts.search(wording.campaign_claim(state, language)), state


@pytest.mark.parametrize(
    ("end", "english", "french"),
    [
        (datetime(2027, 1, 1, tzinfo=TORONTO), "through December 31, 2026", "jusqu’au 31 décembre 2026 inclus"),
        (datetime(2026, 11, 2, tzinfo=TORONTO), "through November 1, 2026", "jusqu’au 1er novembre 2026 inclus"),
        (datetime(2026, 12, 1, 21, tzinfo=TORONTO), "until December 1, 2026 at 9:00", "jusqu’au 1er décembre 2026 à 21"),
    ],
)
def test_the_end_of_a_window_is_said_as_people_count_days(end: datetime, english: str, french: str) -> None:
    state = MatchState(funds=(replace(FUND, closes_at=end),))
    assert english in wording.campaign_claim(state, "en")
    assert french in wording.campaign_claim(state, "fr")


def test_the_night_of_the_change_of_clocks_names_the_hour_that_was_meant() -> None:
    summer = datetime(2026, 11, 1, 0, 30, tzinfo=TORONTO)
    for end, zone in ((summer, "EDT"), (summer.astimezone(TORONTO) + timedelta(hours=3), "EST")):
        assert zone in wording.campaign_claim(MatchState(funds=(replace(FUND, closes_at=end),)), "en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("limit", [None, *Limit])
@pytest.mark.parametrize("match", [0, 37_42, 100_00])
def test_a_quote_never_names_a_match_that_is_not_there(language: str, limit: Limit | None, match: int) -> None:
    for fund, holds in itertools.product([None, FUND, replace(FUND, held_cents=5_00, minimum_cents=25_00)], [True, False]):
        said = wording.quote(Quote(gift_cents=100_00, match_cents=match, limit=limit, fund=fund, holds=holds), language)
        assert ("137.42" in numbers(said)) == (match == 37_42)
        assert ("200" in numbers(said)) == (match == 100_00)
        assert bool(re.search(r"in part|en partie", said)) == (match > 0 and limit is not None)
        assert bool(re.search(r"cannot be matched|ne peut pas être jumelé", said)) == (match == 0)


def test_each_reason_has_words_of_its_own() -> None:
    for language in LANGUAGES:
        said = {
            wording.quote(Quote(gift_cents=100_00, match_cents=0, limit=limit, fund=replace(FUND, minimum_cents=250_00)), language)
            for limit in Limit
        }
        assert len(said) == len(Limit)


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_ratio_is_said_as_what_it_adds(language: str) -> None:
    half = wording.campaign_claim(MatchState(funds=(replace(FUND, ratio=HALF),)), language)
    assert "0.50" in numbers(half)
    assert not re.search("doubl", half)
    for ratio, sums in ((Ratio(numerator=1, denominator=3), {"1", "3"}), (Ratio(numerator=1, denominator=200), {"1", "200"})):
        state = MatchState(funds=(replace(FUND, ratio=ratio),))
        assert sums <= set(numbers(wording.campaign_claim(state, language)))
        assert sums <= set(numbers(wording.how_it_works(state, language)[0]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_rule_and_one_sum_go_together(language: str) -> None:
    """A fund of other terms is not counted into what is left of this one."""
    last, other = replace(FUND, available_cents=10_00), replace(FUND, name="Autre", ratio=HALF, available_cents=500_00)
    said = wording.campaign_claim(MatchState(funds=(last, other)), language)
    assert "10" in numbers(said)
    assert "510" not in numbers(said)
    alike = replace(FUND, name="Autre", available_cents=500_00)
    assert "510" in numbers(wording.campaign_claim(MatchState(funds=(last, alike)), language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", list(Happening))
def test_each_happening_is_a_sentence_with_its_sum(language: str, what: Happening) -> None:
    for why in [*Limit] if what is Happening.LESS else ["refund", "dispute", "release", "quarantine", "pledge", "resumed", "activated"]:
        said = match_of_a_gift.told(Life(what=what, cents=37_42, fund_name="Fonds Sanâa", why=why), language)
        assert not said[0].islower()
        assert said.endswith(".")
        assert "{" not in said
        without_sum = {Happening.EXPIRED, Happening.CANCELLED, Happening.FAILED, Happening.LESS, Happening.QUARANTINED, Happening.ACCEPTED}
        assert ("37.42" in numbers(said)) == (what not in without_sum)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_outcome_speaks_of_the_match_that_there_is(language: str) -> None:
    now = MatchNow(gift_cents=100_00, held_cents=0, matched_cents=0, fund_name="F", is_paid=True)
    assert match_of_a_gift.outcome(now, language) == ""
    assert "150" in numbers(match_of_a_gift.outcome(replace(now, matched_cents=50_00), language))
    waiting = match_of_a_gift.outcome(replace(now, matched_cents=50_00, waits=True), language)
    assert re.search(r"keeps its place|attend à sa place", waiting)
    paying = replace(now, is_paid=False, held_cents=50_00)
    assert "50" in numbers(match_of_a_gift.outcome(paying, language))
    assert re.search(r"bank|banque", match_of_a_gift.outcome(replace(paying, is_processing=True), language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_news_of_healing_names_what_came_and_what_it_comes_to(language: str) -> None:
    said = match_of_a_gift.healed(gift_cents=100_00, matched_cents=100_00, more_cents=62_58, fund_name="F", language=language)
    assert {"62.58", "100", "200"} <= set(numbers(said))
