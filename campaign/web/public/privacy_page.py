"""The privacy page: in plain words who is responsible, what is stored and why, who gets it, for how long, and what people can ask for (Law 25, PIPEDA).

The periods are those that the charity has set: the page cannot promise others.
"""

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import Campaign, campaign_by_slug
from campaign.privacy import retention_rules
from campaign.rules.retention import DAYS_TO_ANSWER, YEARS_OF_BOOKS
from campaign.web.errors import campaign_or_404
from campaign.web.security import access

bp = Blueprint("privacy_page", __name__)


@bp.get("/<any(en,fr):language>/privacy")
@access("public")
def page(language: str) -> ResponseReturnValue:
    """The page of the charity of the current campaign."""
    return _page(campaign_or_404(), language)


@bp.get("/<any(en,fr):language>/<slug>/privacy")
@access("public")
def of_campaign(language: str, slug: str) -> ResponseReturnValue:
    """The page of the charity of this campaign."""
    campaign = campaign_by_slug(slug)
    if campaign is None:
        abort(404)
    return _page(campaign, language)


def _page(campaign: Campaign, language: str) -> str:
    charity = campaign.charity
    return render_template(
        "donate/privacy.html",
        campaign=campaign,
        charity=charity,
        charity_name=charity.name(language),
        days={rule.kind.value: rule.days for rule in retention_rules.list_rules()},
        answer_days=DAYS_TO_ANSWER,
        years=YEARS_OF_BOOKS,
    )
