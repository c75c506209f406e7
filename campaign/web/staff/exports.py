"""What staff export: the files, and in the audit trail and the log who, what and when, and nothing of the donors in it."""

import tempfile
from collections.abc import Iterator, Sequence

import structlog
from flask import Response, stream_with_context
from flask_security import current_user

from campaign.edges.db import db
from campaign.reporting import spreadsheets
from campaign.reporting.spreadsheets import CHUNK_BYTES, XLSX, Table
from campaign.staff import audit
from campaign.web.languages import current_language

log = structlog.get_logger()


def record_export(document: str, subject: str) -> None:
    """Commit that the member exports this document. `subject` is a year, a serial number or a public id."""
    audit.record(current_user.email, "exported", subject, document=document)
    db.session.commit()
    log.info("security.export", staff=current_user.id, document=document, subject=subject)


def send_csv(table: Table, name: str) -> Response:
    """The table as CSV for the spreadsheets of the current language, read while it is sent."""
    chunks = (line.encode() for line in spreadsheets.csv_lines(table, current_language()))
    return _attachment(Response(stream_with_context(chunks), mimetype="text/csv; charset=utf-8"), f"{name}.csv")


def send_xlsx(tables: Sequence[Table], name: str) -> Response:
    """The tables as a workbook."""
    return _attachment(Response(stream_with_context(_workbook(tables)), mimetype=XLSX), f"{name}.xlsx")


def _workbook(tables: Sequence[Table]) -> Iterator[bytes]:
    """Write the workbook to a temporary file and yield it in chunks; the file is deleted afterwards."""
    with tempfile.TemporaryFile(prefix="export-") as file:
        spreadsheets.write_xlsx(file, tables)
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def send_stored_xlsx(workbook: bytes, name: str) -> Response:
    """A workbook as it was stored."""
    return _attachment(Response(workbook, mimetype=XLSX), f"{name}.xlsx")


def _attachment(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
