"""Gifts that went back after their receipt: the information returns that are due, with the facts they ask for, and saying that one is filed."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.giving import receipts, returned_gifts
from campaign.giving.campaigns import default_campaign
from campaign.giving.donations import Donation
from campaign.giving.receipts import Receipt
from campaign.giving.returned_gifts import ReturnedGift
from campaign.rules.money import written
from campaign.web.languages import spoken
from campaign.web.security import access, has_role
from campaign.web.staff.receipts import LONGEST_REASON, reason_given
from campaign.work import receipt_desk

bp = Blueprint("staff_returned_gifts", __name__, url_prefix="/staff/returned-gifts")

DONE_SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """What is due, the most urgent first, and what was done."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    return render_template(
        "staff/returned_gifts.html",
        title=campaign.title(spoken()),
        due=[_shown(task) for task in returned_gifts.open_tasks()],
        done=[_shown(task) for task in returned_gifts.done_tasks(limit=DONE_SHOWN)],
        may_file=has_role("clerk"),
        longest_reason=LONGEST_REASON,
    )


def _shown(task: ReturnedGift) -> dict[str, Any]:
    language = spoken()
    receipt, donation = db.session.get_one(Receipt, task.receipt_id), db.session.get_one(Donation, task.donation_id)
    replacement = receipts.replacement_of(receipt)
    return {
        "id": task.id,
        "due_on": task.due_on.isoformat(),
        "due": format_date(task.due_on, "long"),
        "returned_on": task.returned_on.isoformat(),
        "returned": written(task.returned_cents, language),
        "receipted": written(task.receipted_cents, language),
        "donor": receipt.content["donor_name"],
        "address": receipt.content["donor_address"],
        "serial": receipt.serial,
        "issued_on": receipt.content["issued_on"],
        "replacement": replacement.serial if replacement else "",
        "left": written(replacement.cents, language) if replacement else "",
        "public_id": donation.public_id,
        "done_by": task.done_by,
        "note": task.note,
    }


@bp.post("/<int:task_id>/filings")
@access("clerk")
def file(task_id: int) -> ResponseReturnValue:
    """Filed, or not needed, with a note that says which."""
    note = reason_given()
    if note:
        if receipt_desk.file_return(task_id, actor=current_user.email, note=note):
            flash(gettext("Noted. It stays in the list below, and can be opened again."))
        else:
            flash(gettext("Somebody has noted this before."), "error")
    return redirect(url_for("staff_returned_gifts.page"), 303)


@bp.post("/<int:task_id>/reopenings")
@access("clerk")
def reopen(task_id: int) -> ResponseReturnValue:
    """It was not filed after all."""
    if receipt_desk.reopen_return(task_id, actor=current_user.email):
        flash(gettext("It is due again."))
    return redirect(url_for("staff_returned_gifts.page"), 303)
