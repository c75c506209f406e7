"""Reports of a funder by email, for staff: who gets which, a change of that, and what was sent, with what came back."""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_security import current_user
from sqlalchemy import select

from campaign.edges.db import db
from campaign.funders import contributors, report_recipients
from campaign.funders.funders import Funder
from campaign.funders.report_recipients import ReportRecipient
from campaign.matching.funds import Fund
from campaign.reporting import funder_reports
from campaign.reporting.funder_reports import FunderReport
from campaign.rules.report_schedule import Milestone
from campaign.texts.statement_words import describe_period
from campaign.web import report_choices
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.report_choices import NewRecipient
from campaign.web.security import access
from campaign.web.staff.mail import mail_lines
from campaign.web.staff.payment_form import find_fund_or_404

bp = Blueprint("staff_funder_reports", __name__, url_prefix="/staff/funds")


@bp.get("/<slug>/reports")
@access("viewer")
def page(slug: str) -> ResponseReturnValue:
    """The recipients of the fund's funders, and the latest reports about the lead funder's funds."""
    return _page(find_fund_or_404(slug))


def _page(fund: Fund, form: NewRecipient | None = None) -> str:
    language = current_language()
    funds = {one.id: one for one in db.session.scalars(select(Fund).where(Fund.funder_id == fund.funder_id))}
    return render_template(
        "staff/funder_reports.html",
        title=campaign_or_404().title(language),
        slug=fund.slug,
        fund=fund.name(language),
        funder=db.session.get_one(Funder, fund.funder_id).name(language),
        recipients=_recipient_rows(fund),
        form=form or report_choices.empty_form(),
        sent=_sent_rows(funder_reports.list_reports(list(funds)), funds),
    )


def _recipient_rows(fund: Fund) -> list[dict[str, Any]]:
    """Who gets reports: the lead funder's recipients, and those of contributors with their names."""
    language, rows = current_language(), list[dict[str, Any]]()
    for funder_id in contributors.funder_ids_of(fund):
        name = "" if funder_id == fund.funder_id else db.session.get_one(Funder, funder_id).name(language)
        rows += [{**report_choices.row_of(one), "contributor": name} for one in report_recipients.recipients_of(funder_id)]
    return rows


def _sent_rows(reports: list[FunderReport], funds: dict[int, Fund]) -> list[dict[str, Any]]:
    language, mails = current_language(), funder_reports.messages_of([report.id for report in reports])
    lines = {line["id"]: line for line in mail_lines(list(mails.values()))}
    return [
        {
            "line": lines[mails[report.id].id],
            "email": db.session.get_one(ReportRecipient, report.recipient_id).email,
            "fund": funds[report.fund_id].name(language),
            "about": _about(report, language),
        }
        for report in reports
    ]


def _about(report: FunderReport, language: str) -> str:
    labels = report_choices.milestone_labels()
    return labels[Milestone(report.milestone)] if report.milestone else describe_period(report.statement_period, language)


@bp.post("/<slug>/reports")
@access("manager", fresh=True)
def add(slug: str) -> ResponseReturnValue:
    """Add a recipient."""
    fund = find_fund_or_404(slug)
    form = report_choices.add(db.session.get_one(Funder, fund.funder_id), actor=current_user.email)
    return (_page(fund, form), 422) if form else redirect(url_for("staff_funder_reports.page", slug=slug), 303)


@bp.post("/<slug>/reports/<int:recipient_id>")
@access("manager", fresh=True)
def choose(slug: str, recipient_id: int) -> ResponseReturnValue:
    """Change, pause, resume or stop what a recipient gets."""
    of_fund = contributors.funder_ids_of(find_fund_or_404(slug))
    recipient = next((found for one in of_fund if (found := report_choices.recipient_of(one, recipient_id))), None)
    if recipient is None:
        abort(404)
    report_choices.change(recipient, actor=current_user.email)
    return redirect(url_for("staff_funder_reports.page", slug=slug), 303)
