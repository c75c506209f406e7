"""A funder's statements, behind a private link: the list of their periods, and each as PDF, XLSX, CSV and JSON, with the verifier for an auditor."""

from flask import Blueprint, Response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import Campaign
from campaign.config import resource
from campaign.edges.db import db
from campaign.reporting import statement_actions
from campaign.web import statement_files
from campaign.web.downloads import name_file
from campaign.web.funder.link_session import viewer_of_session
from campaign.web.languages import current_language
from campaign.web.security import STATEMENTS_PER_CLIENT, access, limiter

bp = Blueprint("funder_statements", __name__, url_prefix="/funder")


@bp.get("/statements/")
@access("funder")
def page() -> ResponseReturnValue:
    """Each month and quarter with its files, a form for a statement to a day, and what an auditor needs."""
    viewer, language = viewer_of_session(), current_language()
    campaign = db.session.get_one(Campaign, viewer.fund.campaign_id)
    context = statement_files.list_context(viewer.fund, _url_of, viewer.contributor)
    names = {"title": campaign.title(language), "charity_name": campaign.charity.name(language), "charity": campaign.charity}
    names |= {"is_contributor": viewer.contributor is not None, "proof_url": url_for("api.proof", slug=campaign.slug)}
    return render_template("funders/statements.html", **names, **context), 422 if context["typed"].error else 200


def _url_of(period: str, form: str) -> str:
    return url_for("funder_statements.file", period=period, form=form, lang=current_language())


@bp.get("/statements/<period>.<form>")
@access("funder")
@limiter.limit(STATEMENTS_PER_CLIENT)
def file(period: str, form: str) -> ResponseReturnValue:
    """The statement of one period."""
    viewer, back = viewer_of_session(), url_for("funder_statements.page", lang=current_language())
    return statement_files.send_file(viewer.fund, period, form, back=back, contributor=viewer.contributor)


def _redirect_to_now(form: str) -> ResponseReturnValue:
    period = statement_actions.wait_for_period_to_now(viewer_of_session().fund)
    return redirect(_url_of(period.name, form))


@bp.get("/report.pdf")
@access("funder")
@limiter.limit(STATEMENTS_PER_CLIENT)
def report_pdf() -> ResponseReturnValue:
    """The statement until now as PDF, at an address where it can be had again."""
    return _redirect_to_now("pdf")


@bp.get("/report.xlsx")
@access("funder")
@limiter.limit(STATEMENTS_PER_CLIENT)
def report_xlsx() -> ResponseReturnValue:
    """The statement until now as a workbook."""
    return _redirect_to_now("xlsx")


@bp.get("/report.csv")
@access("funder")
@limiter.limit(STATEMENTS_PER_CLIENT)
def report_csv() -> ResponseReturnValue:
    """The statement until now as CSV."""
    return _redirect_to_now("csv")


@bp.get("/report.json")
@access("funder")
@limiter.limit(STATEMENTS_PER_CLIENT)
def report_json() -> ResponseReturnValue:
    """The statement until now as JSON."""
    return _redirect_to_now("json")


@bp.get("/verify_statement.py")
@access("public")
def verifier() -> ResponseReturnValue:
    """The program that verifies a statement without us; it needs Python alone."""
    response = Response((resource("tools") / "verify_statement.py").read_bytes(), mimetype="text/x-python")
    return name_file(response, "verify_statement.py")
