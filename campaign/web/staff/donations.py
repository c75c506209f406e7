"""One donation for staff: its status, history, receipts and e-mails, and the corrections that staff can make."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.donations.donations import PERSON_FIELDS, Donation, donation_by_public_id
from campaign.edges.db import db
from campaign.mail import mail_actions
from campaign.outbox import messages, waiting_receipts
from campaign.payments import disputes
from campaign.payments.status import status_of
from campaign.receipts import receipt_actions, receipts, render_jobs
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.recurring import contact_actions, contacts
from campaign.recurring.contacts import EmailTaken, Scope
from campaign.recurring.recurring_gifts import RecurringGift, recurring_gift_of
from campaign.reporting import donation_history
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.rules.email_typos import suggested_address
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionError, ActionRefused
from campaign.texts.causes import describe_cause
from campaign.texts.donation_timeline import describe
from campaign.texts.receipt_elements import describe_missing
from campaign.web.chosen_campaign import show_campaign
from campaign.web.labels import receipt_status_labels, status_labels
from campaign.web.languages import current_language
from campaign.web.public.address_form import provinces
from campaign.web.security import access, csrf, has_role
from campaign.web.staff.declarations import whose_money
from campaign.web.staff.exports import record_export
from campaign.web.staff.mail import mail_lines
from campaign.web.staff.person_form import PersonForm
from campaign.web.staff.settlement import dispute_line
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason, refused, typed_reason

bp = Blueprint("staff_donations", __name__, url_prefix="/staff/donations")

MAX_EMAIL_LENGTH = 254


@bp.get("/<public_id>")
@access("viewer")
def page(public_id: str) -> ResponseReturnValue:
    """The donation, its match, its history with the cause of each event, its receipts and its e-mails."""
    donation = _donation_or_404(public_id)
    language, status, charity = current_language(), status_of(donation), donation.campaign.charity
    gift = recurring_gift_of(donation)
    return render_template(
        "staff/donation.html",
        title=donation.campaign.title(language),
        donation=donation,
        state_words=status_labels()[status.state],
        amount=format_money(donation.amount_cents, language),
        net=format_money(status.net_cents, language),
        held=format_money(status.held_cents, language),
        matched=format_money(status.matched_cents, language),
        waits=donation_history.is_queued(donation),
        disputes=[dispute_line(found, donation.campaign) for found in disputes.list_unanswered(limit=5, donation=donation)],
        is_monthly=gift is not None,
        monthly_state=_monthly_state(gift, charity) if gift else "",
        receipts=[_receipt_row(receipt) for receipt in receipts.receipts_of(donation.id)],
        has_receipt=receipts.receipt_of(donation.id) is not None,
        receipt_lacks=_waits_for(donation),
        **whose_money(donation),
        typed_email=request.args.get("email", "")[:MAX_EMAIL_LENGTH],
        mails=mail_lines(messages.messages_of(donation.id)),
        may_act=has_role("clerk") and donation.received_at is not None,
        longest_reason=LONGEST_REASON,
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


def _monthly_state(gift: RecurringGift, charity: Charity) -> str:
    """Whether the monthly gift goes on, and when it ends."""

    def day(moment: datetime) -> str:
        return str(format_date(charity.local(moment).date(), "yyyy-MM-dd"))

    if gift.ended_at:
        return gettext("ended on %(day)s", day=day(gift.ended_at))
    if gift.cancel_requested_at:
        return gettext("being cancelled because of a dispute")
    if gift.cancels_at:
        return gettext("ends on %(day)s", day=day(gift.cancels_at))
    match gift.status:
        case "past_due" | "unpaid":
            return gettext("the last month could not be charged")
        case "active":
            return gettext("goes on")
        case _:
            return gettext("not begun or paused at Stripe")


def _waits_for(donation: Donation) -> str:
    """What the receipt of the donation waits for, in words; empty when none waits."""
    waiting = waiting_receipts.find_of(donation)
    return describe_missing(waiting.missing_elements or [], current_language()) if waiting else ""


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
    donation = _donation_or_404(public_id)
    if donation.received_at is None:
        abort(404)
    record_export("preview of a receipt (PDF)", donation.public_id)
    return Response(render_jobs.render_preview(donation), mimetype="application/pdf")


@bp.post("/<public_id>/mails")
@access("clerk")
def send_again(public_id: str) -> ResponseReturnValue:
    """Send the receipt again."""
    donation = _donation_or_404(public_id)
    try:
        receipt_actions.resend(donation, actor=current_user.email)
        flash(gettext("The receipt is being sent to %(email)s again.", email=donation.email))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


@bp.post("/<public_id>/receipts")
@access("clerk", fresh=True)
def replace(public_id: str) -> ResponseReturnValue:
    """Replace a lost receipt."""
    donation, reason = _donation_or_404(public_id), read_reason()
    if not reason:
        return refused(page(public_id))
    try:
        receipt = receipt_actions.replace_lost(donation, actor=current_user.email, reason=reason)
        flash(gettext("Receipt no. %(serial)s is on its way to the donor.", serial=receipt.serial if receipt else ""))
    except (ActionRefused, ReceiptIncomplete) as error:
        flash(_describe_refusal(error), "error")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


@bp.route("/<public_id>/person", methods=["GET", "POST"])
@access("clerk", fresh=True, takes_document=True)
@csrf.exempt  # The form checks its own token: a stale one is an error in the form, and nothing typed is lost.
def person(public_id: str) -> ResponseReturnValue:
    """Correct the name or address, with the donor's declaration when the money is somebody else's; a valid receipt is replaced."""
    donation, language = _donation_or_404(public_id), current_language()
    today = donation.campaign.charity.local(datetime.now(UTC)).date()
    if request.method == "GET":
        person_fields = {name: getattr(donation, name) for name in PERSON_FIELDS}
        return _person_page(donation, PersonForm(donation, language, today=today, formdata=None, **person_fields))
    form = PersonForm(donation, language, today=today)
    is_valid, reason = form.validate(), read_reason()
    if not is_valid or not reason:
        return _person_page(donation, form), 422
    try:
        receipt = receipt_actions.correct_details(
            donation,
            form.person(),
            actor=current_user.email,
            reason=reason,
            scope=_read_scope(),
            is_same_donor=form.is_same_donor,
            statement=form.reported_statement(),
        )
        flash(
            gettext("Corrected. Receipt no. %(serial)s is on its way to the donor.", serial=receipt.serial)
            if receipt
            else gettext("Corrected.")
        )
    except (ActionRefused, ReceiptIncomplete) as error:
        _show_refusal(form, error)
        return _person_page(donation, form), 422
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


def _show_refusal(form: PersonForm, error: ActionRefused | ReceiptIncomplete) -> None:
    """Beside the field that can be changed, or above the form."""
    if isinstance(error, ActionRefused) and error.refusal in {ActionError.NAME_IS_UNEXPLAINED, ActionError.NOT_SAME_DONOR}:
        form.name_change.errors = [_describe_refusal(error)]
    else:
        flash(_describe_refusal(error), "error")


def _reason_errors() -> list[tuple[str, str]]:
    error = typed_reason(request.path).error
    return [("reason", error)] if error else []


def _person_page(donation: Donation, form: PersonForm) -> str:
    form.ask_again_for_document()
    return render_template(
        "staff/person.html",
        title=donation.campaign.title(current_language()),
        donation=donation,
        form=form,
        errors=[*form.all_errors(), *_reason_errors()],
        provinces=provinces(current_language()),
        has_receipt=receipts.receipt_of(donation.id) is not None,
        gives_monthly=bool(contacts.running_gifts_like(donation)),
        chosen_scope=_read_scope().value if request.method == "POST" else Scope.BOTH.value,
        longest_reason=LONGEST_REASON,
    )


@bp.post("/<public_id>/email")
@access("clerk", fresh=True)
def email(public_id: str) -> ResponseReturnValue:
    """Correct the e-mail address; messages that failed or bounced are sent there."""
    donation = _donation_or_404(public_id)
    try:
        corrected, scope = parse_email(request.form.get("email", "")[:MAX_EMAIL_LENGTH]), _read_scope()
        if (meant := suggested_address(corrected)) and request.form.get("email_checked") != corrected:
            flash(
                gettext("Did you mean %(email)s? Please correct the address, or press the button again to keep it.", email=meant), "error"
            )
            return redirect(url_for("staff_donations.page", public_id=public_id, email=corrected), 303)
        mail_actions.correct_email(donation, corrected, actor=current_user.email, scope=scope)
        flash(
            gettext("Email about this donor’s gifts goes to %(email)s from now on.", email=corrected)
            if scope.is_for_later
            else gettext("Email about this gift goes to %(email)s from now on.", email=corrected)
        )
    except EmailTaken:
        db.session.rollback()
        flash(
            gettext(
                "Another donor has this address, so nothing was changed. If they are the same person, a manager can merge the two here."
            ),
            "error",
        )
        return redirect(url_for("staff_donors.page", donor_id=donation.donor_id, other=corrected), 303)
    except InvalidEmail:
        flash(gettext("This does not look like an email address. Please check it, for example name@example.com."), "error")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


@bp.post("/<public_id>/links")
@access("clerk", fresh=True)
def renew_links(public_id: str) -> ResponseReturnValue:
    """End the links to all gifts of the donor, and mail them new ones."""
    contact_actions.renew_links(_donation_or_404(public_id), actor=current_user.email)
    flash(gettext("The old links have ended. New ones are on their way to the donor."))
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


def _read_scope() -> Scope:
    """What the correction is for; without a valid choice, this gift alone."""
    choice = request.form.get("scope", "")
    return Scope(choice) if choice in set(Scope) else Scope.THIS_GIFT


def _describe_refusal(error: ActionRefused | ReceiptIncomplete) -> str:
    if isinstance(error, ActionRefused):
        return action_errors.describe_error(error.refusal, current_language())
    return str(
        gettext(
            "Nothing was changed: the new receipt would lack this: %(lacking)s.",
            lacking=describe_missing(error.missing, current_language()),
        )
    )


def _donation_or_404(public_id: str) -> Donation:
    donation = donation_by_public_id(public_id)
    if donation is None:
        abort(404)
    show_campaign(donation.campaign)
    return donation
