"""Receipts to print and post, for staff: those of donors who have no email address, and those that were posted."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.receipts import posted_receipt_actions, posted_receipts, receipts
from campaign.receipts.receipts import Receipt
from campaign.rules.money import format_money
from campaign.web.errors import campaign_or_404
from campaign.web.labels import receipt_status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role

bp = Blueprint("staff_posted_receipts", __name__, url_prefix="/staff/offline-gifts/receipts")

RECEIPTS_SHOWN = 200
POSTED_SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """What is to be printed and posted, the oldest first, and what was posted last."""
    return render_template(
        "staff/posted_receipts.html",
        title=campaign_or_404().title(current_language()),
        to_post=[_row(receipt) for receipt in posted_receipts.list_to_post(campaign_or_404().charity, limit=RECEIPTS_SHOWN)],
        posted=[
            {**_row(receipt), "by": posted.posted_by, "on": campaign_or_404().charity.local(posted.posted_at).date().isoformat()}
            for posted, receipt in posted_receipts.list_posted(limit=POSTED_SHOWN)
        ],
        may_act=has_role("clerk"),
    )


def _row(receipt: Receipt) -> dict[str, Any]:
    return {
        "serial": receipt.serial,
        "issued_on": receipt.content["issued_on"],
        "name": receipt.content["donor_name"],
        "address": receipt.content["donor_address"],
        "amount": format_money(receipt.cents, current_language()),
        "status": receipt_status_labels()[receipts.status_of(receipt).value],
    }


@bp.post("/<serial>/postings")
@access("clerk")
def post(serial: str) -> ResponseReturnValue:
    """Record that the receipt was printed and posted."""
    posted_receipt_actions.mark_posted(_receipt_or_404(serial), actor=current_user.email)
    flash(gettext("Receipt no. %(serial)s is marked as posted.", serial=serial))
    return redirect(url_for("staff_posted_receipts.page"), 303)


@bp.post("/<serial>/postings/undo")
@access("clerk")
def undo(serial: str) -> ResponseReturnValue:
    """Record that it was not posted after all."""
    posted_receipt_actions.undo_posted(_receipt_or_404(serial), actor=current_user.email)
    flash(gettext("Receipt no. %(serial)s is to be posted again.", serial=serial))
    return redirect(url_for("staff_posted_receipts.page"), 303)


def _receipt_or_404(serial: str) -> Receipt:
    receipt = receipts.receipt_by_serial(campaign_or_404().charity_id, serial)
    if receipt is None:
        abort(404)
    return receipt
