"""One donation for staff: its status, history, receipts and e-mails, and the corrections that staff can make."""

from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.donations import staff_notes
from campaign.donations.donations import Donation
from campaign.outbox import messages, waiting_receipts
from campaign.payments import disputes, offline_gifts, reversals
from campaign.payments.status import shown_state_of, status_of
from campaign.receipts import receipt_actions, receipts, render_jobs
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.recurring import contact_actions, contact_changes
from campaign.recurring.recurring_gifts import recurring_gift_of
from campaign.reporting import donation_history
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.causes import describe_cause
from campaign.texts.dates import format_moment
from campaign.texts.donation_timeline import describe
from campaign.texts.receipt_elements import describe_missing
from campaign.web.labels import receipt_status_labels, status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.declarations import whose_money
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.exports import record_export
from campaign.web.staff.gift_facts import gift_facts
from campaign.web.staff.mail import mail_lines
from campaign.web.staff.monthly_rows import monthly_state
from campaign.web.staff.note_rows import NOTES_SHOWN, note_rows
from campaign.web.staff.refunds import request_rows
from campaign.web.staff.settlement import dispute_line
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused

bp = Blueprint("staff_donations", __name__, url_prefix="/staff/donations")


@bp.get("/<public_id>")
@access("viewer")
def page(public_id: str) -> ResponseReturnValue:
    """The donation, its match, its history with the cause of each event, its receipts and its e-mails."""
    donation = donation_or_404(public_id)
    language, status, charity = current_language(), status_of(donation), donation.campaign.charity
    gift, offline = recurring_gift_of(donation), offline_gifts.find(donation.id)
    valid, issued = receipts.receipt_of(donation.id), receipts.receipts_of(donation.id)
    return render_template(
        "staff/donation.html",
        title=donation.campaign.title(language),
        donation=donation,
        state_words=status_labels()[shown_state_of(donation, status.state)],
        amount=format_money(donation.amount_cents, language),
        net=format_money(status.net_cents, language),
        held=format_money(status.held_cents, language),
        matched=format_money(status.matched_cents, language),
        waits=donation_history.is_queued(donation),
        disputes=[dispute_line(found, donation.campaign) for found in disputes.list_unanswered(limit=5, donation=donation)],
        is_monthly=gift is not None,
        is_offline=offline is not None,
        monthly_state=monthly_state(gift, charity) if gift else "",
        receipts=[_receipt_row(receipt) for receipt in issued],
        has_receipt=valid is not None,
        valid_serial=valid.serial if valid else "",
        has_clerk=has_role("clerk"),
        **_receipt_to_come(donation),
        **whose_money(donation, has_receipt=valid is not None),
        **gift_facts(donation, offline),
        email_version=contact_changes.version_of_email(donation),
        notes=note_rows(staff_notes.notes_about_donation(donation.id, limit=NOTES_SHOWN), charity, about_donation=True),
        longest_note=staff_notes.LONGEST_NOTE,
        mails=mail_lines(messages.messages_of(donation.id)),
        may_act=has_role("clerk") and donation.received_at is not None,
        may_refund=has_role("manager")
        and donation.payment_intent is not None
        and not donation.campaign.sealed_at
        and reversals.refundable_cents(donation) > 0,
        refunds=request_rows(donation),
        longest_reason=LONGEST_REASON,
        history_of=[public_id, *filter(None, [donation.payment_intent]), *(receipt.serial for receipt in issued)],
        history=[
            {
                "at": format_datetime(charity.local(moment.at), "yyyy-MM-dd HH:mm:ss", rebase=False),
                "iso": moment.at.isoformat(),
                "text": describe(moment.event, language),
                "cause": moment.actor or describe_cause(moment.cause, language),
                "reason": moment.reason,
            }
            for moment in donation_history.history_of(donation, language)
        ],
    )


def _receipt_to_come(donation: Donation) -> dict[str, str]:
    """What a receipt that is due lacks, in words; and when one that waits for nothing but its time is issued, unless nothing is left of the gift."""
    waiting, due = waiting_receipts.find_of(donation), waiting_receipts.issued_at(donation) if donation.net_cents else None
    return {
        "receipt_lacks": describe_missing(waiting.missing_elements or [], current_language()) if waiting else "",
        "receipt_due": format_moment(donation.campaign.charity.local(due), current_language()) if due else "",
    }


def _receipt_row(receipt: receipts.Receipt) -> dict[str, Any]:
    return {
        "serial": receipt.serial,
        "issued_on": receipt.content["issued_on"],
        "amount": format_money(receipt.cents, current_language()),
        "status": receipt_status_labels()[receipts.status_of(receipt).value],
    }


@bp.get("/<public_id>/preview.pdf")
@access("clerk")
def preview(public_id: str) -> ResponseReturnValue:
    """A preview of the receipt, which takes no number."""
    donation = donation_or_404(public_id)
    if donation.received_at is None:
        abort(404)
    record_export("preview of a receipt (PDF)", donation.public_id)
    return Response(render_jobs.render_preview(donation), mimetype="application/pdf")


@bp.post("/<public_id>/mails")
@access("clerk")
def send_again(public_id: str) -> ResponseReturnValue:
    """Send the receipt again."""
    donation = donation_or_404(public_id)
    try:
        receipt_actions.resend(donation, actor=current_user.email)
        flash(gettext("The receipt is being sent to %(email)s again.", email=donation.email))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    if request.form.get("back") == "donor":
        return redirect(url_for("staff_donors.page", donor_id=donation.donor_id, _anchor="mails"), 303)
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


@bp.post("/<public_id>/receipts")
@access("clerk", fresh=True)
def replace(public_id: str) -> ResponseReturnValue:
    """Replace a lost receipt."""
    donation, reason = donation_or_404(public_id), read_reason()
    if not reason:
        return refused(page(public_id))
    try:
        receipt = receipt_actions.replace_lost(donation, actor=current_user.email, reason=reason)
        flash(_replaced(donation, receipt.serial if receipt else ""))
    except (ActionRefused, ReceiptIncomplete) as error:
        flash(describe_refusal(error), "error")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


def _replaced(donation: Donation, serial: str) -> str:
    if donation.email:
        return str(gettext("Receipt no. %(serial)s is on its way to the donor.", serial=serial))
    return str(gettext("Receipt no. %(serial)s is to be printed and posted: there is no email address.", serial=serial))


@bp.post("/<public_id>/links")
@access("clerk", fresh=True)
def renew_links(public_id: str) -> ResponseReturnValue:
    """End the links to all gifts of the donor, and mail them new ones."""
    flash(
        gettext("The old links have ended. New ones are on their way to the donor.")
        if contact_actions.renew_links(donation_or_404(public_id), actor=current_user.email)
        else gettext("The old links have ended. The donor has no email address, so no new one was sent.")
    )
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


def describe_refusal(error: ActionRefused | ReceiptIncomplete) -> str:
    """Why nothing was changed, in one sentence."""
    if isinstance(error, ActionRefused):
        return action_errors.describe_error(error.refusal, current_language())
    return str(
        gettext(
            "Nothing was changed: the new receipt would lack this: %(lacking)s.",
            lacking=describe_missing(error.missing, current_language()),
        )
    )
