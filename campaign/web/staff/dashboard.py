"""The dashboard of staff: the campaign's totals, today's donations, and what needs attention."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime

from campaign.campaigns.campaigns import Campaign
from campaign.payments.status import Status, shown_states_of
from campaign.reporting import campaign_days, staff_todo
from campaign.reporting import totals as reporting
from campaign.rules.money import format_money
from campaign.texts import match_forecast
from campaign.texts.dates import format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.labels import status_labels
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff import attention, day_chart

bp = Blueprint("staff_dashboard", __name__, url_prefix="/staff")


@bp.get("/")
@access("viewer")
def page() -> ResponseReturnValue:
    """Totals, what needs attention, and the latest donations."""
    campaign = campaign_or_404()
    language, charity = current_language(), campaign.charity
    totals = reporting.totals_of(campaign.slug)
    assert totals is not None
    todo, now = staff_todo.todo_of(campaign), datetime.now(UTC)
    day = charity.local(now).date()
    days = day_chart.days_of(campaign, today=day)
    today = days[-1]
    return render_template(
        "staff/dashboard.html",
        title=campaign.title(language),
        slug=campaign.slug,
        totals=totals,
        given=format_money(totals.donated_cents, language),
        matched=format_money(totals.matched_cents, language),
        raised=format_money(totals.raised_cents, language),
        goal=format_money(totals.goal_cents, language),
        left=format_money(totals.available_cents, language),
        unavailable=format_money(totals.unavailable_cents, language) if totals.unavailable_cents else "",
        held=format_money(totals.held_cents, language),
        pledged=format_money(totals.pledged_cents, language),
        fees=format_money(totals.fee_cents, language),
        covered_fees=format_money(totals.covered_fee_cents, language),
        today_count=today.donations,
        today_given=format_money(today.donated_cents - today.returned_cents, language),
        as_of=format_moment(charity.local(totals.as_of), language, "long"),
        latest=_lines(reporting.latest_donations(campaign), campaign, language),
        needs=attention.list_needs(campaign, todo),
        outlook=_outlook(campaign, now, language),
        chart=day_chart.chart_of(days, language),
        checked_at=format_moment(charity.local(todo.last_check.at), language) if todo.last_check else "",
    )


def _outlook(campaign: Campaign, now: datetime, language: str) -> dict[str, str]:
    """When the match runs out, and what that is read from; empty when no match is left."""
    outlook = campaign_days.outlook_of(campaign, now=now)
    if outlook is None:
        return {}
    return {
        "sentence": match_forecast.describe_forecast(
            outlook.forecast, ends_on=outlook.ends_on, left_at_end_cents=outlook.left_at_end_cents, language=language
        ),
        "pace": match_forecast.describe_pace(outlook.forecast, language) if outlook.forecast else "",
    }


def _lines(latest: Sequence[reporting.LatestDonation], campaign: Campaign, language: str) -> list[dict[str, Any]]:
    states, labels = shown_states_of([line.donation for line in latest]), status_labels()
    said = {number: "" if state is Status.PAID else labels[state] for number, state in states.items()}
    return [_line(line, campaign, language, state=said[line.donation.id]) for line in latest]


def _line(line: reporting.LatestDonation, campaign: Campaign, language: str, *, state: str) -> dict[str, Any]:
    donation = line.donation
    assert donation.received_at is not None
    return {
        "received_at": format_datetime(campaign.charity.local(donation.received_at), "yyyy-MM-dd HH:mm", rebase=False),
        "iso": donation.received_at.isoformat(),
        "name": donation.full_name,
        "state": state,
        "amount": format_money(donation.amount_cents, language),
        "covered_fee": format_money(donation.covered_fee_cents, language) if donation.covered_fee_cents else "–",
        "matched": format_money(line.matched_cents, language),
        "public_id": donation.public_id,
    }
