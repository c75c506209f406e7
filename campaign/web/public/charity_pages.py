"""The pages on which a charity says how accessible its pages are, how it refunds gifts, and its terms: its own texts, or the default ones."""

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign, public_campaign
from campaign.campaigns.charities import Charity
from campaign.campaigns.charity_pages import page_of
from campaign.rules.page_text import PageKind, blocks_of
from campaign.texts.dates import format_day
from campaign.texts.page_texts import Organization, default_text
from campaign.web.public.preview_notice import PreviewNotice
from campaign.web.security import access

bp = Blueprint("charity_pages", __name__)


@bp.get("/<any(en,fr):language>/<slug>/<any(accessibility,refunds,terms):kind>")
@access("public")
def page(language: str, slug: str, kind: str) -> ResponseReturnValue:
    """The page of the charity of this campaign."""
    campaign = public_campaign(slug)
    if campaign is None:
        abort(404)
    charity, of_kind = campaign.charity, PageKind(kind)
    stored = page_of(charity, of_kind)
    if stored is None or not stored.is_own:
        return charity_page(campaign, of_kind, language, default_of(charity, of_kind, language))
    changed_on = format_day(charity.local(stored.changed_at).date(), language)
    return charity_page(campaign, of_kind, language, stored.text(language), changed_on=changed_on)


def default_of(charity: Charity, kind: PageKind, language: str) -> str:
    """The page's text as long as the charity has none of its own."""
    organization = Organization(
        legal_name=charity.legal_name, registration_number=charity.registration_number, email=charity.email, phone=charity.phone
    )
    return default_text(kind, organization, language)


def charity_page(
    campaign: Campaign, kind: PageKind, language: str, text: str, *, changed_on: str = "", preview: PreviewNotice | None = None
) -> str:
    """Render the page with this text. The page about accessibility always says how to reach a person, from the charity's details."""
    return render_template(
        "donate/charity_page.html",
        campaign=campaign,
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        name=name_of(kind),
        blocks=blocks_of(text),
        changed_on=changed_on,
        has_contact=kind is PageKind.ACCESSIBILITY,
        preview=preview,
    )


def name_of(kind: PageKind) -> str:
    """What the page is called."""
    names = {
        PageKind.ACCESSIBILITY: gettext("Accessibility"),
        PageKind.REFUNDS: gettext("Refunds"),
        PageKind.TERMS: gettext("Terms"),
        PageKind.PRIVACY: gettext("Privacy"),
    }
    return str(names[kind])
