"""The campaign's progress in pages of other sites: a widget for a frame, and a badge. Neither sets a cookie or runs a script.

The language is that of `?lang=`, English without one: whoever puts them on a page chooses it, not the reader's browser.
"""

from datetime import timedelta

from flask import Blueprint, Response, render_template, request
from flask_babel import force_locale, gettext

from campaign.campaigns.campaigns import Campaign
from campaign.edges.services import services
from campaign.web.languages import LANGUAGES
from campaign.web.public.drawings import share
from campaign.web.public.shared_figures import public_campaign_or_404, shared_figures
from campaign.web.security import access, shared

bp = Blueprint("widget", __name__)

REFRESH_SECONDS = 60
# Short, so that a claim that has ended is soon gone.
LIFETIME = timedelta(seconds=10)
LONGEST_BADGE_TITLE = 40
# Of the system's sans-serif at 11 pixels, generously: the text is fitted to it.
NARROW, USUAL, WIDE, WIDEST = 40, 68, 95, 120
PADDING = 8


def _language() -> str:
    requested = request.args.get("lang", "")
    return requested if requested in LANGUAGES else "en"


@bp.get("/embed/<slug>")
@access("public")
@shared(in_frames=True)
def widget(slug: str) -> Response:
    """The progress, the claim about the match, and a link to the page. It loads itself anew each minute."""
    campaign, language = public_campaign_or_404(slug), _language()
    with force_locale(language):
        page = render_template(
            "shared/widget.html",
            title=campaign.title(language),
            charity_name=campaign.charity.name(language),
            figures=shared_figures(campaign, language),
            takes_gifts=campaign.takes_gifts,
            url=services().links.campaign_page(language, slug),
            refresh_seconds=REFRESH_SECONDS,
        )
    return share(Response(page, mimetype="text/html"), lifetime=LIFETIME)


@bp.get("/<slug>/badge.svg")
@access("public")
@shared()
def badge(slug: str) -> Response:
    """The title, what is raised, and how much of the goal that is."""
    campaign, language = public_campaign_or_404(slug), _language()
    with force_locale(language):
        left, right = _badge_title(campaign, language), _badge_sum(campaign, language)
        widths = [_width_of(text) for text in (left, right)]
        picture = render_template(
            "shared/badge.svg",
            label=gettext("%(title)s: %(sum)s", title=campaign.title(language), sum=right),
            left=left,
            right=right,
            left_width=widths[0],
            right_width=widths[1],
            left_box=widths[0] + 2 * PADDING,
            right_box=widths[1] + 2 * PADDING,
            width=sum(widths) + 4 * PADDING,
        )
    return share(Response(picture, mimetype="image/svg+xml"))


def _badge_title(campaign: Campaign, language: str) -> str:
    title = campaign.title(language)
    title = title if len(title) <= LONGEST_BADGE_TITLE else f"{title[: LONGEST_BADGE_TITLE - 1].rstrip()}…"
    return gettext("TEST: %(title)s", title=title) if services().settings.is_sandbox else title


def _badge_sum(campaign: Campaign, language: str) -> str:
    figures = shared_figures(campaign, language, in_dollars=True)
    if figures.match_counts:
        return gettext("%(raised)s raised, %(percent)s%%", raised=figures.toward_goal, percent=figures.percent)
    return gettext("%(given)s given, %(percent)s%%", given=figures.toward_goal, percent=figures.percent)


def _width_of(text: str) -> int:
    """About how many pixels wide the text is."""
    return sum(_tenths_of(character) for character in text) // 10


def _tenths_of(character: str) -> int:
    if character in "iIlj.,:;!|'’ \u00a0\u202f()":
        return NARROW
    if ord(character) >= 0x1100:
        return WIDEST
    return WIDE if character in "mwMWQOGD@%…&" else USUAL
