"""What staff export: the files, and in the audit trail and the log who, what and when, and nothing of the donors in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import structlog
from flask import Response, current_app, stream_with_context
from flask_babel import force_locale, gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.reporting import spreadsheets, workbooks
from campaign.reporting.spreadsheets import Cell, Origin, Table
from campaign.reporting.workbooks import XLSX
from campaign.rules.fiscal_years import Period
from campaign.staff import audit
from campaign.texts.file_names import AS_OF, Document, file_name
from campaign.web.downloads import name_file
from campaign.web.languages import current_language
from campaign.web.read_ahead import read_ahead

log = structlog.get_logger()

LINES_IN_PIECE = 200


def origin_of(charity: Charity, period: Period) -> Origin:
    """What a workbook that the member makes now is of: the charity, the period, the moment and the member."""
    days = gettext("From %(first)s to %(last)s", first=period.first_on, last=period.last_on)
    facts = [(gettext("First day"), period.first_on), (gettext("Last day"), period.last_on)]
    is_unfinished = period.last_on >= charity.local(datetime.now(UTC)).date()
    marks = [(gettext("Unfinished"), gettext("This period is not over: the figures still grow."))] if is_unfinished else []
    return _origin(charity, facts, marks, days)


def origin_of_list(charity: Charity, filters: Sequence[str]) -> Origin:
    """What a workbook of a list is of: the charity, what the list is filtered by, the moment and the member."""
    said = "; ".join(filters) or gettext("Everything, without a filter")
    return _origin(charity, [(gettext("Filtered by"), said)], [], said)


def _origin(charity: Charity, facts: Sequence[tuple[str, str | date]], marks: Sequence[tuple[str, str]], days: str) -> Origin:
    exported_at, name = charity.local(datetime.now(UTC)), charity.legal_name
    moment = f"{exported_at:%Y-%m-%d %H:%M} ({charity.time_zone})"
    if current_app.config["IS_SANDBOX"]:
        marks = [(gettext("Trial"), gettext("TEST – this is a trial. No real money moves and no receipt is valid.")), *marks]
    return Origin(
        title=gettext("About this file"),
        facts=[
            (gettext("Charity"), name),
            (gettext("Registration number"), charity.registration_number),
            *facts,
            (gettext("As the books were on"), moment),
            (gettext("Exported by"), current_user.email),
            *marks,
        ],
        subject=". ".join([*(mark.upper() for mark, _ in marks), f"{name}, {charity.registration_number}", days]),
        source=f"{moment}, {current_user.email}",
    )


def list_name(charity: Charity, document: Document, extension: str) -> str:
    """The name of an export that is of no period: the charity's number, the day of the export, and whether it is of a trial."""
    number, today = "".join(filter(str.isalnum, charity.registration_number)), f"{charity.local(datetime.now(UTC)):%Y-%m-%d}"
    return file_name(
        document, number, AS_OF, today, language=current_language(), extension=extension, is_trial=current_app.config["IS_SANDBOX"]
    )


def export_name(charity: Charity, document: Document, period: Period, extension: str) -> str:
    """The name of an export, which says what a CSV has no row for: the charity's number, the last day of the period, the day of the export, and
    whether it is of a trial.
    """
    number, today = "".join(filter(str.isalnum, charity.registration_number)), f"{charity.local(datetime.now(UTC)):%Y-%m-%d}"
    parts = (number, period.last_on, AS_OF, today)
    return file_name(document, *parts, language=current_language(), extension=extension, is_trial=current_app.config["IS_SANDBOX"])


def record_export(document: str, subject: str, **filters: object) -> None:
    """Commit that the member exports this document. `subject` is a year, a serial number, a public id or the name of a list."""
    audit.record(current_user.email, "exported", subject, document=document, **filters)
    db.session.commit()
    log.info("security.export", staff=current_user.id, document=document, subject=subject)


def send_table(table: Table, origin: Origin, name: str, *, document: str, subject: str, **filters: object) -> Response:
    """The table as the file that its name says, CSV or XLSX. The audit trail says that it began, of what, and with how many rows it ended."""
    extension = name.rpartition(".")[2]
    document = f"{document} ({extension.upper()})"
    record_export(document, subject, **filters)
    sent, of = SentRows(table.rows), {name: value for name, value in filters.items() if name == audit.OF_CHARITY}
    table, actor, language = replace(table, rows=sent), current_user.email, current_language()

    def pieces() -> Iterator[bytes]:
        with force_locale(language):
            yield from workbooks.workbook_pieces([table], origin) if extension == "xlsx" else csv_pieces(table)

    def recorded() -> Iterator[bytes]:
        is_complete = False
        try:
            yield from read_ahead(pieces())
            is_complete = True
        finally:
            audit.record(actor, "sent an export", subject, document=document, rows=sent.count, is_complete=is_complete, **of)
            db.session.commit()

    return name_file(Response(stream_with_context(recorded()), mimetype=XLSX if extension == "xlsx" else "text/csv"), name)


class SentRows:
    """Counts the rows that are read through it."""

    def __init__(self, rows: Iterable[Sequence[Cell]]) -> None:
        self._rows, self.count = rows, 0

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        """Yield the rows."""
        for row in self._rows:
            self.count += 1
            yield row


def csv_pieces(table: Table, *, for_import: bool = False) -> Iterator[bytes]:
    """The table as CSV in pieces of some kilobytes, as one a line would take most of the time: for the spreadsheets of the current language, or with
    commas and points for a program to import.
    """
    piece: list[str] = []
    language = "en" if for_import else current_language()
    for number, line in enumerate(spreadsheets.csv_lines(table, language, has_mark=not for_import)):
        piece.append(line)
        if number % LINES_IN_PIECE == 0:  # The headings go out at once.
            yield "".join(piece).encode()
            piece.clear()
    yield "".join(piece).encode()


def send_csv(table: Table, name: str, *, for_import: bool = False) -> Response:
    """The table as CSV (csv_pieces), read ahead while it is sent."""
    pieces = read_ahead(csv_pieces(table, for_import=for_import))
    return name_file(Response(stream_with_context(pieces), mimetype="text/csv"), name)


def send_xlsx(tables: Sequence[Table], origin: Origin, name: str) -> Response:
    """The tables as a workbook that says what it is of."""
    return name_file(Response(stream_with_context(read_ahead(workbooks.workbook_pieces(tables, origin))), mimetype=XLSX), name)


def send_stored_xlsx(workbook: bytes, name: str) -> Response:
    """A workbook as it was stored."""
    return name_file(Response(workbook, mimetype=XLSX), name)
