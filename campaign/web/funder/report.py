"""A funder's report, behind a private link. It shows amounts and counts, never donors."""

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from campaign.edges.db import db
from campaign.funders import access_links
from campaign.reporting.statement_actions import take_statement
from campaign.reporting.statements.statement import Statement
from campaign.rules.money import format_money
from campaign.texts.dates import format_day, format_moment
from campaign.web.funder import link_session
from campaign.web.languages import current_language
from campaign.web.security import LINKS_PER_CLIENT, access, limiter

bp = Blueprint("funder_report", __name__, url_prefix="/funder")


@bp.get("/links/<token>")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def enter(token: str) -> ResponseReturnValue:
    """Exchange the link for a session, so that the token does not stay in URLs that are shown, logged or shared."""
    link = access_links.open_link(token)
    if link is None:
        abort(404)
    db.session.commit()
    link_session.begin(link)
    return redirect(url_for("funder_report.report", lang=request.args.get("lang")))


@bp.get("/report")
@access("funder")
def report() -> ResponseReturnValue:
    """Pledged, held, matched and available amounts, and the matches by day."""
    statement, language = take_statement(link_session.fund_of_session()), current_language()
    return render_template(
        "funders/report.html",
        fund=statement.fund.name(language),
        title=statement.campaign.title(language),
        charity_name=statement.charity.name(language),
        as_of=format_moment(statement.as_of, language, "long"),
        pledged=format_money(statement.pledged_cents, language),
        held=format_money(statement.held_cents, language),
        matched=format_money(statement.matched_cents, language),
        left=format_money(statement.left_cents, language),
        received=format_money(statement.received_cents, language),
        donations=statement.donations,
        days=_days(statement, language),
        campaign_url=url_for("campaigns.page", language=language, slug=statement.campaign.slug),
    )


def _days(statement: Statement, language: str) -> list[dict[str, Any]]:
    highest = max((day.matched_cents for day in statement.days), default=0)
    return [
        {
            "on": format_day(day.on, language),
            "iso": day.on.isoformat(),
            "donations": day.donations,
            "matched": format_money(day.matched_cents, language),
            "parts": max(0, day.matched_cents) * 100 // highest if highest > 0 else 0,
        }
        for day in reversed(statement.days)
    ]
