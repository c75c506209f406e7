"""The first page of staff: when the match runs out, in words, and the chart of days with the same figures as a table."""

import re
from datetime import UTC, date, datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import event, text

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.reporting import campaign_days
from campaign.reporting.ledger_days import LedgerDay, SummedDays
from campaign.rules.bar_chart import HEIGHT, round_up, stack_bars
from campaign.rules.exhaustion_forecast import Forecast
from campaign.texts.match_forecast import describe_forecast
from tests.factories import create_refund, paid, today
from tests.web import signed_in

DAY = date(2027, 1, 12)
# Each takes about a millisecond, whatever it finds.
MOST_QUERIES = 27
CENTS = re.compile(r'class="part-(given|match)"')


def forecast(*, earliest: date | None = DAY, expected: date | None = DAY, latest: date | None = DAY) -> Forecast:
    return Forecast(expected_on=expected, earliest_on=earliest, latest_on=latest, daily_cents=100_00, days=28)


def in_words(found: Forecast | None, language: str, *, ends_on: date | None = None, left_at_end_cents: int | None = None) -> str:
    """The sentence with plain spaces."""
    return describe_forecast(found, ends_on=ends_on, left_at_end_cents=left_at_end_cents, language=language).replace(
        "\N{NO-BREAK SPACE}", " "
    )


@pytest.mark.parametrize(
    ("found", "english", "french"),
    [
        (None, "too early to say", "trop tôt pour dire"),
        (forecast(), "runs out on January 12, 2027.", "épuisé le 12 janvier 2027."),
        (
            forecast(earliest=date(2027, 1, 1), latest=date(2027, 2, 1)),
            "around January 12, 2027: between January 1, 2027 and February 1, 2027 in four cases out of five.",
            "vers le 12 janvier 2027 : entre le 1er janvier 2027 et le 1er février 2027 dans quatre cas sur cinq.",
        ),
        (forecast(latest=None), "around January 12, 2027, and not before January 12, 2027.", "et pas avant le 12 janvier 2027."),
        (forecast(expected=None, latest=None), "more than a year, and to January 12, 2027 at least.", "au moins jusqu’au 12 janvier 2027."),
        (forecast(earliest=None, expected=None, latest=None), "lasts for more than a year.", "durera plus d’un an."),
    ],
)
def test_a_forecast_in_words(found: Forecast | None, english: str, french: str) -> None:
    for language, words in (("en", english), ("fr", french)):
        assert words in in_words(found, language)


def test_what_is_left_when_the_match_ends_is_said_without_false_precision() -> None:
    for language, words in (("en", "about $12,340 of the match is left"), ("fr", "environ 12 340 $ du jumelage")):
        assert words in in_words(forecast(), language, ends_on=DAY, left_at_end_cents=12_349_99)


@pytest.fixture
def pace(campaign: Campaign, fund: Fund) -> int:
    """$500 matched on each of the last ten days, on which the fund was active; returns the cents of a day."""
    days = [today() - timedelta(days=n) for n in range(1, 11)]
    moment = datetime.combine(days[-1] - timedelta(days=1), time(12), UTC)
    db.session.execute(text("SET session_replication_role = replica"))
    db.session.execute(text("UPDATE fund SET activated_at = :moment"), {"moment": moment})
    db.session.execute(text("UPDATE campaign SET created_at = :moment"), {"moment": moment})
    db.session.execute(text("SET session_replication_role = DEFAULT"))
    for day in days:
        of_day = {"campaign_id": campaign.id, "day": day, "cents": 500_00, "entries": 2}
        db.session.add_all([LedgerDay(kind="donation", **of_day), LedgerDay(kind="match", fund_id=fund.id, **of_day)])
    db.session.add(SummedDays(campaign_id=campaign.id, until_on=days[0], time_zone=campaign.charity.time_zone))
    db.session.commit()
    db.session.expire_all()
    return 500_00


@pytest.mark.owner
def test_the_outlook_is_that_of_open_funds_at_the_pace_of_whole_days(campaign: Campaign, fund: Fund, pace: int) -> None:
    now = datetime.now(UTC)
    outlook = campaign_days.outlook_of(campaign, now=now)
    assert outlook and outlook.forecast and outlook.left_at_end_cents is None
    assert (outlook.left_cents, outlook.forecast.days) == (50_000_00, 10)
    assert outlook.forecast.expected_on == today() + timedelta(days=50_000_00 // pace)
    with db.session.no_autoflush:
        check_end_and_pause(campaign, fund, pace, now)
    db.session.rollback()


def check_end_and_pause(campaign: Campaign, fund: Fund, pace: int, now: datetime) -> None:
    """As if its terms had an end; the database has frozen them."""
    fund.closes_at = datetime.combine(today() + timedelta(days=20), time(), campaign.charity.local(now).tzinfo)
    ends = campaign_days.outlook_of(campaign, now=now)
    assert ends and (ends.ends_on, ends.left_at_end_cents) == (today() + timedelta(days=19), 50_000_00 - 20 * pace)
    fund.paused_at = now
    assert campaign_days.outlook_of(campaign, now=now) is None, "nothing is matched now"


@pytest.mark.owner
def test_the_chart_and_its_table_have_the_same_days(app: Flask, campaign: Campaign, pace: int) -> None:
    create_refund(paid(campaign, 300_00), 100_00)
    db.session.commit()
    page = signed_in(app, "viewer").get("/staff/?days=90").text
    assert len(CENTS.findall(page)) == 22, "a bar of two parts for each of eleven days"
    assert re.findall(r'<td class="sum" data-label="Matched">(.*?)</td>', page)[:2] == ["$200.00", "$500.00"]
    assert re.findall(r'<td class="sum" data-label="Returned">(.*?)</td>', page)[:2] == ["$100.00", "–"]
    assert "At the present pace, the match runs out on" in page or "around" in page
    assert 'href="/staff/?days=90#days" aria-current="true"' in page


def test_a_campaign_without_gifts_has_words_in_place_of_a_chart(app: Flask, campaign: Campaign) -> None:
    page = signed_in(app, "viewer").get("/staff/?days=7777&lang=fr").text
    assert "Il n’y a eu aucun don ces jours-là." in page
    assert "<svg" not in page


def test_bars_are_stacked_to_scale() -> None:
    drawn = stack_bars([(100_00, 50_00), (0, -5), (200_00, 200_00)])
    assert drawn.top_cents == 500_00
    first, second, third = drawn.bars
    assert [part.height for part in first.parts] == [HEIGHT // 5, HEIGHT // 10]
    assert [part.y for part in first.parts] == [HEIGHT * 4 // 5, HEIGHT * 7 // 10]
    assert [part.height for part in second.parts] == [0, 0]
    assert [part.height for part in third.parts] == [HEIGHT * 2 // 5] * 2
    assert first.x + first.width <= second.x
    assert stack_bars([]).bars == ()


@pytest.mark.parametrize(
    ("cents", "top"), [(0, 10_00), (10_00, 10_00), (10_01, 20_00), (21_00, 25_00), (26_00, 50_00), (999_99, 1_000_00), (1_000_01, 2_000_00)]
)
def test_a_scale_ends_at_a_round_sum(cents: int, top: int) -> None:
    assert round_up(cents) == top


def test_the_page_asks_the_database_a_few_times_whatever_needs_attention(app: Flask, campaign: Campaign, fund: Fund) -> None:
    create_refund(paid(campaign), 5_00)
    client, asked = signed_in(app, "manager"), list[str]()
    client.get("/staff/")

    def listen(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", listen)
    page = client.get("/staff/")
    event.remove(db.engine, "before_cursor_execute", listen)
    assert page.status_code == 200
    assert len(asked) <= MOST_QUERIES, "\n".join(asked)
