"""A funder's statement as XLSX, CSV, JSON and PDF, behind a private link. It shows amounts and counts, never donors."""

import io

from flask import Blueprint, Response, current_app, stream_with_context
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.signing_keys import signing_key_for
from campaign.config import resource
from campaign.edges.pdf_signing import KeyFile
from campaign.reporting import workbooks
from campaign.reporting.funder_statement import Statement, as_csv, as_json, render_pdf, table_of
from campaign.reporting.statement_actions import take_statement
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.funder.link_session import fund_of_session
from campaign.web.languages import current_language
from campaign.web.security import access

bp = Blueprint("funder_statements", __name__, url_prefix="/funder")


@bp.get("/report.csv")
@access("funder")
def report_csv() -> ResponseReturnValue:
    """The matches by day, one line a day."""
    statement = take_statement(fund_of_session())
    response = Response(as_csv(statement, _headings(), current_language()), mimetype="text/csv")
    return name_file(response, _file_name(statement, "csv"))


@bp.get("/report.xlsx")
@access("funder")
def report_xlsx() -> ResponseReturnValue:
    """The matches by day as a workbook, with their sums."""
    statement, workbook = take_statement(fund_of_session()), io.BytesIO()
    workbooks.write_xlsx(workbook, [table_of(statement, _headings(), title=gettext("Day by day"), total=gettext("Total"))])
    response = Response(workbook.getvalue(), mimetype=workbooks.XLSX)
    return name_file(response, _file_name(statement, "xlsx"))


def _headings() -> list[str]:
    return [gettext("Day"), gettext("Donations matched"), gettext("Matched (CAD)")]


@bp.get("/report.json")
@access("funder")
def report_json() -> ResponseReturnValue:
    """Every ledger entry of the fund with its hash, for independent verification (docs/verify.md)."""
    statement = take_statement(fund_of_session())
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
    statement = take_statement(fund_of_session())
    document = render_pdf(statement, current_language(), _key_of(statement), is_test=current_app.config["IS_SANDBOX"])
    return name_file(Response(document, mimetype="application/pdf"), _file_name(statement, "pdf"), disposition="inline")


def _key_of(statement: Statement) -> KeyFile:
    return signing_key_for(statement.fund.campaign_id)


def _file_name(statement: Statement, extension: str) -> str:
    day = f"{statement.as_of:%Y-%m-%d}"
    return file_name(Document.STATEMENT, statement.fund.slug, day, language=current_language(), extension=extension)
