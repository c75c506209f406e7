"""The campaign's funds for staff, with their balances, and raising the pledge of an active one, which takes two people."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign, campaigns_of
from campaign.funders import payment_requests, payments
from campaign.funders.contributors import contributors_of
from campaign.matching import funds, pledge_actions, pledge_requests
from campaign.matching.funds import Fund, FundStatus
from campaign.matching.pledge_requests import PledgeRequest
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.web.errors import campaign_or_404
from campaign.web.labels import fund_status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.payment_form import find_fund_or_404
from campaign.web.staff.role_wait import role_wait
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedAmount, TypedLine, read_amount, read_reason_line

bp = Blueprint("staff_funds", __name__, url_prefix="/staff/funds")


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """All funds with their balances, drafts included, and the open requests to raise a pledge."""
    campaign = campaign_or_404()
    of_charity = campaigns_of(campaign.charity)
    requested = [found for one in of_charity for found in pledge_requests.list_open(one.id)]
    changes = [found for one in of_charity for found in payment_requests.list_open(one.id)]
    return render_template(
        "staff/funds.html",
        title=campaign.title(current_language()),
        requests=[_request_row(pledge_request, fund, campaign) for pledge_request, fund in requested],
        payment_requests=Counter(fund.slug for _, _, fund in changes),
        funds=[_fund_row(fund, {open_fund.id for _, open_fund in requested}) for fund in funds.list_funds(campaign.id)],
        may_decide=has_role("manager"),
        role_wait=role_wait(),
    )


def _request_row(pledge_request: PledgeRequest, fund: Fund, campaign: Campaign) -> dict[str, Any]:
    return {
        "id": pledge_request.id,
        "fund": fund.name(current_language()),
        "amount": format_money(pledge_request.cents, current_language()),
        "who": pledge_request.requested_by,
        "reason": pledge_request.reason,
        "iso": pledge_request.requested_at.isoformat(),
        "moment": format_datetime(campaign.charity.local(pledge_request.requested_at), "yyyy-MM-dd HH:mm", rebase=False),
        "is_mine": pledge_request.requested_by.casefold() == current_user.email.casefold(),
    }


def _fund_row(fund: Fund, requested: set[int]) -> dict[str, Any]:
    language = current_language()
    return {
        "slug": fund.slug,
        "name": fund.name(language),
        "status": fund_status_labels()[fund.status],
        "pledged": format_money(fund.pledged_cents, language),
        "held": format_money(fund.held_cents, language),
        "matched": format_money(fund.matched_cents, language),
        "left": format_money(fund.available_cents, language),
        "received": format_money(payments.received_cents(fund), language),
        "may_be_raised": _may_be_raised(fund) and fund.id not in requested,
    }


def _may_be_raised(fund: Fund) -> bool:
    return fund.status not in {FundStatus.DRAFT, FundStatus.ENDED}


@dataclass(frozen=True, kw_only=True)
class RaiseForm:
    """What a member typed."""

    amount: TypedAmount = field(default_factory=TypedAmount)
    reason: TypedLine = field(default_factory=TypedLine)

    @property
    def is_valid(self) -> bool:
        """Whether both fields are."""
        return not self.amount.error and not self.reason.error


@bp.get("/<slug>/pledge-requests")
@access("manager", fresh=True)
def form(slug: str) -> ResponseReturnValue:
    """The form to request that the fund's pledge be raised. Asking for the password before it is filled in keeps what is typed."""
    return _form_page(_fund_or_404(slug), RaiseForm())


def _form_page(fund: Fund, typed: RaiseForm) -> str:
    language = current_language()
    return render_template(
        "staff/pledge_request.html",
        title=campaign_or_404().title(language),
        slug=fund.slug,
        name=fund.name(language),
        pledged=format_money(fund.pledged_cents, language),
        left=format_money(fund.available_cents, language),
        typed=typed,
        has_contributors=bool(contributors_of(fund)),
        role_wait=role_wait(),
        longest_reason=LONGEST_REASON,
    )


@bp.post("/<slug>/pledge-requests")
@access("manager", fresh=True)
def ask(slug: str) -> ResponseReturnValue:
    """Request that the fund's pledge be raised; a second person must agree."""
    fund, typed = _fund_or_404(slug), _read_form()
    if not typed.is_valid:
        return _form_page(fund, typed), 422
    try:
        pledge_actions.request_raise(fund, typed.amount.cents, actor=current_user.email, reason=typed.reason.text)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _form_page(fund, typed), 422
    flash(gettext("Another manager or administrator must agree. Until then the pledge stays as it is."))
    return redirect(url_for("staff_funds.page"), 303)


def _read_form() -> RaiseForm:
    return RaiseForm(amount=read_amount(most_cents=pledge_requests.MAX_CENTS), reason=read_reason_line())


@bp.post("/pledge-requests/<int:request_id>")
@access("manager", fresh=True)
def decide(request_id: int) -> ResponseReturnValue:
    """Agree to a request, which raises the pledge, or refuse it."""
    pledge_request, decision = pledge_requests.get(request_id), request.form.get("decision")
    if pledge_request is None or decision not in {"agree", "refuse"}:
        abort(404)
    try:
        pledge_actions.decide_raise(pledge_request, agrees=decision == "agree", actor=current_user.email)
        agreed = gettext("The pledge is raised, and gifts that wait are matched.")
        flash(agreed if decision == "agree" else gettext("The pledge stays as it is."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_funds.page"), 303)


def _fund_or_404(slug: str) -> Fund:
    """The fund with this slug, whose pledge may be raised; otherwise 404."""
    fund = find_fund_or_404(slug)
    if not _may_be_raised(fund):
        abort(404)
    return fund
