"""When reports reach a funder by email: the list of recipients behind the funder's link, and the page of one of them behind the link in each report."""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.funders import contributors, report_recipient_actions, report_recipients
from campaign.funders.funders import Funder
from campaign.funders.report_recipients import ReportRecipient, Sending
from campaign.matching.funds import Fund
from campaign.web import report_choices
from campaign.web.funder.link_session import Viewer, viewer_of_session
from campaign.web.languages import current_language
from campaign.web.report_choices import NewRecipient
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("funder_reports", __name__, url_prefix="/funder/reports")

FUNDER, RECIPIENT = "the funder", "a recipient"


@bp.get("")
@access("funder")
def page() -> ResponseReturnValue:
    """Who gets which reports, and a form for another recipient."""
    return _page(viewer_of_session())


def _page(viewer: Viewer, form: NewRecipient | None = None) -> str:
    recipients = [report_choices.row_of(one) for one in report_recipients.recipients_of(viewer.funder_id)]
    return render_template(
        "funders/reports.html", recipients=recipients, form=form or report_choices.empty_form(), **_frame_of(viewer.fund)
    )


def _frame_of(fund: Fund) -> dict[str, Any]:
    campaign, language = db.session.get_one(Campaign, fund.campaign_id), current_language()
    return {
        "fund": fund.name(language),
        "title": campaign.title(language),
        "charity_name": campaign.charity.name(language),
        "charity": campaign.charity,
    }


@bp.post("")
@access("funder")
@limiter.limit(LINKS_PER_CLIENT)
def add() -> ResponseReturnValue:
    """Add a recipient."""
    viewer = viewer_of_session()
    form = report_choices.add(db.session.get_one(Funder, viewer.funder_id), actor=FUNDER)
    return (_page(viewer, form), 422) if form else redirect(url_for("funder_reports.page", lang=current_language()), 303)


@bp.post("/<int:recipient_id>")
@access("funder")
def choose(recipient_id: int) -> ResponseReturnValue:
    """Change, pause, resume or stop what a recipient gets."""
    recipient = report_choices.recipient_of(viewer_of_session().funder_id, recipient_id)
    if recipient is None:
        abort(404)
    report_choices.change(recipient, actor=FUNDER)
    return redirect(url_for("funder_reports.page", lang=current_language()), 303)


@bp.route("/by-mail/<token>", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # A mail program posts without a page; all that the link can do is change which reports somebody gets.
@limiter.limit(LINKS_PER_CLIENT)
def by_mail(token: str) -> ResponseReturnValue:
    """What one recipient gets, and a change of it. Opening the link changes nothing, as programs that scan emails do that too."""
    recipient = report_recipients.recipient_by_token(token)
    if recipient is None:
        abort(404)
    if request.form.get("List-Unsubscribe") == "One-Click":  # What answers it must not redirect (RFC 8058, section 3.1).
        kinds = report_recipients.kinds_of(report_recipients.choice_of(recipient))
        report_recipient_actions.choose(recipient, kinds=kinds, sending=Sending.STOPPED, actor=RECIPIENT)
    elif request.method == "POST":
        report_choices.change(recipient, actor=RECIPIENT)
        return redirect(url_for("funder_reports.by_mail", token=token, lang=request.args.get("lang")), 303)
    return render_template("funders/report_choices.html", recipient=report_choices.row_of(recipient), **_frame_of(_fund_of(recipient)))


def _fund_of(recipient: ReportRecipient) -> Fund:
    """The first fund that the funder leads, or else contributes to; its campaign is named on the page."""
    led = db.session.scalar(select(Fund).where(Fund.funder_id == recipient.funder_id).order_by(Fund.id).limit(1))
    return led or contributors.funds_contributed_to(recipient.funder_id)[0]
