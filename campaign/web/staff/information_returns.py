"""Information returns on returned donations: those that are due, with the facts to file, and closing or reopening one."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts import information_returns, receipt_actions, receipts
from campaign.receipts.information_returns import InformationReturn
from campaign.receipts.receipts import Receipt
from campaign.rules.money import format_money
from campaign.texts.dates import format_day
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.receipts import LONGEST_REASON, read_reason

bp = Blueprint("staff_information_returns", __name__, url_prefix="/staff/returned-gifts")

CLOSED_SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Open returns, the earliest due first, and the latest closed ones."""
    campaign = campaign_or_404()
    return render_template(
        "staff/information_returns.html",
        title=campaign.title(current_language()),
        due=[_return_row(task) for task in information_returns.list_open()],
        done=[_return_row(task) for task in information_returns.list_closed(limit=CLOSED_SHOWN)],
        may_file=has_role("clerk"),
        longest_reason=LONGEST_REASON,
    )


def _return_row(task: InformationReturn) -> dict[str, Any]:
    language = current_language()
    receipt, donation = db.session.get_one(Receipt, task.receipt_id), db.session.get_one(Donation, task.donation_id)
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
        "public_id": donation.public_id,
        "done_by": task.closed_by,
        "note": task.note,
    }


@bp.post("/<int:task_id>/filings")
@access("clerk", fresh=True)
def file(task_id: int) -> ResponseReturnValue:
    """Close a return as filed or not needed, with a note that says which."""
    note = read_reason()
    if note:
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
