"""Sealing a campaign: what is still open of it, the request of one person, the decision of another, and afterwards its seal with what it proves."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns import seals
from campaign.campaigns.campaigns import Campaign, CampaignStatus
from campaign.campaigns.seals import CampaignSeal, SealRequest
from campaign.edges.db import db
from campaign.matching.funds import list_funds
from campaign.reporting import seal_actions, seal_blockers
from campaign.reporting.donation_filters import UNPAID
from campaign.reporting.donor_list import Trait
from campaign.reporting.seal_blockers import Blocker, BlockerKind
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.dates import format_day, format_moment
from campaign.texts.seal_words import describe_blocker
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.campaigns import find_campaign_or_404
from campaign.web.staff.role_wait import role_wait
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedLine, read_reason_line
from campaign.web.statement_files import UrlOfFile, final_statement

bp = Blueprint("staff_campaign_seal", __name__, url_prefix="/staff/campaigns")


@bp.get("/<slug>/seal")
@access("viewer")
def page(slug: str) -> ResponseReturnValue:
    """What is open of the campaign, the request for its seal, or the seal."""
    return _page(_campaign_or_404(slug))


def _page(campaign: Campaign, typed: TypedLine | None = None) -> str:
    language, seal = current_language(), seals.seal_of(campaign)
    asked = seals.open_for(campaign)
    return render_template(
        "staff/campaign_seal.html",
        title=campaign.title(language),
        slug=campaign.slug,
        seal=_seal(campaign, seal) if seal else None,
        blockers=[] if seal else [_row(blocker, campaign) for blocker in seal_blockers.blockers_of(campaign)],
        disputable_until="" if seal else _disputable_until(campaign),
        asked=_request_row(asked, campaign) if asked else None,
        typed=typed or TypedLine(text="", error=""),
        longest_reason=LONGEST_REASON,
        may_decide=has_role("manager"),
        role_wait=role_wait(),
    )


def _seal(campaign: Campaign, seal: CampaignSeal) -> dict[str, Any]:
    """Who sealed it and when, where its chains ended, and the final statement of each fund."""
    language, agreed = current_language(), db.session.get_one(SealRequest, seal.request_id)
    return {
        "moment": format_moment(campaign.charity.local(seal.sealed_at), language),
        "iso": seal.sealed_at.isoformat(),
        "who": agreed.requested_by,
        "decided_by": agreed.decided_by,
        "reason": agreed.reason,
        "heads": [(chain, head["position"], head["hash"]) for chain, head in sorted(seal.heads.items())],
        "proof": url_for("api.proof", slug=campaign.slug),
        "funds": [
            {"name": fund.name(language), "files": final_statement(fund, _url_of_fund(fund.slug))}
            for fund in list_funds(campaign.id)
            if fund.activated_at
        ],
    }


def _url_of_fund(slug: str) -> UrlOfFile:
    return lambda period, form: url_for("staff_statements.file", slug=slug, period=period, form=form)


def _disputable_until(campaign: Campaign) -> str:
    until = seal_blockers.disputable_until(campaign)
    local = campaign.charity.local(until) if until else None
    is_ahead = until is not None and until > datetime.now(UTC)
    return format_day(local.date(), current_language()) if local and is_ahead else ""


def _request_row(asked: SealRequest, campaign: Campaign) -> dict[str, Any]:
    return {
        "id": asked.id,
        "who": asked.requested_by,
        "reason": asked.reason,
        "iso": asked.requested_at.isoformat(),
        "moment": format_moment(campaign.charity.local(asked.requested_at), current_language()),
        "is_mine": asked.requested_by.casefold() == current_user.email.casefold(),
    }


def _row(blocker: Blocker, campaign: Campaign) -> tuple[str, str]:
    """The sentence, and the page on which staff end it."""
    language = current_language()
    fund = blocker.fund.name(language) if blocker.fund else ""
    first = seal_blockers.first_paid_at(campaign)
    since = campaign.charity.local(first).date().isoformat() if first else ""
    sentence = describe_blocker(blocker.kind, language, count=blocker.count, cents=blocker.cents, fund=fund, since=since)
    if blocker.kind is BlockerKind.ACTIVE_FUNDS and blocker.fund:
        return sentence, url_for("staff_fund.page", slug=blocker.fund.slug)
    if blocker.kind is BlockerKind.FUNDER_ACCOUNT and blocker.fund:
        return sentence, url_for("staff_final_account.page", slug=blocker.fund.slug)
    if blocker.kind is BlockerKind.OPEN_CAMPAIGN:
        return sentence, url_for("staff_campaigns.one", slug=campaign.slug)
    if blocker.kind is BlockerKind.GIFTS_UNDER_WAY:
        return sentence, url_for("staff_donation_list.page", state=UNPAID)
    if blocker.kind is BlockerKind.MONTHLY_GIFTS:
        return sentence, f"{url_for('staff_donor_list.page')}?is={Trait.MONTHLY}"
    endpoint = _PAGES.get(blocker.kind)
    return sentence, url_for(endpoint) if endpoint else ""


_PAGES = {
    BlockerKind.QUARANTINED: "staff_quarantine.page",
    BlockerKind.DISPUTES: "staff_settlement.page",
    BlockerKind.IMPORTS: "staff_imports.page",
    BlockerKind.UNDEPOSITED: "staff_deposits.page",
    BlockerKind.ALERTS: "staff_settlement.page",
    BlockerKind.EVENTS: "staff_failed_events.page",
    BlockerKind.AT_STRIPE: "staff_settlement.page",
    BlockerKind.MAIL: "staff_mail.page",
    BlockerKind.VOIDS: "staff_receipts.page",
    BlockerKind.TWO_PEOPLE: "staff_funds.page",
    BlockerKind.DIFFERENCES: "staff_settlement.page",
    BlockerKind.FINDINGS: "staff_dashboard.page",
}


@bp.post("/<slug>/seal/requests")
@access("manager", fresh=True)
def ask(slug: str) -> ResponseReturnValue:
    """Ask that the campaign be sealed; a second person must agree."""
    campaign, typed = _campaign_or_404(slug), read_reason_line()
    if typed.error:
        return _page(campaign, typed), 422
    try:
        seal_actions.request_seal(campaign, actor=current_user.email, reason=typed.text)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _page(campaign, typed), 422
    flash(gettext("Another manager or administrator must agree. Until then nothing is sealed."))
    return redirect(url_for("staff_campaign_seal.page", slug=slug), 303)


@bp.post("/<slug>/seal/requests/<int:request_id>")
@access("manager", fresh=True)
def decide(slug: str, request_id: int) -> ResponseReturnValue:
    """Agree to a request, which seals the campaign for ever, or refuse it."""
    campaign, asked, decision = _campaign_or_404(slug), seals.get_request(request_id), request.form.get("decision")
    if asked is None or asked.campaign_id != campaign.id or decision not in {"agree", "refuse"}:
        abort(404)
    try:
        seal_actions.decide_seal(asked, agrees=decision == "agree", actor=current_user.email)
        agreed = gettext("The campaign is sealed. Its result is final.")
        flash(agreed if decision == "agree" else gettext("The campaign is not sealed."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_campaign_seal.page", slug=slug), 303)


def _campaign_or_404(slug: str) -> Campaign:
    """The campaign with this slug, which is or was public; a draft has nothing to seal."""
    campaign = find_campaign_or_404(slug)
    if campaign.status is CampaignStatus.DRAFT:
        abort(404)
    return campaign
