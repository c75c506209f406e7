"""What changes on an open campaign page, rendered once for all who have it open: the claim, the progress, the suggested amounts."""

from typing import Any

from flask import current_app
from flask_babel import force_locale

from campaign.campaigns.campaigns import Campaign, public_campaign
from campaign.reporting.totals import no_totals, totals_of
from campaign.texts import match_copy
from campaign.web.public.progress import progress_of
from campaign.web.public.quotes import CurrentFunds, funds_for_everybody, presets_of
from campaign.web.totals_events import StreamEvent, event_of


def page_event(slug: str, language: str) -> StreamEvent | None:
    """The parts of the page now; None when strangers may not see the campaign."""
    campaign = public_campaign(slug)
    if campaign is None:
        return None
    with force_locale(language):
        return event_of("page", page_parts(campaign, funds_for_everybody(campaign, language), language))


def page_parts(campaign: Campaign, funds: CurrentFunds, language: str) -> dict[str, Any]:
    """The parts of the page as text and HTML, by the id of the element that shows them. They are the same for everybody."""
    totals = totals_of(campaign.slug) or no_totals(campaign)
    progress = progress_of(campaign, totals, funds.state, language, takes_gifts=campaign.takes_gifts)
    return {
        "claim": match_copy.campaign_claim(funds.state, language),
        "held_while_paying": match_copy.hold_promise(funds.state, language),
        "progress": _render("donate/progress.html", progress=progress),
        "sums": _render("donate/sums.html", progress=progress),
        "presets": _render("donate/presets.html", presets=presets_of(campaign, funds, language), chosen=""),
    }


def _render(template: str, **values: Any) -> str:
    """Without what the app adds for requests: a stream is not answered by one."""
    return current_app.jinja_env.get_template(template).render(**values)
