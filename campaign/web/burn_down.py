"""The burn-down of a fund as templates/funders/burn_down.html shows it: a chart, and the same by day as a table."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from flask_babel import gettext

from campaign.reporting.fund_days import FundDay
from campaign.rules import step_chart
from campaign.rules.money import format_money, format_money_short
from campaign.texts.dates import format_day
from campaign.web.languages import current_language


def chart_of(days: Sequence[FundDay], *, until: date) -> dict[str, Any]:
    """The bands from the bottom, up to the end of the day `until`, and the same as rows; empty when there is nothing to show."""
    language, top = current_language(), max((day.pledged_cents for day in days), default=0)
    names = (("match", gettext("Matched")), ("left", gettext("Not matched")))
    if not days or not top:
        return {}
    places = [(day.on - days[0].on).days for day in days]
    layers = [[getattr(day, f"{of}_cents") for day in days] for of in ("matched", "left")]
    bands = step_chart.stacked_steps(places, layers, last=(until - days[0].on).days + 1, top=top)
    return {
        "bands": [{"kind": kind, "name": name, "points": points} for (kind, name), points in zip(names, bands, strict=True)],
        "width": step_chart.WIDTH,
        "height": step_chart.HEIGHT,
        "first": format_day(days[0].on, language),
        "last": format_day(until, language),
        "top": format_money_short(top, language),
        "rows": [
            {
                "iso": day.on.isoformat(),
                "day": format_day(day.on, language, "medium"),
                "sums": [format_money(cents, language) for cents in (day.matched_cents, day.left_cents)],
            }
            for day in reversed(days)
        ],
        "columns": [name for _, name in names],
    }
