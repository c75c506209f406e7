"""What is to be printed and posted, for staff: receipts of donors who have no email address, letters about cancelled ones, and what was posted."""

from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.mail import posted_notices
from campaign.receipts import posted_receipt_actions, posted_receipts, receipts
from campaign.receipts.posted_receipts import Posted
from campaign.receipts.receipts import Receipt, Status
from campaign.rules.money import format_money
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.labels import receipt_status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.exports import record_export

bp = Blueprint("staff_posted_receipts", __name__, url_prefix="/staff/offline-gifts/receipts")

RECEIPTS_SHOWN = 200
POSTED_SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """What is to be printed and posted, the oldest first, and what was posted last."""
    charity = campaign_or_404().charity
    return render_template(
        "staff/posted_receipts.html",
        title=campaign_or_404().title(current_language()),
        to_post=[*map(_notice_row, posted_receipts.list_notices_to_post(charity, limit=RECEIPTS_SHOWN)), *_receipt_rows(charity)],
        posted=[_posted_row(posted, charity) for posted in posted_receipts.list_posted(charity, limit=POSTED_SHOWN)],
        may_act=has_role("clerk"),
    )


def _receipt_rows(charity: Charity) -> list[dict[str, Any]]:
    """Receipts, each with the one that it replaces if the donor has that on paper: a letter about it goes with the new one."""
    rows = []
    for receipt in posted_receipts.list_to_post(charity, limit=RECEIPTS_SHOWN):
        replaced = posted_receipts.replaced_on_paper(receipt)
        rows.append({**_row(receipt), "is_notice": False, "replaces": replaced.serial if replaced else ""})
    return rows


def _notice_row(receipt: Receipt) -> dict[str, Any]:
    """The letter about a cancelled receipt; it has no amount of its own."""
    return {**_row(receipt), "is_notice": True, "replaces": "", "amount": "–"}


def _posted_row(posted: Posted, charity: Charity) -> dict[str, Any]:
    on = charity.local(posted.at).date().isoformat()
    return {**_row(posted.receipt), "is_notice": posted.is_notice, "by": posted.by, "on": on}


def _row(receipt: Receipt) -> dict[str, Any]:
    return {
        "serial": receipt.serial,
        "issued_on": receipt.content["issued_on"],
        "name": receipt.content["donor_name"],
        "address": receipt.content["donor_address"],
        "amount": format_money(receipt.cents, current_language()),
        "status": receipt_status_labels()[receipts.status_of(receipt).value],
    }


@bp.get("/<serial>/letter.pdf")
@access("viewer")
def notice(serial: str) -> ResponseReturnValue:
    """The letter about a receipt that is cancelled, or that goes with the one that replaces it."""
    receipt = _receipt_or_404(serial)
    if not posted_receipts.has_notice(receipt):
        abort(404)
    record_export("letter about a receipt (PDF)", receipt.serial, of_charity=receipt.charity_id)
    response = Response(posted_notices.render_notice(receipt), mimetype="application/pdf")
    response.headers["Cache-Control"] = "private, no-store"
    return name_file(response, posted_notices.file_name(receipt), disposition="inline")


@bp.post("/<serial>/postings")
@access("clerk")
def post(serial: str) -> ResponseReturnValue:
    """Record that the receipt was printed and posted, with the letter about the one that it replaces."""
    receipt = _receipt_or_404(serial)
    posted_receipt_actions.mark_posted(receipt, actor=current_user.email)
    if receipts.status_of(receipt) is Status.VALID:
        flash(gettext("Receipt no. %(serial)s is marked as posted.", serial=serial))
    else:  # While it was printed and posted.
        flash(gettext("Receipt no. %(serial)s is marked as posted. It has been cancelled: see what is to be posted now.", serial=serial))
    return redirect(url_for("staff_posted_receipts.page"), 303)


@bp.post("/<serial>/postings/undo")
@access("clerk")
def undo(serial: str) -> ResponseReturnValue:
    """Record that it was not posted after all."""
    receipt = _receipt_or_404(serial)
    posted_receipt_actions.undo_posted(receipt, actor=current_user.email)
    if receipts.status_of(receipt) is Status.VALID:
        flash(gettext("Receipt no. %(serial)s is to be posted again.", serial=serial))
    else:
        flash(gettext("Receipt no. %(serial)s, which is cancelled, is no longer marked as posted.", serial=serial))
    return redirect(url_for("staff_posted_receipts.page"), 303)


@bp.post("/<serial>/letters")
@access("clerk")
def post_notice(serial: str) -> ResponseReturnValue:
    """Record that the letter about the cancelled receipt was printed and posted."""
    posted_receipt_actions.mark_notice_posted(_posted_and_ended_or_404(serial), actor=current_user.email)
    flash(gettext("The letter about receipt no. %(serial)s is marked as posted.", serial=serial))
    return redirect(url_for("staff_posted_receipts.page"), 303)


@bp.post("/<serial>/letters/undo")
@access("clerk")
def undo_notice(serial: str) -> ResponseReturnValue:
    """Record that the letter was not posted after all."""
    posted_receipt_actions.undo_notice_posted(_posted_and_ended_or_404(serial), actor=current_user.email)
    flash(gettext("The letter about receipt no. %(serial)s is no longer marked as posted.", serial=serial))
    return redirect(url_for("staff_posted_receipts.page"), 303)


def _posted_and_ended_or_404(serial: str) -> Receipt:
    receipt = _receipt_or_404(serial)
    if receipts.status_of(receipt) is Status.VALID or posted_receipts.posting_of(receipt) is None:
        abort(404)
    return receipt


def _receipt_or_404(serial: str) -> Receipt:
    receipt = receipts.receipt_by_serial(campaign_or_404().charity_id, serial)
    if receipt is None:
        abort(404)
    return receipt
