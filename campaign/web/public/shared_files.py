"""Files about a campaign for sharing it: the picture that social networks show with a link, and a poster to print."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.config import resource
from campaign.edges import pdf, png
from campaign.edges.services import services
from campaign.matching.funds import funds_of
from campaign.reporting.totals import match_state
from campaign.texts import match_copy
from campaign.texts.dates import format_day
from campaign.web.downloads import name_file
from campaign.web.public.drawings import drawings, respond
from campaign.web.public.shared_figures import public_campaign_or_404, shared_figures
from campaign.web.security import DRAWINGS_PER_CLIENT, access, limiter, shared

bp = Blueprint("shared_files", __name__)

PICTURE = resource("templates") / "shared" / "picture.typ"
POSTER = resource("templates") / "shared" / "poster.typ"
# No word is longer that fits a line in the smallest size; a space of no width lets it break.
LONG_WORD = re.compile(r"\S{36,}")
NO_WIDTH = "\u200b"


@bp.get("/<any(en,fr):language>/<slug>/og.png")
@access("public")
@shared()
@limiter.limit(DRAWINGS_PER_CLIENT)
def picture(language: str, slug: str) -> Response:
    """The title with what is raised and the words about the match, of this minute."""
    return _respond(public_campaign_or_404(slug), language, _draw_picture, "image/png")


@bp.get("/<any(en,fr):language>/<slug>/poster.pdf")
@access("public")
@shared()
@limiter.limit(DRAWINGS_PER_CLIENT)
def poster(language: str, slug: str) -> Response:
    """The title, the terms of the match, and a QR code that opens the campaign's page."""
    response = _respond(public_campaign_or_404(slug), language, _draw_poster, "application/pdf")
    return name_file(response, f"{slug}-{language}.pdf", disposition="inline")


def _respond(campaign: Campaign, language: str, draw: Callable[[Campaign, str, datetime], bytes], mimetype: str) -> Response:
    now = datetime.now(UTC)
    key = (mimetype, language, campaign.id, campaign.status)  # One that has just closed does not ask for gifts for another minute.
    return respond(drawings().get_or_draw(key, lambda: draw(campaign, language, now), now=now), mimetype)


def _draw_picture(campaign: Campaign, language: str, now: datetime) -> bytes:
    figures = shared_figures(campaign, language, in_dollars=True)
    data = {
        "language": language,
        "title": _printed(campaign.title(language)) or campaign.slug,
        "charity": _printed(campaign.charity.name(language)),
        "test": gettext("TEST") if services().settings.is_sandbox else "",
        "sentence": figures.sentence,
        "has_bar": figures.has_bar,
        "donated_parts": figures.donated_parts,
        "matched_parts": figures.matched_parts,
        "sums": _sums(figures.donated, figures.matched) if figures.has_fund and not figures.is_empty else [],
        "words": _printed(figures.closing or figures.claim),
        "as_of": gettext("As of %(day)s", day=_day(campaign, language, now)),
    }
    return png.draw(PICTURE, json.dumps(data, ensure_ascii=False))


def _printed(text: str) -> str:
    return LONG_WORD.sub(lambda word: NO_WIDTH.join(word[0]), pdf.printable(text))


def _sums(donated: str, matched: str) -> list[tuple[str, str]]:
    return [(gettext("Given by donors"), donated), (gettext("Matched"), matched)]


def _draw_poster(campaign: Campaign, language: str, now: datetime) -> bytes:
    charity, url, terms = campaign.charity, services().links.campaign_page(language, campaign.slug), _terms(campaign, language, now)
    data: dict[str, Any] = {
        "language": language,
        "title": _printed(campaign.title(language)) or campaign.slug,
        "lead": _printed(campaign.lead(language)),
        "charity": _printed(charity.name(language)),
        "registered": gettext("Registered charity"),
        "registration_number": charity.registration_number,
        "test": gettext("TEST – this is a trial. No real money moves and no receipt is valid.") if services().settings.is_sandbox else "",
        "words": _printed(terms or shared_figures(campaign, language).closing),
        "as_of": gettext("As of %(day)s, while matching is left.", day=_day(campaign, language, now)) if terms else "",
        "scan": gettext("Scan to give") if campaign.takes_gifts else gettext("Scan to see the result"),
        "qr": pdf.qr_code(url),
        "qr_alt": gettext("QR code of %(address)s", address=url),
        "address": url.partition("://")[2],
    }
    # The same bytes all day, while nothing on it changes.
    return pdf.render(POSTER, data, at=charity.local(now).replace(hour=0, minute=0, second=0, microsecond=0))


def _terms(campaign: Campaign, language: str, now: datetime) -> str:
    """What the fund that matches now pledged, which ages more slowly on paper than a balance; empty while none matches."""
    state = match_state(campaign, funds_of(campaign.id), language, now=now)
    if not campaign.takes_gifts or state.first_open is None:
        return ""
    return match_copy.how_it_works(state, language)[state.funds.index(state.first_open)]


def _day(campaign: Campaign, language: str, now: datetime) -> str:
    return format_day(campaign.charity.local(now).date(), language)
