"""What the page of a funder says of their fund, in every state, in both languages."""

from datetime import UTC, date, datetime, timedelta

import pytest

from campaign.rules.exhaustion_forecast import Forecast
from campaign.rules.fund_outlook import FundStage, Lifecycle, Outlook, outlook_of
from campaign.texts.fund_report import FundSums, describe_outlook, headline

NOW = datetime(2026, 11, 28, 17, tzinfo=UTC)
FIRST = date(2026, 11, 1)
NOTHING = Outlook(forecast=None, ends_on=None, left_at_end_cents=None)


def sums(stage: FundStage, matched: int, gifts: int, donors: int) -> FundSums:
    return FundSums(stage=stage, pledged_cents=50_000_00, matched_cents=matched, gift_cents=gifts, donors=donors)


@pytest.mark.parametrize(
    ("found", "english", "french"),
    [
        (sums(FundStage.ALL_MATCHED, 50_000_00, 50_062_00, 142), "Your $50,000 has moved $50,062 from 142 donors", "142 donateurs"),
        (sums(FundStage.ALL_MATCHED, 50_000_00, 25_000_00, 1), "Your $50,000 has moved $25,000 from 1 donor", "de 1 donateur"),
        (
            sums(FundStage.OPEN, 24_700_00, 12_350_50, 42),
            "$24,700 of your $50,000 is matched so far, and has moved $12,350.50 from 42 donors",
            "42 donateurs",
        ),
        (
            sums(FundStage.PAUSED, 100_00, 100_00, 1),
            "$100 of your $50,000 is matched so far, and has moved $100 from 1 donor",
            "de 1 donateur",
        ),
        (sums(FundStage.ENDED, 100_00, 100_00, 2), "$100 of your $50,000 was matched, and has moved $100 from 2 donors", "2 donateurs"),
        (sums(FundStage.OPEN, 0, 0, 0), "Your $50,000 is ready for the first gift", "premier don"),
        (sums(FundStage.NOT_BEGUN, 0, 0, 0), "Your $50,000 is ready: it matches gifts from November 1, 2026 on", "1er novembre 2026"),
        (sums(FundStage.PAUSED, 0, 0, 0), "Your $50,000 waits: its matching is paused, and no gift is matched yet", "pause"),
        (sums(FundStage.ENDED, 0, 0, 0), "The matching has ended, and no gift is matched with your $50,000", "terminé"),
    ],
)
def test_the_headline_is_true_in_every_state(found: FundSums, english: str, french: str) -> None:
    assert headline(found, begins_on=FIRST, language="en") == english
    text = headline(found, begins_on=FIRST, language="fr")
    assert french in text
    assert "50\u00a0000\u00a0$" in text


def test_a_fund_without_a_first_day_has_not_begun_before_it_is_activated() -> None:
    assert (
        headline(sums(FundStage.NOT_BEGUN, 0, 0, 0), begins_on=None, language="en") == "Your $50,000 is ready. It does not match gifts yet"
    )


def test_the_stage_follows_what_was_done_with_the_fund() -> None:
    def stage(*changes: str, opens_at: datetime | None = None, closes_at: datetime | None = None, left: int = 1) -> FundStage:
        return Lifecycle(changes=changes, opens_at=opens_at, closes_at=closes_at).stage(NOW, unmatched_cents=left)

    day = timedelta(days=1)
    assert stage("pledged") is FundStage.NOT_BEGUN
    assert stage("pledged", "activated") is FundStage.OPEN
    assert stage("activated", "paused", "pledged") is FundStage.PAUSED
    assert stage("activated", "paused", "resumed") is FundStage.OPEN
    assert stage("activated", "paused", "ended") is FundStage.ENDED
    assert stage("activated", "ended", left=0) is FundStage.ALL_MATCHED
    assert stage("activated", opens_at=NOW + day) is FundStage.NOT_BEGUN
    assert stage("activated", opens_at=NOW - day, closes_at=NOW) is FundStage.ENDED


def test_the_outlook_is_a_day_with_its_range_or_says_why_there_is_none() -> None:
    def said(stage: FundStage, outlook: Outlook = NOTHING, language: str = "en") -> str:
        return " ".join(describe_outlook(stage, outlook, begins_on=FIRST, language=language))

    assert all(said(stage) and said(stage) != said(stage, language="fr") for stage in FundStage)
    assert said(FundStage.OPEN).startswith("It is too early to say")
    assert "paused" in said(FundStage.PAUSED)
    steady = {FIRST + timedelta(days=number): 100_00 for number in range(20)}
    found = outlook_of(steady, unmatched_cents=1_000_00, first_on=FIRST, next_on=FIRST + timedelta(days=20), ends_on=None)
    assert found.forecast == Forecast(
        expected_on=date(2026, 12, 1), earliest_on=date(2026, 12, 1), latest_on=date(2026, 12, 1), daily_cents=100_00, days=20
    )
    assert said(FundStage.OPEN, found).startswith(
        "At the present pace, the match runs out on December 1, 2026. The pace is that of the last 20"
    )
    ending = outlook_of(steady, unmatched_cents=1_000_00, first_on=FIRST, next_on=FIRST + timedelta(days=20), ends_on=date(2026, 11, 23))
    assert ending.left_at_end_cents == 700_00
