"""A funder's report, reached by a private link that becomes a short session: money and counts, never donors."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, session, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_datetime, gettext

from campaign.config import ROOT
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.giving.funds import Fund, link_by_hash, link_by_id
from campaign.reporting.statements import Statement, as_csv, as_json, printed, statement_of
from campaign.rules.money import written
from campaign.web.languages import spoken
from campaign.web.security import LINKS_PER_CLIENT, access, limiter

bp = Blueprint("funders", __name__, url_prefix="/funder")

STATEMENT_TEMPLATE = ROOT / "templates" / "funders" / "statement.typ"
SESSION_KEY = "funder_link"
LINK_LASTS = timedelta(days=90)


def token_hash(token: str) -> bytes:
    """What the books keep of a link's token."""
    return sha256(token.encode()).digest()


@bp.get("/links/<token>")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def enter(token: str) -> ResponseReturnValue:
    """Trade the link for a session, so that the token stays out of addresses that are shown, logged or passed on."""
    link = link_by_hash(token_hash(token))
    if link is None:
        abort(404)
    session[SESSION_KEY] = link.id
    return redirect(url_for("funders.report", lang=request.args.get("lang")))


@bp.get("/report")
@access("funder")
def report() -> ResponseReturnValue:
    """Pledged, held, matched, left, number of donations, by day."""
    statement, language = _statement(), spoken()
    return render_template(
        "funders/report.html",
        fund=statement.fund.name(language),
        title=statement.campaign.title(language),
        charity_name=statement.charity.name(language),
        as_of=format_datetime(statement.as_of, "long", rebase=False),
        pledged=written(statement.pledged_cents, language),
        held=written(statement.held_cents, language),
        matched=written(statement.matched_cents, language),
        left=written(statement.left_cents, language),
        donations=statement.donations,
        days=_days(statement, language),
        campaign_url=url_for("campaigns.page", language=language, slug=statement.campaign.slug),
    )


def _days(statement: Statement, language: str) -> list[dict[str, Any]]:
    most = max((day.matched_cents for day in statement.days), default=0)
    return [
        {
            "on": format_date(day.on, "long"),
            "iso": day.on.isoformat(),
            "donations": day.donations,
            "matched": written(day.matched_cents, language),
            "parts": max(0, day.matched_cents) * 100 // most if most > 0 else 0,
        }
        for day in reversed(statement.days)
    ]


@bp.get("/report.csv")
@access("funder")
def report_csv() -> ResponseReturnValue:
    """One line a day."""
    statement = _statement()
    headings = [gettext("Day"), gettext("Donations matched"), gettext("Matched (CAD)")]
    answer = Response(as_csv(statement, headings), mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{statement.fund.slug}-{statement.as_of:%Y-%m-%d}.csv"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@bp.get("/report.json")
@access("funder")
def report_json() -> ResponseReturnValue:
    """Every entry of the fund with its hash, to check without us (docs/verify.md)."""
    statement = _statement()
    answer = Response(stream_with_context(as_json(statement)), mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{statement.fund.slug}-{statement.as_of:%Y-%m-%d}.json"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@bp.get("/report.pdf")
@access("funder")
def report_pdf() -> ResponseReturnValue:
    """The same, to print and keep."""
    statement = _statement()
    data = printed(statement, spoken(), is_test=current_app.config["IS_SANDBOX"])
    name, at = f"{statement.fund.slug}-{statement.as_of:%Y-%m-%d}.pdf", statement.as_of
    db.session.rollback()
    answer = Response(pdf.render(STATEMENT_TEMPLATE, data, at=at), mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'inline; filename="{name}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _statement() -> Statement:
    """The statement that this visitor's link opens; 404 when it opens nothing any more."""
    remembered = session.get(SESSION_KEY)
    link = link_by_id(remembered) if isinstance(remembered, int) else None
    if link is None:
        session.pop(SESSION_KEY, None)
        abort(404)
    return statement_of(db.session.get_one(Fund, link.fund_id))
