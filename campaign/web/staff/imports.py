"""Imports of offline gifts for staff: the files that were uploaded, uploading one, its columns, and a template to begin with."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.receipts import gift_import_actions, gift_imports
from campaign.receipts.gift_import_actions import ImportOptions
from campaign.receipts.gift_imports import OPEN, UNDER_WAY, GiftImport, RowCount, RowState
from campaign.reporting.spreadsheets import Cell, Column, Table
from campaign.rules import typed_text
from campaign.rules.import_columns import REQUIRED, ImportField
from campaign.rules.imported_files import MOST_BYTES, MOST_ROWS, FileRefused, read_file
from campaign.rules.imported_values import DayOrder
from campaign.rules.money import format_typed
from campaign.rules.offline_gifts import OfflineMethod
from campaign.texts import action_errors, import_words
from campaign.texts.action_errors import ActionRefused
from campaign.texts.dates import format_moment
from campaign.texts.file_names import Document, file_name
from campaign.web.errors import campaign_or_404
from campaign.web.labels import language_labels, offline_method_labels
from campaign.web.languages import LANGUAGES, current_language
from campaign.web.security import access, csrf, has_role
from campaign.web.staff.exports import send_csv
from campaign.web.staff.import_check import RowReader, options_of

bp = Blueprint("staff_imports", __name__, url_prefix="/staff/imports")

IMPORTS_SHOWN = 25
EXAMPLES_SHOWN = 3
LONGEST_NAME = 100


@bp.get("")
@access("viewer")
def index() -> ResponseReturnValue:
    """The files, the latest first, and the form to upload one. `?before=` is where an earlier page begins."""
    return _index()


def _index(error: str = "") -> str:
    campaign, before = campaign_or_404(), request.args.get("before", type=int)
    found = gift_imports.list_imports(campaign.charity, before=before, limit=IMPORTS_SHOWN + 1)
    shown = found[:IMPORTS_SHOWN]
    counts = gift_imports.counts_of([one.id for one in shown])
    return render_template(
        "staff/imports.html",
        title=campaign.title(current_language()),
        imports=[_row(one, counts[one.id]) for one in shown],
        next_before=shown[-1].id if len(found) > IMPORTS_SHOWN else None,
        is_first=before is None,
        may_upload=has_role("clerk"),
        error=error,
        most_rows=MOST_ROWS,
    )


def _row(imported: GiftImport, counts: Mapping[RowState, RowCount]) -> dict[str, Any]:
    recorded, language = counts.get(RowState.RECORDED, RowCount()), current_language()
    to_do = sum(counts.get(state, RowCount()).rows for state in OPEN - {RowState.LEFT_OUT})
    return {
        "id": imported.id,
        "file": imported.file_name,
        "at": format_moment(imported.campaign.charity.local(imported.uploaded_at), language),
        "by": imported.uploaded_by,
        "recorded": recorded.rows,
        "undone": counts.get(RowState.UNDONE, RowCount()).rows,
        "to_do": to_do,
        "is_under_way": bool(counts.keys() & UNDER_WAY),
    }


@bp.post("")
@access("clerk", takes_document=True)
@csrf.exempt  # Its token is checked here, once the request may be as large as a file.
def upload() -> ResponseReturnValue:
    """Store the file. Nothing of it is recorded until somebody confirms it."""
    csrf.protect()
    file = request.files.get("file")
    if file is None or not file.filename:
        return _index(gettext("Please choose a file.")), 422
    content = file.read(MOST_BYTES + 1)
    try:
        found = read_file(content)
    except FileRefused as refused:
        return _index(import_words.describe_file(refused.flaw, refused.row, current_language())), 422
    name = "".join(c for c in typed_text.clean(file.filename) if c.isprintable())[:LONGEST_NAME]
    imported = gift_import_actions.store_upload(
        campaign_or_404(), found, name=name, donor_language=current_language(), actor=current_user.email
    )
    return redirect(url_for("staff_imports.columns", import_id=imported.id), 303)


@bp.get("/template.<any(en,fr):language>.csv")
@access("viewer")
def template(language: str) -> Response:
    """A file with the headings and two examples, as the Excel of the language opens it."""
    name = file_name(Document.TEMPLATE, language=language, extension="csv")
    return send_csv(_template_table(), name)


def _template_table() -> Table:
    language, methods = current_language(), offline_method_labels()
    names = [import_words.name_field(field, language) for field in ImportField]
    person = {
        ImportField.AMOUNT: format_typed(1_234_50, language),
        ImportField.METHOD: methods[OfflineMethod.CHEQUE],
        ImportField.REFERENCE: "101",
        ImportField.FIRST_NAME: "Élise",
        ImportField.LAST_NAME: "Gagné",
    }
    club = {
        ImportField.AMOUNT: format_typed(50_00, language),
        ImportField.METHOD: methods[OfflineMethod.ETRANSFER],
        ImportField.REFERENCE: "C1A2b3",
        ImportField.ORGANIZATION: "Club Rotary",
        ImportField.EMAIL: "club@example.org",
    }
    shared = {
        ImportField.RECEIVED_ON: "2026-11-28",
        ImportField.ADDRESS_LINE1: "8, rue Principale",
        ImportField.CITY: "Québec",
        ImportField.PROVINCE: "QC",
        ImportField.POSTAL_CODE: "G1R 4P5",
        ImportField.COUNTRY: "Canada",
        ImportField.LANGUAGE: language_labels()[language],
    }
    rows: list[list[Cell]] = [[{**shared, **gift}.get(field, "") for field in ImportField] for gift in (person, club)]
    return Table(title=gettext("Offline gifts"), columns=tuple(Column(heading=name) for name in names), rows=rows, total="")


@bp.get("/<int:import_id>/columns")
@access("clerk")
def columns(import_id: int) -> ResponseReturnValue:
    """Which column is what, as far as the headings say; staff correct it."""
    return _columns_page(import_or_404(import_id))


def _columns_page(imported: GiftImport, *, options: ImportOptions | None = None, errors: Mapping[str, str] | None = None) -> str:
    language, options = current_language(), options or options_of(imported)
    rows = gift_imports.rows_of(imported.id)
    reader = RowReader(imported, options)
    examples = [
        next((row.cells[place] for row in rows if row.cells and row.cells[place].strip()), "") for place in range(len(imported.headings))
    ]
    return render_template(
        "staff/import_columns.html",
        title=imported.campaign.title(language),
        imported=imported,
        rows=len(rows),
        headings=[(place, _named(place, heading, examples[place])) for place, heading in enumerate(imported.headings)],
        fields=[
            {
                "name": field.value,
                "label": import_words.name_field(field, language),
                "place": options.columns.get(field),
                "error": (errors or {}).get(field.value, ""),
            }
            for field in ImportField
        ],
        unused=[heading for place, heading in enumerate(imported.headings) if heading and place not in options.columns.values()],
        orders=[
            (DayOrder.DAY_FIRST.value, gettext("Day first: 28/11/2026")),
            (DayOrder.MONTH_FIRST.value, gettext("Month first: 11/28/2026")),
        ],
        needs_order=reader.needs_order(rows) or options.day_order is not None,
        options=options,
        methods=[(method.value, label) for method, label in offline_method_labels().items()],
        languages=list(language_labels().items()),
        errors=errors or {},
    )


def _named(place: int, heading: str, example: str) -> str:
    """The column as it is offered: its number, its heading, and what it has first."""
    named = heading or gettext("no heading")
    return f"{place + 1}. {named} ({example[:40]})" if example else f"{place + 1}. {named}"


@bp.post("/<int:import_id>/columns")
@access("clerk")
def set_columns(import_id: int) -> ResponseReturnValue:
    """Read the rows with these columns, and go on to the preview."""
    imported = import_or_404(import_id)
    options = _posted_options(imported)
    reader, rows = RowReader(imported, options), gift_imports.rows_of(imported.id)
    errors = {field.value: gettext("Please choose the column.") for field in REQUIRED if field not in options.columns}
    places = list(options.columns.values())
    errors |= {
        field.value: gettext("This column is chosen twice.")
        for number, (field, place) in enumerate(options.columns.items())
        if place in places[:number]
    }
    if reader.needs_order(rows):
        errors["day_order"] = gettext("Days such as 05/06/2026 can be read in two ways. Please choose which one this file has.")
    if errors:
        return _columns_page(imported, options=options, errors=errors), 422
    reader.use_order_of(rows)
    db.session.commit()  # Reading takes seconds, and needs no transaction: what is loaded stays so.
    checked = {row.number: reader.check(row) for row in rows if row.cells}
    version = request.form.get("version", -1, type=int)
    try:
        gift_import_actions.set_options(imported, options, checked, version=version, actor=current_user.email)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return redirect(url_for("staff_imports.columns", import_id=import_id), 303)
    return redirect(url_for("staff_import_preview.page", import_id=import_id), 303)


def _posted_options(imported: GiftImport) -> ImportOptions:
    places = {field: request.form.get(field.value, type=int) for field in ImportField}
    order, method = request.form.get("day_order", ""), request.form.get("default_method", "")
    language = request.form.get("default_language", "")
    return ImportOptions(
        columns={field: place for field, place in places.items() if place is not None and 0 <= place < len(imported.headings)},
        day_order=DayOrder(order) if order in set(DayOrder) else None,
        method=OfflineMethod(method) if method in set(OfflineMethod) else OfflineMethod(imported.method),
        donor_language=language if language in LANGUAGES else imported.donor_language,
        is_matchable=not request.form.get("not_matchable"),
        details_unknown=bool(request.form.get("details_unknown")),
    )


def import_or_404(import_id: int) -> GiftImport:
    """The import, which is of the charity."""
    imported = gift_imports.find(campaign_or_404().charity, import_id)
    if imported is None:
        abort(404)
    return imported
