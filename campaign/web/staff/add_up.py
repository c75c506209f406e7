"""Pages that add up each gift of a period ask first when there are many: it takes seconds, and nobody waits who wanted another page."""

from flask import render_template, request
from flask_babel import format_decimal, gettext

from campaign.campaigns.campaigns import Campaign
from campaign.reporting import gifts_received
from campaign.reporting.journal_days import ALWAYS
from campaign.rules.fiscal_years import Period
from campaign.web.languages import current_language

# What is less is added up at once.
SUMMED_AT_ONCE = 5_000
# In the query, that the member waits for the sums.
ALL_SUMS = "all"


def asks_first(campaign: Campaign, period: Period) -> bool:
    """Whether the period has so many gifts that the member is asked before they are added up, and has not been."""
    return request.args.get("sums") != ALL_SUMS and gifts_received.has_more_than(campaign.charity, period, SUMMED_AT_ONCE)


def asks_first_since(campaign: Campaign, period: Period) -> bool:
    """The same where the gifts after the period are added up too: a balance of then is that of now without what came later."""
    return asks_first(campaign, Period(first_on=period.first_on, last_on=ALWAYS.last_on))


def sums_url() -> str:
    """The address of the same page with the sums."""
    return f"?{request.query_string.decode()}&sums={ALL_SUMS}" if request.query_string else f"?sums={ALL_SUMS}"


def question() -> str:
    """What is said in place of the sums."""
    return gettext("There are more than %(count)s gifts to add up.", count=format_decimal(SUMMED_AT_ONCE))


def render_question(campaign: Campaign, heading: str, years: list[int], year: int | None) -> str:
    """The page without its sums; with years, another one can be chosen."""
    return render_template(
        "staff/add_up.html",
        title=campaign.title(current_language()),
        heading=heading,
        question=question(),
        url=sums_url(),
        years=years,
        year=year,
    )
