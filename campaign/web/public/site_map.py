"""What programs ask every site for: robots.txt, the list of public pages, whom to tell of a flaw (RFC 9116), and an icon."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from flask import Blueprint, Response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import list_campaigns
from campaign.campaigns.charities import list_charities
from campaign.edges.services import services
from campaign.rules.page_text import PageKind
from campaign.web.languages import LANGUAGES
from campaign.web.public.drawings import share
from campaign.web.public.shared_head import DEFAULT_LANGUAGE
from campaign.web.security import access, shared

bp = Blueprint("site_map", __name__)

# Less than a year, as RFC 9116, section 2.5.5, recommends.
EXPIRES_IN = timedelta(days=180)

# Pages of donors are not here: they ask not to be indexed themselves, which only who opens them can read.
ROBOTS = """User-agent: *
Disallow: /staff/
Disallow: /funder/
Disallow: /stripe/

Sitemap: {site_map}
"""


@bp.get("/robots.txt")
@access("public")
@shared()
def robots() -> Response:
    """What programs should not open, and where the list of pages is."""
    return share(Response(ROBOTS.format(site_map=services().links.site_map()), mimetype="text/plain"))


@bp.get("/sitemap.xml")
@access("public")
@shared()
def site_map() -> Response:
    """The page of each public campaign, and those of its charity."""
    links = services().links
    slugs = [campaign.slug for campaign in list_campaigns() if campaign.is_public]
    of_charity = [partial(links.charity_page, kind=kind.value) for kind in PageKind if kind is not PageKind.PRIVACY]
    addresses: list[Callable[[str, str], str]] = [links.campaign_page, links.privacy_page, *of_charity]
    pages = [page for slug in slugs for address in addresses for page in _in_each_language(address, slug)]
    return share(Response(render_template("shared/sitemap.xml", pages=pages), mimetype="application/xml"))


@bp.get("/.well-known/security.txt")
@access("public")
@shared()
def security_txt() -> Response:
    """Whom to tell of a flaw in the security of the service: the charities, which reach whoever runs it."""
    contacts = sorted({f"Contact: mailto:{charity.email}" for charity in list_charities()})
    expires = (datetime.now(UTC) + EXPIRES_IN).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [*contacts, f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}", f"Preferred-Languages: {', '.join(LANGUAGES)}"]
    return share(Response("\n".join([*lines, ""]), mimetype="text/plain"))


@bp.get("/favicon.ico")
@access("public")
@shared()
def favicon() -> ResponseReturnValue:
    """The icon, for programs that do not read the address of it in a page."""
    return redirect(url_for("static", filename="icon.svg"), 301)


def _in_each_language(address: Callable[[str, str], str], slug: str) -> list[dict[str, Any]]:
    urls = {language: address(language, slug) for language in LANGUAGES}
    alternates = [*urls.items(), ("x-default", urls[DEFAULT_LANGUAGE])]
    return [{"url": url, "alternates": alternates} for url in urls.values()]
