"""The preview of an import for staff: what is ready, asked about or wrong, decided row by row or together; then confirming it, and undoing it."""

from collections.abc import Mapping

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_security import current_user

from campaign.receipts import gift_import_actions, gift_imports
from campaign.receipts.gift_imports import OPEN, UNDER_WAY, GiftImport, RowCount, RowState
from campaign.reporting.spreadsheets import Column, Table
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.dates import format_moment
from campaign.texts.file_names import Document, file_name
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.exports import record_export, send_csv
from campaign.web.staff.import_tables import list_questions, match_estimate, reasons_of, row_of, state_labels, sums_of
from campaign.web.staff.imports import import_or_404

bp = Blueprint("staff_import_preview", __name__, url_prefix="/staff/imports/<int:import_id>")

ROWS_SHOWN = 50


@bp.get("")
@access("viewer")
def page(import_id: int) -> ResponseReturnValue:
    """The rows of one state, `?show=`, by default of the first that needs somebody; `?after=` is the line behind which the page begins."""
    imported = import_or_404(import_id)
    counts = gift_imports.counts_of([imported.id])[imported.id]
    if not imported.is_mapped and counts and has_role("clerk"):
        return redirect(url_for("staff_imports.columns", import_id=import_id), 303)
    return _page(imported, counts)


def _page(imported: GiftImport, counts: Mapping[RowState, RowCount]) -> str:
    language, chosen = current_language(), request.values.get("show", "")
    shown = RowState(chosen) if chosen in set(RowState) else next((state for state in RowState if state in counts), RowState.READY)
    found = gift_imports.page_of_rows(imported.id, (shown,), after=request.args.get("after", 0, type=int), limit=ROWS_SHOWN + 1)
    ready, under_way = counts.get(RowState.READY, RowCount()), sum(counts.get(state, RowCount()).rows for state in UNDER_WAY)
    recorded, total = counts.get(RowState.RECORDED, RowCount()), sum(count.rows for count in counts.values())
    ready_rows = gift_imports.rows_of(imported.id, (RowState.READY,)) if ready.rows else []
    return render_template(
        "staff/import.html",
        title=imported.campaign.title(language),
        imported=imported,
        uploaded_at=format_moment(imported.campaign.charity.local(imported.uploaded_at), language),
        expires_on=imported.campaign.charity.local(imported.expires_at).date().isoformat(),
        states=[(state.value, state_labels()[state], counts[state].rows) for state in RowState if state in counts],
        shown=shown.value,
        rows=[row_of(imported, row) for row in found[:ROWS_SHOWN]],
        next_after=found[ROWS_SHOWN - 1].number if len(found) > ROWS_SHOWN else None,
        questions=list_questions(imported) if shown is RowState.DOUBTFUL else [],
        ready=ready,
        ready_amount=format_money(ready.cents, language),
        recorded=recorded.rows,
        recorded_amount=format_money(recorded.cents, language),
        under_way=under_way,
        total=total,
        done=total - under_way,
        refused=sum(counts.get(state, RowCount()).rows for state in OPEN - {RowState.READY}),
        match=format_money(match_estimate(imported, ready_rows), language),
        by_method=sums_of(ready_rows, by_method=True),
        by_day=sums_of(ready_rows, by_method=False),
        may_act=has_role("clerk"),
    )


@bp.post("/decisions")
@access("clerk")
def decide(import_id: int) -> ResponseReturnValue:
    """Leave rows out or take them in again, or answer what is asked: about the row posted, or about all rows of the state or with the question."""
    imported, actor = import_or_404(import_id), current_user.email
    number, act = request.form.get("row", type=int), request.form.get("act", "")
    numbers = None if number is None else [number]
    shown, question = request.form.get("show", ""), request.form.get("question", "")
    source = RowState(shown) if shown in {state.value for state in OPEN} else RowState.WRONG
    if act == "accept":
        asked = [question] if question else _questions_of(imported, number)
        count = gift_import_actions.accept(imported, asked, numbers=numbers, actor=actor)
        flash(ngettext("%(num)s row was answered.", "%(num)s rows were answered.", count))
    elif act == "take_in":
        count = gift_import_actions.decide(imported, source=RowState.LEFT_OUT, target=RowState.READY, numbers=numbers, actor=actor)
        flash(ngettext("%(num)s row is in again.", "%(num)s rows are in again.", count))
    else:
        if question:
            numbers = [row.number for row in gift_imports.rows_of(imported.id, (RowState.DOUBTFUL,)) if question in row.unanswered]
        count = gift_import_actions.decide(imported, source=source, target=RowState.LEFT_OUT, numbers=numbers, actor=actor)
        flash(ngettext("%(num)s row is left out.", "%(num)s rows are left out.", count))
    return redirect(url_for("staff_import_preview.page", import_id=import_id, show=shown), 303)


def _questions_of(imported: GiftImport, number: int | None) -> list[str]:
    row = gift_imports.find_row(imported.id, number) if number is not None else None
    return row.unanswered if row else []


@bp.post("/confirmations")
@access("clerk", fresh=True)
def confirm(import_id: int) -> ResponseReturnValue:
    """Record the rows that are ready, in the background."""
    imported = import_or_404(import_id)
    seen = RowCount(rows=request.form.get("rows", 0, type=int), cents=request.form.get("cents", 0, type=int))
    try:
        count = gift_import_actions.confirm(imported, seen=seen, actor=current_user.email)
        if count:
            flash(ngettext("%(num)s gift is being recorded.", "%(num)s gifts are being recorded.", count))
        else:
            flash(gettext("No row was ready: nothing more is recorded."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_import_preview.page", import_id=import_id), 303)


@bp.post("/discards")
@access("clerk", fresh=True)
def discard(import_id: int) -> ResponseReturnValue:
    """Delete what was not recorded."""
    try:
        gift_import_actions.discard(import_or_404(import_id), actor=current_user.email)
        flash(gettext("What was not recorded of the file is deleted."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_imports.index"), 303)


@bp.get("/refused.csv")
@access("clerk", fresh=True)
def refused_csv(import_id: int) -> Response:
    """The rows that are not recorded, as they were in the file, each with its reason: to be corrected there and uploaded again."""
    imported = import_or_404(import_id)
    record_export("refused rows of an import (CSV)", f"import {import_id}")
    rows = gift_imports.rows_of(imported.id, OPEN - {RowState.READY})
    table = Table(
        title=gettext("Rows that were not recorded"),
        columns=(
            *(Column(heading=heading) for heading in imported.headings),
            Column(heading=gettext("Row")),
            Column(heading=gettext("Why it was not recorded")),
        ),
        rows=[[*row.cells, str(row.number), "; ".join(reasons_of(imported, row))] for row in rows if row.cells],
        total="",
    )
    name = file_name(Document.GIFTS, imported.id, gettext("refused"), language=current_language(), extension="csv")
    return send_csv(table, name)
