"""What is said of the match follows from the live balance, in both languages."""

import re
from dataclasses import replace

import pytest

from campaign.rules import wording
from campaign.rules.wording import MatchState

STATE = MatchState(
    fund_name="Fonds Sanâa", ratio_numerator=1, ratio_denominator=1, available_cents=12_350_00, held_cents=0, pledged_cents=50_000_00
)
CLAIMS = re.compile(r"doubl|left|reste|ajoute|adds", re.IGNORECASE)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_while_money_is_left_the_page_says_how_much(language: str) -> None:
    said = wording.campaign_claim(STATE, language)
    assert "doubl" in said
    assert ("$12,350" if language == "en" else "12\u00a0350\u00a0$") in said


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("held", [0, 5_00])
def test_when_the_fund_is_used_up_the_claim_is_gone(language: str, held: int) -> None:
    empty = replace(STATE, available_cents=0, held_cents=held)
    assert not CLAIMS.search(wording.campaign_claim(empty, language))
    assert wording.held_while_paying(empty, language) == ""


@pytest.mark.parametrize("language", ["en", "fr"])
def test_without_a_fund_nothing_is_claimed(language: str) -> None:
    assert wording.campaign_claim(None, language) == ""
    assert wording.held_while_paying(None, language) == ""


@pytest.mark.parametrize(("match", "full"), [(0, 100_00), (37_42, 100_00), (100_00, 100_00)])
def test_a_quote_never_names_a_match_that_is_not_there(match: int, full: int) -> None:
    for language in ("en", "fr"):
        said = wording.quote(gift_cents=100_00, match_cents=match, full_cents=full, language=language)
        digits = re.sub(r"\D", " ", said.replace("\u00a0", "").replace(",", "").replace(".", "")).split()
        together = {0: None, 37_42: "13742", 100_00: "200"}[match]
        assert together is None or together in digits
        assert bool(re.search(r"in part|en partie", said)) == (0 < match < full)


def test_another_ratio_is_said_as_what_it_adds() -> None:
    half = replace(STATE, ratio_numerator=1, ratio_denominator=2)
    assert "$0.50" in wording.campaign_claim(half, "en")
    assert "0,50\u00a0$" in wording.campaign_claim(half, "fr")


def test_the_outcome_speaks_of_the_match_that_there_is() -> None:
    def said(held: int, matched: int, language: str = "en") -> str:
        return wording.outcome(gift_cents=100_00, held_cents=held, matched_cents=matched, fund_name="F", language=language)

    assert said(0, 0) == ""
    assert "held" in said(50_00, 0)
    assert "$150" in said(0, 50_00)
    assert "150\u00a0$" in said(0, 50_00, "fr")
