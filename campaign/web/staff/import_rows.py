"""One row of an import for staff: the form for one gift with what the file says, to be corrected, and the questions about it."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations import similar_donors
from campaign.receipts import gift_import_actions, gift_imports
from campaign.receipts.gift_import_actions import CheckedRow
from campaign.receipts.gift_imports import OPEN, GiftImport, GiftImportRow, RowState
from campaign.receipts.imported_gifts import RowQuestion
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.web.languages import current_language
from campaign.web.public.donation_form import new_attempt
from campaign.web.public.regions import provinces
from campaign.web.security import access
from campaign.web.staff.import_check import describe_flaw, fields_of, form_of
from campaign.web.staff.import_tables import describe_row_question
from campaign.web.staff.imports import import_or_404
from campaign.web.staff.offline_gift_form import OfflineGiftForm
from campaign.web.staff.offline_gifts import donor_rows

bp = Blueprint("staff_import_rows", __name__, url_prefix="/staff/imports/<int:import_id>/rows")


@bp.get("/<int:number>")
@access("clerk")
def page(import_id: int, number: int) -> ResponseReturnValue:
    """The row in the form, with what is wrong at each field."""
    imported, row = import_or_404(import_id), _row_or_404(import_id, number)
    form = form_of(imported, row.fields)
    form.validate()
    for name, flaw in row.flaws.items():
        form[name].errors = [describe_flaw(flaw, row.fields[name])]
    return _page(imported, row, form)


def _page(imported: GiftImport, row: GiftImportRow, form: OfflineGiftForm, *, is_posted: bool = False) -> str:
    is_doubtful = row.state == RowState.DOUBTFUL
    asked = [question for question in row.unanswered if question != RowQuestion.WHICH_DONOR] if is_doubtful else []
    similar = _similar(row) if RowQuestion.WHICH_DONOR in row.unanswered and is_doubtful else []
    return render_template(
        "staff/import_row.html",
        title=imported.campaign.title(current_language()),
        imported=imported,
        row=row,
        cells=[(heading or gettext("no heading"), cell) for heading, cell in zip(imported.headings, row.cells, strict=False) if cell],
        form=form,
        errors=form.all_errors() if row.state != RowState.LEFT_OUT or is_posted else [],
        provinces=provinces(current_language()),
        questions={question: describe_row_question(question, row) for question in asked},
        answered=row.answered,
        similar=similar,
        version=request.form.get("version", row.version, type=int),
    )


def _similar(row: GiftImportRow) -> list[dict[str, str]]:
    assert row.gift is not None
    details = row.gift["details"]
    return donor_rows(
        similar_donors.donors_like(last_name=details["last_name"], organization=details["organization"], postal_code=details["postal_code"])
    )


@bp.post("/<int:number>")
@access("clerk")
def correct(import_id: int, number: int) -> ResponseReturnValue:
    """Store the row as it was corrected, and go on with the next one that needs somebody."""
    imported, row = import_or_404(import_id), _row_or_404(import_id, number)
    form = OfflineGiftForm(current_language(), charity=imported.campaign.charity)
    if not form.validate():
        if form.attempt.errors:
            form.attempt.data = new_attempt()
        return _page(imported, row, form, is_posted=True), 422
    answered = [question for question in request.form.getlist("answered") if question in row.questions]
    checked = CheckedRow(fields=fields_of(form), gift=form.typed_gift(), answered=answered)
    version, was = request.form.get("version", -1, type=int), RowState(row.state)
    try:
        stored = gift_import_actions.correct_row(imported, number, checked, version=version, actor=current_user.email)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return redirect(url_for("staff_import_preview.page", import_id=import_id), 303)
    if stored.state == RowState.DOUBTFUL:
        flash(gettext("Row %(row)s is saved. There is a question about it.", row=number))
        return redirect(url_for("staff_import_rows.page", import_id=import_id, number=number), 303)
    flash(gettext("Row %(row)s is ready.", row=number))
    following = gift_imports.page_of_rows(import_id, (was,), after=number, limit=1) if was in {RowState.WRONG, RowState.DOUBTFUL} else []
    return redirect(_next_page(import_id, following), 303)


def _next_page(import_id: int, following: list[GiftImportRow]) -> str:
    if following:
        return url_for("staff_import_rows.page", import_id=import_id, number=following[0].number)
    return url_for("staff_import_preview.page", import_id=import_id)


def _row_or_404(import_id: int, number: int) -> GiftImportRow:
    row = gift_imports.find_row(import_id, number)
    if row is None or RowState(row.state) not in OPEN or not row.fields:
        abort(404)
    return row
