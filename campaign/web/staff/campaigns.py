"""The campaigns for staff: their sums and states, and the acts that open and close one, each of which says first what it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext, pgettext
from flask_security import current_user

from campaign.campaigns import campaign_actions
from campaign.campaigns.campaign_actions import ActImpossible
from campaign.campaigns.campaigns import Campaign, CampaignStatus, campaign_by_slug, list_campaigns
from campaign.campaigns.pictures import find_picture
from campaign.edges.services import services
from campaign.matching.funds import FundStatus, list_funds
from campaign.reporting import campaign_summaries, seal_actions
from campaign.reporting.totals import totals_of
from campaign.rules.money import format_money, format_money_short
from campaign.staff import audit
from campaign.texts.dates import format_moment
from campaign.web.chosen_campaign import show_campaign
from campaign.web.errors import campaign_or_404
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.security import access, has_role
from campaign.web.staff.share_panel import share_panel

bp = Blueprint("staff_campaigns", __name__, url_prefix="/staff/campaigns")

DOERS: Mapping[str, Callable[..., None]] = {
    "open": campaign_actions.open_to_gifts,
    "close": campaign_actions.close_to_gifts,
    "reopen": campaign_actions.reopen_to_gifts,
    "hide": campaign_actions.take_back,
}


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """All campaigns with their sums and states."""
    found = list_campaigns()
    return render_template(
        "staff/campaigns.html",
        title=campaign_or_404().title(current_language()),
        campaigns=[_row(campaign) for campaign in found],
        has_charities=len({campaign.charity_id for campaign in found}) > 1,
        may_edit=has_role("manager"),
    )


def _row(campaign: Campaign) -> dict[str, Any]:
    language, totals = current_language(), totals_of(campaign.slug)
    assert totals is not None
    return {
        "slug": campaign.slug,
        "name": campaign.title(language),
        "charity": campaign.charity.name(language),
        "status": _status_labels()[campaign.status],
        "given": format_money(totals.donated_cents, language),
        "matched": format_money(totals.matched_cents, language),
        "raised": format_money(totals.raised_cents, language),
        "goal": format_money_short(totals.goal_cents, language),
        "percent": totals.toward_goal_cents * 100 // totals.goal_cents,
    }


@bp.get("/<slug>")
@access("viewer")
def one(slug: str) -> ResponseReturnValue:
    """A campaign: its sums and state, what it offers donors, its funds, and what its managers may do."""
    campaign, language = find_campaign_or_404(slug), current_language()
    return render_template(
        "staff/campaign.html",
        title=campaign.title(language),
        slug=slug,
        row=_row(campaign),
        is_public=campaign.is_public,
        since=_since(campaign),
        addresses=[{"language": of, "url": services().links.absolute(f"/{of}/{slug}")} for of in LANGUAGES],
        facts=_facts(campaign),
        shared=share_panel(campaign),
        funds=[{"slug": fund.slug, "name": fund.name(language)} for fund in list_funds(campaign.id)],
        picture=find_picture(campaign.picture) if campaign.picture else None,
        picture_alt=campaign.picture_alt(language),
        acts=_acts(campaign) if has_role("manager") else [],
        may_be_sealed=campaign.status is CampaignStatus.CLOSED,
        is_sealed=campaign.sealed_at is not None,
        may_edit=has_role("manager"),
        history=[
            {
                "at": format_moment(campaign.charity.local(entry.at), language, "medium"),
                "iso": entry.at.isoformat(),
                "who": entry.actor,
                "what": _act_labels()[entry.action],
            }
            for entry in audit.entries_about(slug, (*campaign_actions.ACTS, *seal_actions.ACTS))[:20]
        ],
    )


def _since(campaign: Campaign) -> str:
    ended_at = campaign.sealed_at or campaign.closed_at
    moment = (ended_at or campaign.opened_at) if campaign.is_public else None
    return format_moment(campaign.charity.local(moment), current_language()) if moment else ""


def _facts(campaign: Campaign) -> list[tuple[str, str]]:
    language = current_language()

    def show(cents: int) -> str:
        return format_money_short(cents, language)

    return [
        (gettext("What gifts go to"), campaign.cause(language)),
        (gettext("Goal"), show(campaign.goal_cents)),
        (gettext("Does the match count toward it?"), gettext("yes") if campaign.match_counts else gettext("no")),
        (gettext("Suggested amounts"), " · ".join(map(show, campaign.presets_cents))),
        (gettext("Smallest and largest gift online"), f"{show(campaign.minimum_cents)} – {show(campaign.maximum_cents)}"),
        (gettext("Bank debits"), gettext("yes") if campaign.takes_bank_debits else gettext("no")),
    ]


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a manager may do, and what happens then. `may_do` is whether it is possible."""

    name: str
    title: str
    button: str
    effects: list[str]
    may_do: bool = True


def _acts(campaign: Campaign) -> list[Act]:
    match campaign.status:
        case CampaignStatus.DRAFT:
            return [_opening(campaign)]
        case CampaignStatus.OPEN:
            return [_closing(campaign), _taking_back(campaign)]
        case CampaignStatus.CLOSED:
            return [_reopening(campaign), _taking_back(campaign)]
        case CampaignStatus.SEALED:
            return []


def _opening(campaign: Campaign) -> Act:
    links = services().links
    effects = [
        gettext(
            "Everybody sees its page at %(english)s and %(french)s, and can give.",
            english=links.absolute(f"/en/{campaign.slug}"),
            french=links.absolute(f"/fr/{campaign.slug}"),
        ),
        gettext("Its address, its charity and its currency can never change afterwards. Everything else can."),
    ]
    if not any(fund.status is FundStatus.ACTIVE for fund in list_funds(campaign.id)):
        effects.append(gettext("No fund matches its gifts yet. One that you activate later matches earlier gifts too, within its dates."))
    if services().settings.stripe_livemode and campaign.charity.confirmed_at is None:
        effects.append(
            gettext("No official receipt is issued until the charity’s details are confirmed. Donors are thanked, and get it afterwards.")
        )
    return Act(name="open", title=gettext("Open it to gifts"), button=gettext("Open it"), effects=effects)


def _closing(campaign: Campaign) -> Act:
    under_way = campaign_summaries.gifts_under_way(campaign)
    effects = [
        gettext("The form goes from its page. The page stays, with what was given and matched, and says that the campaign is over."),
        ngettext(
            "%(num)s donor is paying at this moment: that gift still counts.",
            "%(num)s donors are paying at this moment: those gifts still count.",
            under_way.unpaid,
        )
        if under_way.unpaid
        else gettext("Nobody is paying at this moment. Bank debits under way still count."),
        gettext("The matching funds stay as they are: end them on their own pages."),
        gettext("You can open it again at any time."),
    ]
    if under_way.monthly:
        effects.insert(
            2,
            ngettext(
                "%(num)s monthly gift goes on, and is charged each month until its donor ends it.",
                "%(num)s monthly gifts go on, and are charged each month until their donors end them.",
                under_way.monthly,
            ),
        )
    return Act(name="close", title=gettext("Close it to gifts"), button=gettext("Close it"), effects=effects)


def _reopening(campaign: Campaign) -> Act:
    effects = [gettext("The form is back on its page at once, and donors can give. You can close it again at any time.")]
    if not any(fund.status is FundStatus.ACTIVE for fund in list_funds(campaign.id)):
        effects.append(gettext("None of its funds is active: gifts are not matched."))
    return Act(name="reopen", title=gettext("Open it again"), button=gettext("Open it again"), effects=effects)


def _taking_back(campaign: Campaign) -> Act:
    title = gettext("Take the page back")
    if campaign_actions.has_donations(campaign):
        effects = [
            gettext(
                "This is not possible any more: somebody has begun to give. Close the campaign instead; its page stays with its result."
            )
        ]
        return Act(name="hide", title=title, button=title, effects=effects, may_do=False)
    effects = [
        gettext("It is a draft again, and strangers find nothing at its address, which it keeps. You can open it again at any time.")
    ]
    return Act(name="hide", title=title, button=title, effects=effects)


@bp.post("/<slug>/acts")
@access("manager", fresh=True)
def act(slug: str) -> ResponseReturnValue:
    """Open, close, reopen or take back the campaign."""
    campaign, name = find_campaign_or_404(slug), request.form.get("act", "")
    if name not in DOERS:
        abort(404)
    done = {
        "open": gettext("The campaign is open: donors can give."),
        "close": gettext("The campaign is closed to gifts."),
        "reopen": gettext("The campaign is open again."),
        "hide": gettext("The campaign is a draft again."),
    }
    try:
        DOERS[name](campaign, actor=current_user.email)
    except ActImpossible:
        flash(gettext("Nothing was done: the campaign has changed since you opened this page. This is how it is now."), "error")
    else:
        flash(done[name])
    return redirect(url_for("staff_campaigns.one", slug=slug), 303)


def find_campaign_or_404(slug: str) -> Campaign:
    """The campaign with this slug, which the page then shows."""
    campaign = campaign_by_slug(slug)
    if campaign is None:
        abort(404)
    show_campaign(campaign)
    return campaign


def _status_labels() -> dict[CampaignStatus, str]:
    """The status of a campaign."""
    return {
        CampaignStatus.DRAFT: pgettext("campaign", "draft"),
        CampaignStatus.OPEN: pgettext("campaign", "open"),
        CampaignStatus.CLOSED: pgettext("campaign", "closed to gifts"),
        CampaignStatus.SEALED: pgettext("campaign", "sealed"),
    }


def _act_labels() -> dict[str, str]:
    """What was done to a campaign, by the action in the audit trail."""
    return {
        campaign_actions.CREATED: gettext("created it"),
        campaign_actions.CHANGED: gettext("changed it"),
        campaign_actions.OPENED: gettext("opened it"),
        campaign_actions.CLOSED: gettext("closed it"),
        campaign_actions.REOPENED: gettext("opened it again"),
        campaign_actions.HIDDEN: gettext("took it back"),
        seal_actions.ASKED: gettext("asked to seal it"),
        seal_actions.AGREED: gettext("agreed to seal it, and it is sealed"),
        seal_actions.REFUSED: gettext("refused to seal it"),
    }
