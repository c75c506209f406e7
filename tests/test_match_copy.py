"""The match copy follows from the live rule over a grid of states, in both languages; matching is claimed only where a fund is open."""

import itertools
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaign.rules.allocation import Limit, Ratio
from campaign.rules.money import format_money_short
from campaign.texts import donation_timeline, match_copy, match_quote
from campaign.texts.donation_timeline import MatchStatus, TimelineEvent, TimelineKind
from campaign.texts.match_copy import FundStatus, FundView, MatchState
from campaign.texts.match_quote import Quote

TORONTO = ZoneInfo("America/Toronto")
ONE, HALF, TWO = Ratio(numerator=1, denominator=1), Ratio(numerator=1, denominator=2), Ratio(numerator=2, denominator=1)
FUND = FundView(name="Fonds Sanâa", ratio=ONE, pledged_cents=50_000_00, available_cents=12_350_00, held_cents=0)
OPEN = MatchState(funds=(FUND,))
PROMISES = re.compile(r"doubl|added|left\b|reste |de plus", re.IGNORECASE)
LANGUAGES = ["en", "fr"]


def numbers(text: str) -> list[str]:
    """Amounts and years in a sentence, in one notation, so that two languages can be compared."""
    bare = re.sub(r"(?<=\d)[\u00a0\u202f,](?=\d{3})|(?<=1)er", "", text)
    return sorted(n.replace(",", ".") for n in re.findall(r"\d+(?:[.,]\d\d)?", bare))


def grid() -> list[MatchState]:
    """Every combination of status, balance, holds, rematching, caps, window and ratio, for one fund and for two."""
    terms_grid: list[dict[str, Any]] = [
        {},
        {"per_donation_cents": 500_00, "minimum_cents": 25_00},
        {"per_donor_cents": 1_000_00},
        {"opens_at": datetime(2026, 12, 1, tzinfo=TORONTO), "closes_at": datetime(2027, 1, 1, tzinfo=TORONTO)},
        {"opens_at": datetime(2026, 12, 1, 9, tzinfo=TORONTO), "closes_at": datetime(2026, 12, 1, 21, tzinfo=TORONTO)},
    ]
    funds = [
        replace(FUND, status=status, available_cents=left, held_cents=held, ratio=ratio, **terms)
        for status, (left, held), ratio, terms in itertools.product(
            FundStatus,
            [(12_350_00, 0), (12_350_00, 5_00), (0, 5_00), (0, 0)],
            [ONE, HALF, TWO],
            terms_grid,
        )
    ]
    single = [
        MatchState(funds=(f,), holds=holds, is_rematching=is_rematching)
        for f in funds
        for holds, is_rematching in itertools.product((True, False), repeat=2)
    ]
    with_another = [MatchState(funds=(f, replace(FUND, name="Autre fonds", available_cents=7_00))) for f in funds]
    return [MatchState(funds=()), *single, *with_another]


GRID = grid()


@pytest.mark.parametrize("language", LANGUAGES)
def test_matching_is_claimed_exactly_when_a_fund_is_open(language: str) -> None:
    assert len(GRID) > 800
    for state in GRID:
        claim = match_copy.campaign_claim(state, language)
        assert bool(claim) == bool(state.funds)
        assert bool(PROMISES.search(claim)) == (state.first_open is not None), (state, claim)
        assert bool(match_copy.hold_promise(state, language)) == (state.first_open is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_remaining_match_is_stated_correctly(language: str) -> None:
    for state in GRID:
        if state.first_open is not None:
            left = numbers(format_money_short(sum(fund.unmatched_cents for fund in state.on_same_terms), language))[0]
            assert left in numbers(match_copy.campaign_claim(state, language)), state


def test_both_languages_name_the_same_sums_and_days() -> None:
    for state in GRID:
        for text_for in (match_copy.campaign_claim, match_copy.how_it_works, match_copy.hold_promise):
            english, french = text_for(state, "en"), text_for(state, "fr")
            assert len(english) == len(french) or isinstance(english, str)
            both = [" ".join(sentence) if isinstance(sentence, list) else sentence for sentence in (english, french)]
            hours = [
                re.sub(r"\d+[:\u202f ]*(?:h|:)?[\u00a0\u202f ]*\d*[\u00a0\u202f ]*(?:[ap]\.m\.)? \([A-Z]{2,3}\)", "", text) for text in both
            ]
            assert numbers(hours[0]) == numbers(hours[1]), both


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_hold_is_promised_exactly_when_match_is_held(language: str) -> None:
    hold_sentence = re.compile(r"shown as held while|reste acquis pendant")
    for state in GRID:
        sentence = " ".join([*match_copy.how_it_works(state, language), match_copy.hold_promise(state, language)])
        assert bool(hold_sentence.search(sentence)) == (state.holds and state.first_open is not None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_without_matching_says_that_the_donation_counts(language: str) -> None:
    counts = re.compile(r"counts in full|compte (toujours )?en entier")
    for state in GRID:
        if state.funds and state.first_open is None:
            assert counts.search(match_copy.campaign_claim(state, language)), state


@pytest.mark.parametrize(
    ("end", "english", "french"),
    [
        (datetime(2027, 1, 1, tzinfo=TORONTO), "through December 31, 2026", "jusqu’au 31 décembre 2026 inclus"),
        (datetime(2026, 11, 2, tzinfo=TORONTO), "through November 1, 2026", "jusqu’au 1er novembre 2026 inclus"),
        (datetime(2026, 12, 1, 21, tzinfo=TORONTO), "until December 1, 2026 at 9:00", "jusqu’au 1er décembre 2026 à 21"),
    ],
)
def test_the_end_of_a_window_is_written_as_its_last_day_or_time(end: datetime, english: str, french: str) -> None:
    state = MatchState(funds=(replace(FUND, closes_at=end),))
    assert english in match_copy.campaign_claim(state, "en")
    assert french in match_copy.campaign_claim(state, "fr")


def test_an_end_in_the_night_of_a_clock_change_names_its_time_zone() -> None:
    summer = datetime(2026, 11, 1, 0, 30, tzinfo=TORONTO)
    for end, zone in ((summer, "EDT"), (summer.astimezone(TORONTO) + timedelta(hours=3), "EST")):
        assert zone in match_copy.campaign_claim(MatchState(funds=(replace(FUND, closes_at=end),)), "en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("limit", [None, *Limit])
@pytest.mark.parametrize("match", [0, 37_42, 100_00])
def test_a_quote_states_exactly_its_match(language: str, limit: Limit | None, match: int) -> None:
    for fund, holds in itertools.product([None, FUND, replace(FUND, held_cents=5_00, minimum_cents=25_00)], [True, False]):
        sentence = match_quote.quote(Quote(gift_cents=100_00, match_cents=match, limit=limit, fund=fund, cause="it", holds=holds), language)
        assert ("137.42" in numbers(sentence)) == (match == 37_42)
        assert ("200" in numbers(sentence)) == (match == 100_00)
        assert bool(re.search(r"in part|en partie", sentence)) == (match > 0 and limit is not None)
        assert bool(re.search(r"cannot be matched|ne peut pas être jumelé", sentence)) == (match == 0)


def test_each_limit_has_its_own_sentence() -> None:
    for language in LANGUAGES:
        sentences = {
            match_quote.quote(
                Quote(gift_cents=100_00, match_cents=0, limit=limit, fund=replace(FUND, minimum_cents=250_00), cause="it"), language
            )
            for limit in Limit
        }
        assert len(sentences) == len(Limit)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_ratio_other_than_one_to_one_is_stated_as_what_it_adds(language: str) -> None:
    half = match_copy.campaign_claim(MatchState(funds=(replace(FUND, ratio=HALF),)), language)
    assert "0.50" in numbers(half)
    assert not re.search("doubl", half)
    for ratio, sums in ((Ratio(numerator=1, denominator=3), {"1", "3"}), (Ratio(numerator=1, denominator=200), {"1", "200"})):
        state = MatchState(funds=(replace(FUND, ratio=ratio),))
        assert sums <= set(numbers(match_copy.campaign_claim(state, language)))
        assert sums <= set(numbers(match_copy.how_it_works(state, language)[0]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_near_its_end_no_claim_says_that_every_dollar_is_matched(language: str) -> None:
    """A gift of a usual size may be more than what is left; who can take it all, by the terms of the fund, is asked to."""
    near = replace(FUND, available_cents=37_42)
    finish = "can finish it|peut en obtenir la dernière part"
    assert re.search(finish, match_copy.campaign_claim(MatchState(funds=(near,)), language))
    assert not re.search("doubl", match_copy.campaign_claim(MatchState(funds=(near,)), language))
    for other in (replace(near, available_cents=500_00), replace(near, per_donation_cents=10_00), replace(near, held_cents=10_00)):
        assert not re.search(finish, match_copy.campaign_claim(MatchState(funds=(other,)), language)), other


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_remaining_match_counts_only_funds_with_the_same_terms(language: str) -> None:
    """A fund with other terms is not counted in what is left of this one."""
    last, other = replace(FUND, available_cents=10_00), replace(FUND, name="Autre", ratio=HALF, available_cents=500_00)
    sentence = match_copy.campaign_claim(MatchState(funds=(last, other)), language)
    assert "10" in numbers(sentence)
    assert "510" not in numbers(sentence)
    alike = replace(FUND, name="Autre", available_cents=500_00)
    assert "510" in numbers(match_copy.campaign_claim(MatchState(funds=(last, alike)), language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(TimelineKind))
def test_each_timeline_event_is_a_sentence_with_its_amount(language: str, kind: TimelineKind) -> None:
    for reason in (
        [*Limit]
        if kind is TimelineKind.LESS
        else ["refund", "dispute", "release", "quarantine", "pledge", "resumed", "activated", "fell_through"]
    ):
        sentence = donation_timeline.describe(TimelineEvent(kind=kind, cents=37_42, fund_name="Fonds Sanâa", reason=reason), language)
        assert not sentence[0].islower()
        assert sentence.endswith(".")
        assert "{" not in sentence
        without_sum = {
            TimelineKind.EXPIRED,
            TimelineKind.CANCELLED,
            TimelineKind.CLOSED,
            TimelineKind.FAILED,
            TimelineKind.LESS,
            TimelineKind.QUARANTINED,
            TimelineKind.ACCEPTED,
            TimelineKind.NOT_MATCHABLE,
        }
        assert ("37.42" in numbers(sentence)) == (kind not in without_sum)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_outcome_states_the_current_match(language: str) -> None:
    now = MatchStatus(gift_cents=100_00, held_cents=0, matched_cents=0, fund_name="F", cause="it", is_paid=True)
    assert donation_timeline.match_outcome(now, language) == ""
    assert "150" in numbers(donation_timeline.match_outcome(replace(now, matched_cents=50_00), language))
    waiting = donation_timeline.match_outcome(replace(now, matched_cents=50_00, waits=True), language)
    assert re.search(r"is in line for it|est en file", waiting)
    paying = replace(now, is_paid=False, held_cents=50_00)
    assert "50" in numbers(donation_timeline.match_outcome(paying, language))
    assert re.search(r"bank|banque", donation_timeline.match_outcome(replace(paying, is_processing=True), language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rematch_news_states_the_increase_and_the_total(language: str) -> None:
    sentence = donation_timeline.rematch_news(
        gift_cents=100_00, matched_cents=100_00, more_cents=62_58, fund_name="F", cause="it", language=language
    )
    assert {"62.58", "100", "200"} <= set(numbers(sentence))
