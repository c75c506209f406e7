"""The calls for funds of a fund, for staff: what is earned, called, received and open; issuing a call, its page and document, and cancelling it."""

from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns import bank_details
from campaign.edges.db import db
from campaign.funders import call_actions, call_contents, call_render_jobs, calls, payments
from campaign.funders.call_contents import EarnedLines
from campaign.funders.calls import FundCall
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund
from campaign.rules.money import format_money
from campaign.staff.members import ADMIN
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.fund_call_form import CallForm, new_form, read_form
from campaign.web.staff.fund_call_rows import call_facts, call_row, earned_rows, now
from campaign.web.staff.payment_form import find_fund_or_404, today
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_fund_calls", __name__, url_prefix="/staff/funds/<slug>/calls")


@bp.get("")
@access("viewer")
def page(slug: str) -> ResponseReturnValue:
    """What is earned, called, received and open, and all calls and credit notes."""
    fund, language = find_fund_or_404(slug), current_language()
    balances = {one.call.id: one for one in calls.balances_of(fund)}
    called, earned = calls.called_cents(fund), calls.callable_cents(fund, now=now())
    return render_template(
        "staff/fund_calls.html",
        **_names(fund),
        sums=[
            (gettext("Matched"), format_money(fund.matched_cents, language)),
            (gettext("Called"), format_money(called, language)),
            (gettext("Received"), format_money(payments.received_cents(fund), language)),
            (gettext("Still to pay"), format_money(calls.open_cents(fund), language)),
        ],
        to_call=format_money(earned - called, language) if earned > called else "",
        surplus=format_money(cents, language) if (cents := calls.surplus_cents(fund)) else "",
        calls=[call_row(call, balances.get(call.id)) for call in reversed(calls.calls_of(fund))],
        has_ended=fund.has_ended(now()),
        has_bank_details=bank_details.details_of(campaign_or_404().charity) is not None,
        may_manage=has_role("manager"),
        may_set_details=has_role(ADMIN),
    )


def _names(fund: Fund) -> dict[str, Any]:
    language = current_language()
    funder = db.session.get_one(Funder, fund.funder_id)
    names = {"slug": fund.slug, "name": fund.name(language), "funder": funder.legal_name or funder.name(language)}
    return {"title": campaign_or_404().title(language), "longest_reason": LONGEST_REASON, **names}


@bp.get("/new")
@access("manager", fresh=True)
def form(slug: str) -> ResponseReturnValue:
    """The form of a call, with all that is earned and not called. Asking for the password before it is filled in keeps what is typed."""
    fund = find_fund_or_404(slug)
    lines = _lines(fund)
    return _form_page(fund, lines, new_form(lines.callable_cents, call_actions.version_of(fund)))


def _lines(fund: Fund) -> EarnedLines:
    return call_contents.earned_lines(fund, call_contents.read_entries(fund), now=now())


def _form_page(fund: Fund, lines: EarnedLines, typed: CallForm) -> str:
    charity, language = campaign_or_404().charity, current_language()
    details = bank_details.details_of(charity)
    return render_template(
        "staff/fund_call_form.html",
        **_names(fund),
        lines=earned_rows(lines, is_first=calls.called_cents(fund) == 0),
        callable=format_money(lines.callable_cents, language),
        may_call=lines.callable_cents > 0 and details is not None,
        surplus=format_money(cents, language) if (cents := calls.surplus_cents(fund)) else "",
        details=call_facts(details, charity) if details else [],
        may_set_details=has_role(ADMIN),
        email=db.session.get_one(Funder, fund.funder_id).email,
        typed=typed,
        first_day=today().isoformat(),
    )


def _read(fund: Fund) -> tuple[EarnedLines, CallForm]:
    lines = _lines(fund)
    return lines, read_form(lines.callable_cents, request.form.get("version", ""))


@bp.post("/previews")
@access("manager")
def preview(slug: str) -> ResponseReturnValue:
    """The document as the call would have it, marked, without a number."""
    fund = find_fund_or_404(slug)
    lines, typed = _read(fund)
    if not typed.is_valid:
        return _form_page(fund, lines, typed), 422
    try:
        content = call_actions.preview_content(
            fund, cents=typed.amount.cents, due_on=typed.due_on.day, is_test=current_app.config["IS_SANDBOX"]
        )
    except ActionRefused as error:
        return _refused_form(fund, typed, error)
    return Response(call_render_jobs.render_preview(content), mimetype="application/pdf")


def _refused_form(fund: Fund, typed: CallForm, error: ActionRefused) -> ResponseReturnValue:
    """The form again with what is true now, and what was typed."""
    flash(action_errors.describe_error(error.refusal, current_language()), "error")
    typed = CallForm(amount=typed.amount, due_on=typed.due_on, version=call_actions.version_of(fund))
    return _form_page(fund, _lines(fund), typed), 422


@bp.post("")
@access("manager", fresh=True)
def issue(slug: str) -> ResponseReturnValue:
    """Issue the call: it gets its number, and the funder an email."""
    fund = find_fund_or_404(slug)
    lines, typed = _read(fund)
    if not typed.is_valid:
        return _form_page(fund, lines, typed), 422
    livemode = not current_app.config["IS_SANDBOX"]
    amount, version = typed.amount.cents, typed.version
    try:
        call = call_actions.issue(fund, cents=amount, due_on=typed.due_on.day, version=version, livemode=livemode, actor=current_user.email)
    except ActionRefused as error:
        return _refused_form(find_fund_or_404(slug), typed, error)
    flash(gettext("The call %(number)s is issued.", number=call.name))
    return redirect(url_for("staff_fund_calls.one", slug=slug, number=call.number), 303)


@bp.get("/<int:number>")
@access("viewer")
def one(slug: str, number: int) -> ResponseReturnValue:
    """A call or credit note: its lines, what is applied to it, and how it reached the funder."""
    fund = find_fund_or_404(slug)
    return _one_page(fund, _call_or_404(fund, number))


def _one_page(fund: Fund, call: FundCall) -> str:
    balance = next((one for one in calls.balances_of(fund) if one.call.id == call.id), None)
    may_cancel = balance is not None and balance.applied_cents == 0
    row = call_row(call, balance)
    return render_template("staff/fund_call.html", **_names(fund), call=row, may_manage=has_role("manager"), may_cancel=may_cancel)


def _call_or_404(fund: Fund, number: int) -> FundCall:
    return calls.find_call(fund, number) or abort(404)


@bp.get("/<int:number>.pdf")
@access("viewer")
def document(slug: str, number: int) -> ResponseReturnValue:
    """The document as the funder gets it."""
    call = _call_or_404(find_fund_or_404(slug), number)
    response = Response(call_render_jobs.get_or_render_pdf(call), mimetype="application/pdf")
    return name_file(response, call_render_jobs.file_name_of(call), disposition="inline")


@bp.post("/<int:number>/cancellations")
@access("manager", fresh=True)
def cancel(slug: str, number: int) -> ResponseReturnValue:
    """Cancel the call, for a reason, while nothing of it is paid. The funder is notified."""
    fund = find_fund_or_404(slug)
    call, reason = _call_or_404(fund, number), read_reason()
    if not reason:
        return refused(_one_page(fund, call))
    try:
        call_actions.cancel(call, reason=reason, actor=current_user.email)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    else:
        flash(gettext("The call is cancelled. Its number stays used."))
    return redirect(url_for("staff_fund_calls.one", slug=slug, number=number), 303)


@bp.post("/<int:number>/<any(postings,unpostings):act>")
@access("manager")
def mark(slug: str, number: int, act: str) -> ResponseReturnValue:
    """Record that the document was printed and posted, or that it was not after all."""
    call = _call_or_404(find_fund_or_404(slug), number)
    (call_actions.mark_posted if act == "postings" else call_actions.undo_posted)(call, actor=current_user.email)
    return redirect(url_for("staff_fund_calls.one", slug=slug, number=number), 303)
