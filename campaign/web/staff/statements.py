"""A fund's statements for staff: the same list and the same files as its funder has. Each file is in the audit trail."""

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.web import statement_files
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.exports import record_export
from campaign.web.staff.payment_form import find_fund_or_404

bp = Blueprint("staff_statements", __name__, url_prefix="/staff/funds")


@bp.get("/<slug>/statements/")
@access("viewer")
def page(slug: str) -> ResponseReturnValue:
    """Each month and quarter of the fund with its files, and a form for a statement to a day."""
    fund = find_fund_or_404(slug)
    context = statement_files.list_context(fund, lambda period, form: _url_of(slug, period, form))
    title = campaign_or_404().title(current_language())
    return render_template("staff/statements.html", slug=slug, title=title, **context), 422 if context["typed"].error else 200


def _url_of(slug: str, period: str, form: str) -> str:
    return url_for("staff_statements.file", slug=slug, period=period, form=form)


@bp.get("/<slug>/statements/<period>.<form>")
@access("viewer")
def file(slug: str, period: str, form: str) -> ResponseReturnValue:
    """The statement of one period, as the funder gets it."""
    fund = find_fund_or_404(slug)
    sent = statement_files.send_file(fund, period, form, back=url_for("staff_statements.page", slug=slug))
    if not isinstance(sent, tuple):
        charity_id = db.session.get_one(Campaign, fund.campaign_id).charity_id
        record_export(f"statement ({form.upper()})", f"{fund.slug} {period}", of_charity=charity_id)
    return sent
