"""The privacy page: in plain words who is responsible, what is stored and why, who gets it, for how long, and what people can ask for (Law 25, PIPEDA).

The periods are those that the charity has set: the page cannot promise others. What the charity adds itself is a section of its own.
"""

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import Campaign, public_campaign
from campaign.campaigns.charity_pages import own_text
from campaign.privacy import retention_rules
from campaign.rules.page_text import PageKind, blocks_of
from campaign.rules.retention import DAYS_TO_ANSWER, YEARS_OF_BOOKS
from campaign.texts.dates import format_period
from campaign.web.errors import campaign_or_404
from campaign.web.public.preview_notice import PreviewNotice
from campaign.web.security import access

bp = Blueprint("privacy_page", __name__)


@bp.get("/<any(en,fr):language>/privacy")
@access("public")
def page(language: str) -> ResponseReturnValue:
    """The page of the charity of the current campaign."""
    return _stored_page(campaign_or_404(), language)


@bp.get("/<any(en,fr):language>/<slug>/privacy")
@access("public")
def of_campaign(language: str, slug: str) -> ResponseReturnValue:
    """The page of the charity of this campaign."""
    campaign = public_campaign(slug)
    if campaign is None:
        abort(404)
    return _stored_page(campaign, language)


def _stored_page(campaign: Campaign, language: str) -> str:
    return privacy_page(campaign, language, own_text(campaign.charity, PageKind.PRIVACY, language))


def privacy_page(campaign: Campaign, language: str, text: str, *, preview: PreviewNotice | None = None) -> str:
    """Render the page with this text of the charity, or without one."""
    charity = campaign.charity
    return render_template(
        "donate/privacy.html",
        campaign=campaign,
        charity=charity,
        charity_name=charity.name(language),
        periods={rule.kind.value: format_period(rule.days, language) for rule in retention_rules.list_rules()},
        answer_days=DAYS_TO_ANSWER,
        years=YEARS_OF_BOOKS,
        blocks=blocks_of(text),
        preview=preview,
    )
