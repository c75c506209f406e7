"""The final account of a fund that has ended, for staff: its figures, its PDF for the funder, and the credit note for what is matched no longer."""

from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.funders import call_actions, calls, final_account_jobs
from campaign.funders.final_accounts import FinalAccount, account_of, account_shares
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.fund_call_rows import now
from campaign.web.staff.payment_form import find_fund_or_404, today
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_final_account", __name__, url_prefix="/staff/funds/<slug>")


@bp.get("/final-account")
@access("viewer")
def page(slug: str) -> ResponseReturnValue:
    """The account as the books are now, or when there will be one."""
    return _page(find_fund_or_404(slug))


def _page(fund: Fund) -> str:
    language = current_language()
    account, has_ended = account_of(fund, now=now()), fund.has_ended(now())
    return render_template(
        "staff/final_account.html",
        title=campaign_or_404().title(language),
        slug=fund.slug,
        name=fund.name(language),
        has_ended=has_ended,
        rows=_amounts(final_account_jobs.account_rows(account, language)),
        results=_amounts(final_account_jobs.result_rows(account, language)),
        shares=final_account_jobs.share_rows(account_shares(fund, account), language),
        held=format_money(fund.held_cents, language) if fund.held_cents else "",
        credit=_credit(fund, account) if has_ended and account.to_credit_cents and has_role("manager") else None,
        to_call=bool(account.not_called_cents) and has_role("manager"),
        longest_reason=LONGEST_REASON,
    )


def _amounts(rows: list[tuple[str, int]]) -> list[tuple[str, str]]:
    return [(label, format_money(cents, current_language())) for label, cents in rows]


def _credit(fund: Fund, account: FinalAccount) -> dict[str, Any]:
    """What a credit note would do."""
    language = current_language()
    to_return = min(max(account.retained_cents - (account.called_cents - account.to_credit_cents), 0), account.to_credit_cents)
    return {
        "amount": format_money(account.to_credit_cents, language),
        "less": format_money(account.to_credit_cents - to_return, language) if to_return < account.to_credit_cents else "",
        "to_return": format_money(to_return, language) if to_return else "",
        "version": call_actions.version_of(fund),
        "email": db.session.get_one(Funder, fund.funder_id).email,
    }


@bp.get("/final-account.pdf")
@access("viewer")
def document(slug: str) -> ResponseReturnValue:
    """The account for the funder, in their language."""
    fund = find_fund_or_404(slug)
    if not fund.has_ended(now()):
        abort(404)
    try:
        pdf = final_account_jobs.render_account(fund, now=now(), is_test=current_app.config["IS_SANDBOX"])
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return redirect(url_for("staff_final_account.page", slug=slug), 303)
    language = db.session.get_one(Funder, fund.funder_id).language
    name = file_name(Document.FINAL_ACCOUNT, fund.slug, today().isoformat(), language=language, extension="pdf")
    return name_file(Response(pdf, mimetype="application/pdf"), name, disposition="inline")


@bp.post("/final-account/credit-notes")
@access("manager", fresh=True)
def credit(slug: str) -> ResponseReturnValue:
    """Issue a credit note for all that is called and matched no longer, for a reason that the funder reads."""
    fund, reason = find_fund_or_404(slug), read_reason()
    if not reason:
        return refused(_page(fund))
    livemode, version = not current_app.config["IS_SANDBOX"], request.form.get("version", "")
    try:
        note = call_actions.issue_credit_note(fund, reason=reason, version=version, livemode=livemode, actor=current_user.email)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return redirect(url_for("staff_final_account.page", slug=slug), 303)
    flash(gettext("The credit note %(number)s is issued.", number=calls.format_number(note.number)))
    return redirect(url_for("staff_fund_calls.one", slug=slug, number=note.number), 303)
