"""The gifts that donors let everybody see, without amounts: some of them on the campaign's page, and all of them page by page."""

from typing import Any
from uuid import UUID

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign, public_campaign
from campaign.donations import wall_entries
from campaign.texts.dedications import dedication_format
from campaign.web.languages import current_language
from campaign.web.public.regions import PROVINCES
from campaign.web.security import access

bp = Blueprint("wall", __name__)

SHOWN_ON_CAMPAIGN = 12
SHOWN_ON_PAGE = 60


@bp.get("/<any(en,fr):language>/<slug>/gifts")
@access("public")
def page(language: str, slug: str) -> ResponseReturnValue:
    """The gifts, those that appeared last first. `?after=` is the place after which the page continues; the first page for one that is unknown."""
    campaign = public_campaign(slug)
    if campaign is None:
        abort(404)
    return render_template(
        "donate/gifts.html",
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        give_url=url_for("campaigns.page", language=language, slug=campaign.slug, _anchor="give") if campaign.takes_gifts else "",
        wall=shown_gifts(campaign, limit=SHOWN_ON_PAGE, after=_place(request.args.get("after", ""))),
    )


def _place(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def shown_gifts(campaign: Campaign, *, limit: int, after: UUID | None = None) -> dict[str, Any]:
    """So many gifts as values for a page, and the place after which there are more; empty if there are none."""
    found = wall_entries.list_shown(campaign, limit=limit + 1, after=after)
    shown = found[:limit]
    return {
        "gifts": [
            {
                "name": gift.name,
                "province": province_name(gift.province),
                **dedication_values(gift.tribute_kind, gift.tribute_name),
            }
            for gift in shown
        ],
        "after": shown[-1].place if len(found) > limit else "",
        "is_first": after is None,
    }


def dedication_values(kind: str | None, name: str) -> dict[str, str]:
    """Whom the gift honours or remembers, as a text with a place for the name, and the name; empty for nobody."""
    return {"dedication": dedication_format(kind, name, current_language()) if kind else "", "tribute_name": name if kind else ""}


def province_name(code: str) -> str:
    """The province or territory in the reader's language; empty for a code of none in Canada."""
    return gettext(PROVINCES[code]) if code in PROVINCES else ""
