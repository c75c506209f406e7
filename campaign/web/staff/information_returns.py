"""Information returns on returned donations: those that are due, with drafts of the letters to send, and closing or reopening one."""

from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_security import current_user

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts import information_returns, receipt_actions, receipts, return_drafts
from campaign.receipts.information_returns import WARNED_BEFORE, InformationReturn
from campaign.receipts.receipts import Receipt
from campaign.receipts.return_drafts import Reader
from campaign.rules.money import format_money
from campaign.texts.dates import format_day
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.exports import record_export
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_information_returns", __name__, url_prefix="/staff/returned-gifts")

CLOSED_SHOWN = 50
# In their own language.
LANGUAGE_NAMES = {"en": "English", "fr": "Français"}


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Open returns, the earliest due first, with what is left of their time, and the latest closed ones."""
    campaign = campaign_or_404()
    today = campaign.charity.local(datetime.now(UTC)).date()
    return render_template(
        "staff/information_returns.html",
        title=campaign.title(current_language()),
        due=[{**_return_row(task), **_urgency(task.due_on, today)} for task in information_returns.list_open()],
        done=[_return_row(task) for task in information_returns.list_closed(limit=CLOSED_SHOWN)],
        languages=LANGUAGE_NAMES,
        may_file=has_role("clerk"),
        longest_reason=LONGEST_REASON,
    )


def _return_row(task: InformationReturn) -> dict[str, Any]:
    language = current_language()
    receipt, donation = (
        db.session.get_one(Receipt, task.receipt_id),
        db.session.get(Donation, task.donation_id) if task.donation_id else None,
    )
    replacement = receipts.replacement_of(receipt)
    return {
        "id": task.id,
        "due_on": task.due_on.isoformat(),
        "due": format_day(task.due_on, language),
        "returned_on": task.returned_on.isoformat(),
        "returned": format_money(task.returned_cents, language),
        "receipted": format_money(task.receipted_cents, language),
        "donor": receipt.content["donor_name"],
        "address": receipt.content["donor_address"],
        "serial": receipt.serial,
        "issued_on": receipt.content["issued_on"],
        "replacement": replacement.serial if replacement else "",
        "left": format_money(replacement.cents, language) if replacement else "",
        "public_id": donation.public_id if donation else "",
        "done_by": task.closed_by,
        "note": task.note,
    }


def _urgency(due_on: date, today: date) -> dict[str, Any]:
    """How much time is left, in words, and whether that is none or little."""
    days = (due_on - today).days
    if days < 0:
        words = ngettext("Overdue by %(num)s day", "Overdue by %(num)s days", -days)
    elif days == 0:
        words = gettext("Due today")
    else:
        words = ngettext("%(num)s day left", "%(num)s days left", days)
    return {"time_left": words, "is_overdue": days < 0, "is_urgent": days <= WARNED_BEFORE.days}


@bp.get("/<int:task_id>/drafts/<any(agency,donor):reader>-<any(en,fr):language>.pdf")
@access("clerk", fresh=True)
def draft(task_id: int, reader: str, language: str) -> ResponseReturnValue:
    """A draft of the return, or of the letter to the donor with its copy, to check, sign and send."""
    task = information_returns.get(task_id)
    if task is None:
        abort(404)
    name = return_drafts.file_name(task, Reader(reader), language=language)
    record_export(f"draft of an information return (PDF, {reader}, {language})", f"information return {task_id}")
    response = Response(return_drafts.render_draft(task, Reader(reader), language=language), mimetype="application/pdf")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@bp.post("/<int:task_id>/filings")
@access("clerk", fresh=True)
def file(task_id: int) -> ResponseReturnValue:
    """Close a return as filed or not needed, with a note that says which."""
    note = read_reason(missing=gettext("The note is missing. Please write it in one line."))
    if not note:
        return refused(page())
    if receipt_actions.close_return(task_id, actor=current_user.email, note=note):
        flash(gettext("Noted. It stays in the list below, and can be opened again."))
    else:
        flash(gettext("Somebody has noted this before."), "error")
    return redirect(url_for("staff_information_returns.page"), 303)


@bp.post("/<int:task_id>/reopenings")
@access("clerk", fresh=True)
def reopen(task_id: int) -> ResponseReturnValue:
    """Reopen a closed return."""
    if receipt_actions.reopen_return(task_id, actor=current_user.email):
        flash(gettext("It is due again."))
    return redirect(url_for("staff_information_returns.page"), 303)
