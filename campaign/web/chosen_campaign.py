"""The campaign that a page of staff shows: that of the object on the page, the one asked for with `?campaign=`, or the last one chosen here.

While there are several, each link between pages of staff names the campaign of its page: serial numbers, and two tabs, may be of different ones.
"""

from typing import Any

from flask import Flask, current_app, has_request_context, request, session

from campaign.campaigns.campaigns import Campaign, list_campaigns
from campaign.staff.members import ROLES
from campaign.web.languages import current_language

CHOICE = "campaign"
# What a request has found out, in its environment.
SHOWN, ALL = "campaign.shown", "campaign.all"
# Addresses with these are of one campaign already.
OF_ONE = {CHOICE, "slug", "public_id"}


def init_app(app: Flask) -> None:
    """Let links between pages of staff name the campaign, and templates offer the choice."""
    app.url_defaults(_name_campaign)
    app.jinja_env.globals["campaign_choice"] = campaign_choice


def chosen_campaign() -> Campaign | None:
    """The campaign of this page; the first one where nobody chose. None before the first one is created."""
    if SHOWN not in request.environ:
        by_slug = {campaign.slug: campaign for campaign in _campaigns()}
        requested = request.args.get(CHOICE, "")
        if requested in by_slug and session.get(CHOICE) != requested:
            session[CHOICE] = requested
        request.environ[SHOWN] = by_slug.get(requested) or by_slug.get(session.get(CHOICE, "")) or next(iter(by_slug.values()), None)
    found: Campaign | None = request.environ[SHOWN]
    return found


def show_campaign(campaign: Campaign) -> None:
    """The page is about something of this campaign, whichever was chosen."""
    request.environ[SHOWN] = campaign


def campaign_choice() -> list[dict[str, Any]]:
    """The campaigns to choose from, in the head of each page of staff; empty with one campaign."""
    shown = chosen_campaign()
    found = _campaigns() if request.path.startswith("/staff") else []
    rows = [{"slug": one.slug, "name": one.title(current_language()), "is_shown": one is shown} for one in found]
    return rows if len(rows) > 1 else []


def of_charity(charity_id: int) -> dict[str, str]:
    """The parameter of a link to what is of this charity, whichever campaign the page shows; empty with one campaign."""
    found = _campaigns()
    return {CHOICE: next(one.slug for one in found if one.charity_id == charity_id)} if len(found) > 1 else {}


def of_campaign(campaign: Campaign) -> dict[str, str]:
    """The same for what is of this campaign."""
    return {CHOICE: campaign.slug} if len(_campaigns()) > 1 else {}


def _campaigns() -> list[Campaign]:
    if ALL not in request.environ:
        request.environ[ALL] = list_campaigns()
    found: list[Campaign] = request.environ[ALL]
    return found


def _name_campaign(endpoint: str, values: dict[str, Any]) -> None:
    view = current_app.view_functions.get(endpoint)
    is_between_pages = has_request_context() and request.path.startswith("/staff") and getattr(view, "access", "") in ROLES
    if is_between_pages and not OF_ONE & values.keys() and len(_campaigns()) > 1 and (campaign := chosen_campaign()):
        values[CHOICE] = campaign.slug
