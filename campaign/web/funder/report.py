"""A funder's report as HTML, XLSX, CSV, JSON and PDF, behind a private link. It shows amounts and counts, never donors."""

import io
import time
from typing import Any

import structlog
from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, session, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.signing_keys import signing_key_for
from campaign.config import resource
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile
from campaign.funders import access_links
from campaign.funders.access_links import MAX_SESSION, SESSION_IDLE, AccessLink
from campaign.matching.funds import Fund
from campaign.reporting import workbooks
from campaign.reporting.funder_statement import Statement, as_csv, as_json, render_pdf, table_of
from campaign.reporting.statement_actions import take_statement
from campaign.rules.money import format_money
from campaign.texts.dates import format_day, format_moment
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.languages import current_language
from campaign.web.security import LINKS_PER_CLIENT, FunderLinkRequired, access, limiter

bp = Blueprint("funder_report", __name__, url_prefix="/funder")

log = structlog.get_logger()

# How often a request notes that the session is used.
SEEN_INTERVAL_SECONDS = 60
# Of the link's id and of when its session was begun and last used, in seconds since 1970.
SESSION_KEY = "funder_link"


@bp.get("/links/<token>")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def enter(token: str) -> ResponseReturnValue:
    """Exchange the link for a session, so that the token does not stay in URLs that are shown, logged or shared."""
    link = access_links.open_link(token)
    if link is None:
        abort(404)
    db.session.commit()
    now = int(time.time())
    session[SESSION_KEY] = [link.id, now, now]
    return redirect(url_for("funder_report.report", lang=request.args.get("lang")))


@bp.get("/report")
@access("funder")
def report() -> ResponseReturnValue:
    """Pledged, held, matched and available amounts, and the matches by day."""
    statement, language = _build_statement(), current_language()
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


@bp.get("/report.csv")
@access("funder")
def report_csv() -> ResponseReturnValue:
    """The matches by day, one line a day."""
    statement = _build_statement()
    response = Response(as_csv(statement, _headings(), current_language()), mimetype="text/csv")
    return name_file(response, _file_name(statement, "csv"))


@bp.get("/report.xlsx")
@access("funder")
def report_xlsx() -> ResponseReturnValue:
    """The matches by day as a workbook, with their sums."""
    statement, workbook = _build_statement(), io.BytesIO()
    workbooks.write_xlsx(workbook, [table_of(statement, _headings(), title=gettext("Day by day"), total=gettext("Total"))])
    response = Response(workbook.getvalue(), mimetype=workbooks.XLSX)
    return name_file(response, _file_name(statement, "xlsx"))


def _headings() -> list[str]:
    return [gettext("Day"), gettext("Donations matched"), gettext("Matched (CAD)")]


@bp.get("/report.json")
@access("funder")
def report_json() -> ResponseReturnValue:
    """Every ledger entry of the fund with its hash, for independent verification (docs/verify.md)."""
    statement = _build_statement()
    key = _key_of(statement)
    key.certificates()  # Without a key there is no statement: this raises before the first byte.
    response = Response(stream_with_context(as_json(statement, key)), mimetype="application/json")
    return name_file(response, _file_name(statement, "json"))


@bp.get("/verify_statement.py")
@access("public")
def verifier() -> ResponseReturnValue:
    """The program that verifies a statement without us; it needs Python alone."""
    response = Response((resource("tools") / "verify_statement.py").read_bytes(), mimetype="text/x-python")
    return name_file(response, "verify_statement.py")


@bp.get("/report.pdf")
@access("funder")
def report_pdf() -> ResponseReturnValue:
    """The report as PDF."""
    statement = _build_statement()
    document = render_pdf(statement, current_language(), _key_of(statement), is_test=current_app.config["IS_SANDBOX"])
    return name_file(Response(document, mimetype="application/pdf"), _file_name(statement, "pdf"), disposition="inline")


def _key_of(statement: Statement) -> KeyFile:
    return signing_key_for(statement.fund.campaign_id)


def _file_name(statement: Statement, extension: str) -> str:
    day = f"{statement.as_of:%Y-%m-%d}"
    return file_name(Document.STATEMENT, statement.fund.slug, day, language=current_language(), extension=extension)


def _build_statement() -> Statement:
    """The statement of the fund in the session. Responds 403, with how to get a link, without a session that is open."""
    link = _link_of_session()
    if link is None:
        session.pop(SESSION_KEY, None)
        raise FunderLinkRequired
    return take_statement(db.session.get_one(Fund, link.fund_id))


def _link_of_session() -> AccessLink | None:
    match session.get(SESSION_KEY):
        case [int(link_id), int(begun_at), int(seen_at)]:
            now = int(time.time())
            is_open = now - seen_at < SESSION_IDLE.total_seconds() and now - begun_at < MAX_SESSION.total_seconds()
            if is_open and now - seen_at >= SEEN_INTERVAL_SECONDS:
                session[SESSION_KEY] = [link_id, begun_at, now]
            return access_links.find_link(link_id) if is_open else None
        case _:
            return None
