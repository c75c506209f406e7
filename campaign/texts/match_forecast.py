"""When the match runs out at the present pace, in words."""

from datetime import date

from campaign.rules.exhaustion_forecast import FEWEST_DAYS, Forecast
from campaign.rules.money import format_money_short
from campaign.texts.catalogue import gettext_noop, translator
from campaign.texts.dates import format_day


def round_down(cents: int, *, to_cents: int) -> int:
    """The sum without what a forecast cannot know."""
    return cents // to_cents * to_cents


def describe_forecast(forecast: Forecast | None, *, ends_on: date | None, left_at_end_cents: int | None, language: str) -> str:
    """When the match runs out, or what is left of it when it ends."""
    to = translator(language)
    if forecast is None:
        return to.gettext("It is too early to say when the match runs out: that takes %(days)s whole days with gifts.", days=FEWEST_DAYS)
    if ends_on is not None and left_at_end_cents is not None:
        left = round_down(left_at_end_cents, to_cents=10_00)
        text = gettext_noop("At the present pace, about %(sum)s of the match is left when it ends on %(day)s.")
        return to.gettext(text, sum=format_money_short(left, language), day=format_day(ends_on, language))
    earliest, expected, latest = (
        format_day(day, language) if day else "" for day in (forecast.earliest_on, forecast.expected_on, forecast.latest_on)
    )
    if not earliest:
        return to.gettext("At the present pace, the match lasts for more than a year.")
    if not expected:
        return to.gettext("At the present pace, the match lasts for more than a year, and to %(earliest)s at least.", earliest=earliest)
    if not latest:
        return to.gettext(
            "At the present pace, the match runs out around %(expected)s, and not before %(earliest)s.",
            expected=expected,
            earliest=earliest,
        )
    if earliest == latest:
        return to.gettext("At the present pace, the match runs out on %(expected)s.", expected=expected)
    return to.gettext(
        "At the present pace, the match runs out around %(expected)s: between %(earliest)s and %(latest)s in four cases out of five.",
        expected=expected,
        earliest=earliest,
        latest=latest,
    )


def describe_pace(forecast: Forecast, language: str) -> str:
    """What the forecast is made from."""
    text = gettext_noop("The pace is that of the last %(days)s whole days: %(sum)s matched a day.")
    return translator(language).gettext(
        text, days=forecast.days, sum=format_money_short(round_down(forecast.daily_cents, to_cents=1_00), language)
    )
