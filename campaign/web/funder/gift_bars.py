"""What was matched by day or, over a longer time, by week, as bars; and by day as a table that does not say how few gifts there were."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from flask_babel import gettext

from campaign.reporting.statements.balances import DayChange
from campaign.rules import bar_chart
from campaign.rules.gift_groups import FEWEST_GIFTS
from campaign.rules.money import format_money, format_money_short
from campaign.texts.dates import format_day
from campaign.web.languages import current_language

# More bars than this cannot be distinguished on a phone.
MOST_BARS = 62
WEEK = 7


def bars_of(days: Sequence[DayChange], *, first_on: date, until: date) -> dict[str, Any]:
    """The values of templates/funders/gift_bars.html; empty when nothing was matched."""
    if not days:
        return {}
    language, count = current_language(), (until - first_on).days + 1
    step = 1 if count <= MOST_BARS else WEEK
    starts = [first_on + timedelta(days=number) for number in range(0, count, step)]
    sums = [0] * len(starts)
    for day in days:
        sums[(day.on - first_on).days // step] += day.matched_cents
    few, drawn = gettext("fewer than %(count)s", count=FEWEST_GIFTS), bar_chart.stack_bars([(cents,) for cents in sums])
    return {
        "is_weekly": step == WEEK,
        "width": bar_chart.WIDTH,
        "height": bar_chart.HEIGHT,
        "top": format_money_short(drawn.top_cents, language),
        "middle": format_money_short(drawn.top_cents // 2, language),
        "bars": [
            {"bar": bar, "part": bar.parts[0], "title": f"{format_day(start, language)} – {format_money(cents, language)}"}
            for bar, start, cents in zip(drawn.bars, starts, sums, strict=True)
        ],
        "first": format_day(first_on, language, "medium"),
        "last": format_day(until, language, "medium"),
        "rows": [_row(day, language, few=few) for day in reversed(days)],
    }


def _row(day: DayChange, language: str, *, few: str) -> dict[str, str]:
    return {
        "iso": day.on.isoformat(),
        "on": format_day(day.on, language, "medium"),
        "gifts": few if 0 < abs(day.donations) < FEWEST_GIFTS else str(day.donations),
        "matched": format_money(day.matched_cents, language),
    }
