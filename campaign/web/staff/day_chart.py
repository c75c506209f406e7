"""The chart of days on the home page: gifts and matches as bars, and the same figures as a table."""

from datetime import date, timedelta
from typing import Any

from babel import dates
from flask import request, url_for
from flask_babel import ngettext

from campaign.campaigns.campaigns import Campaign
from campaign.reporting import campaign_days
from campaign.reporting.campaign_days import CampaignDay
from campaign.rules import bar_chart
from campaign.rules.money import format_money, format_money_short
from campaign.texts.dates import format_day

RANGES = (30, 90)


def days_of(campaign: Campaign, *, today: date) -> list[CampaignDay]:
    """As many days as the address asks for, of which today is the last one."""
    first = max(today - timedelta(days=_chosen_range() - 1), campaign.charity.local(campaign.created_at).date())
    return campaign_days.list_days(campaign, first=min(first, today), last=today)


def _chosen_range() -> int:
    count = request.args.get("days", type=int)
    return count if count in RANGES else RANGES[0]


def chart_of(days: list[CampaignDay], language: str) -> dict[str, Any]:
    """The values of staff/day_chart.html."""
    drawn = bar_chart.stack_bars([(day.donated_cents, day.matched_cents) for day in days])
    rows = [_row(day, language) for day in days]
    return {
        "chosen": _chosen_range(),
        "ranges": [(count, url_for("staff_dashboard.page", days=count, _anchor="days")) for count in RANGES],
        "width": bar_chart.WIDTH,
        "height": bar_chart.HEIGHT,
        "top": format_money_short(drawn.top_cents, language),
        "middle": format_money_short(drawn.top_cents // 2, language),
        "bars": [{"bar": bar, "title": row["title"]} for bar, row in zip(drawn.bars, rows, strict=True)],
        "labels": _labels(days, language),
        "rows": rows[::-1],
        "has_gifts": any(day.donations or day.matched_cents or day.returned_cents for day in days),
    }


def _row(day: CampaignDay, language: str) -> dict[str, str]:
    gifts = ngettext("%(num)s gift", "%(num)s gifts", day.donations)
    donated, matched = format_money(day.donated_cents, language), format_money(day.matched_cents, language)
    return {
        "on": day.day.isoformat(),
        "gifts": str(day.donations),
        "donated": donated,
        "matched": matched,
        "returned": format_money(day.returned_cents, language) if day.returned_cents else "–",
        "title": f"{format_day(day.day, language)} – {gifts}, {donated} + {matched}",
    }


def _labels(days: list[CampaignDay], language: str) -> list[str]:
    """The first day, the one in the middle and the last."""
    last = len(days) - 1
    return [dates.format_skeleton("MMMd", days[number].day, locale=language) for number in sorted({0, last // 2, last})]
