"""What staff export: the files, and in the audit trail and the log who, what and when, and nothing of the donors in it."""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import structlog
from flask import Response, current_app, stream_with_context
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.reporting import spreadsheets
from campaign.reporting.spreadsheets import CHUNK_BYTES, XLSX, Origin, Table
from campaign.rules.fiscal_years import Period
from campaign.staff import audit
from campaign.texts.file_names import AS_OF, Document, file_name
from campaign.web.downloads import name_file
from campaign.web.languages import current_language

log = structlog.get_logger()


def origin_of(charity: Charity, period: Period) -> Origin:
    """What a workbook that the member makes now is of: the charity, the period, the moment and the member."""
    exported_at, name = charity.local(datetime.now(UTC)), charity.legal_name
    moment = f"{exported_at:%Y-%m-%d %H:%M} ({charity.time_zone})"
    days = gettext("From %(first)s to %(last)s", first=period.first_on, last=period.last_on)
    marks = []
    if current_app.config["IS_SANDBOX"]:
        marks.append((gettext("Trial"), gettext("TEST – this is a trial. No real money moves and no receipt is valid.")))
    if period.last_on >= exported_at.date():
        marks.append((gettext("Unfinished"), gettext("This period is not over: the figures still grow.")))
    return Origin(
        title=gettext("About this file"),
        facts=[
            (gettext("Charity"), name),
            (gettext("Registration number"), charity.registration_number),
            (gettext("First day"), period.first_on),
            (gettext("Last day"), period.last_on),
            (gettext("As the books were on"), moment),
            (gettext("Exported by"), current_user.email),
            *marks,
        ],
        subject=". ".join([*(mark.upper() for mark, _ in marks), f"{name}, {charity.registration_number}", days]),
        source=f"{moment}, {current_user.email}",
    )


def export_name(charity: Charity, document: Document, period: Period, extension: str) -> str:
    """The name of an export, which says what a CSV has no row for: the charity's number, the last day of the period, the day of the export, and
    whether it is of a trial.
    """
    number, today = "".join(filter(str.isalnum, charity.registration_number)), f"{charity.local(datetime.now(UTC)):%Y-%m-%d}"
    parts = (number, period.last_on, AS_OF, today)
    return file_name(document, *parts, language=current_language(), extension=extension, is_trial=current_app.config["IS_SANDBOX"])


def record_export(document: str, subject: str) -> None:
    """Commit that the member exports this document. `subject` is a year, a serial number or a public id."""
    audit.record(current_user.email, "exported", subject, document=document)
    db.session.commit()
    log.info("security.export", staff=current_user.id, document=document, subject=subject)


def send_csv(table: Table, name: str, *, for_import: bool = False) -> Response:
    """The table as CSV, read while it is sent: for the spreadsheets of the current language, or with commas and points for a program to import."""
    language = "en" if for_import else current_language()
    chunks = (line.encode() for line in spreadsheets.csv_lines(table, language, has_mark=not for_import))
    return name_file(Response(stream_with_context(chunks), mimetype="text/csv"), name)


def send_xlsx(tables: Sequence[Table], origin: Origin, name: str) -> Response:
    """The tables as a workbook that says what it is of."""
    return name_file(Response(stream_with_context(_workbook(tables, origin)), mimetype=XLSX), name)


def _workbook(tables: Sequence[Table], origin: Origin) -> Iterator[bytes]:
    """Write the workbook to a temporary file and yield it in chunks; the file is deleted afterwards."""
    with tempfile.TemporaryFile(prefix="export-") as file:
        spreadsheets.write_xlsx(file, tables, origin)
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def send_stored_xlsx(workbook: bytes, name: str) -> Response:
    """A workbook as it was stored."""
    return name_file(Response(workbook, mimetype=XLSX), name)
