"""One donation for staff: where it stands, everything that happened to it, its receipts and mails, and what can be put right."""

from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.giving import outbox, receipts
from campaign.giving.donations import PERSON_FIELDS, Donation, donation_by_public_id
from campaign.giving.monthly import monthly_gift_of
from campaign.giving.receipts import CannotIssue
from campaign.giving.standing import standing
from campaign.reporting import lives
from campaign.rules import refusals
from campaign.rules.match_of_a_gift import told
from campaign.rules.money import written
from campaign.rules.receipt_rules import lacking_in_words
from campaign.web.languages import spoken
from campaign.web.person_form import PersonForm, provinces
from campaign.web.security import access, csrf, has_role
from campaign.web.staff.mail import mail_lines
from campaign.web.staff.receipts import LONGEST_REASON, reason_given
from campaign.web.states import receipt_words, state_words
from campaign.work import documents, mail_desk, receipt_desk
from campaign.work.receipt_desk import CannotDo

bp = Blueprint("staff_donations", __name__, url_prefix="/staff/donations")


@bp.get("/<public_id>")
@access("viewer")
def page(public_id: str) -> ResponseReturnValue:
    """The gift, its match, and its life in plain sentences with what brought each about; its receipts and mails."""
    donation = _donation(public_id)
    language, now, charity = spoken(), standing(donation), donation.campaign.charity
    gift = monthly_gift_of(donation)
    return render_template(
        "staff/donation.html",
        title=donation.campaign.title(language),
        donation=donation,
        state_words=state_words()[now.state],
        amount=written(donation.amount_cents, language),
        net=written(now.net_cents, language),
        held=written(now.held_cents, language),
        matched=written(now.matched_cents, language),
        waits=lives.is_waiting(donation),
        monthly_url=url_for("monthly.page", language=language, token=gift.token) if gift else "",
        receipts=[_receipt(receipt) for receipt in receipts.receipts_of(donation.id)],
        has_receipt=receipts.receipt_of(donation.id) is not None,
        mails=mail_lines(outbox.items_of(donation.id)),
        may_act=has_role("clerk") and donation.paid_at is not None,
        longest_reason=LONGEST_REASON,
        life=[
            {
                "at": format_datetime(charity.local(moment.at), "yyyy-MM-dd HH:mm:ss", rebase=False),
                "iso": moment.at.isoformat(),
                "told": told(moment.life, language),
                "source": moment.source,
            }
            for moment in lives.of_donation(donation, language)
        ],
    )


def _receipt(receipt: receipts.Receipt) -> dict[str, Any]:
    return {
        "serial": receipt.serial,
        "issued_on": receipt.content["issued_on"],
        "amount": written(receipt.cents, spoken()),
        "status": receipt_words()[receipts.status_of(receipt).value],
    }


@bp.get("/<public_id>/preview.pdf")
@access("clerk")
def preview(public_id: str) -> ResponseReturnValue:
    """What the receipt would look like; looking uses no number."""
    donation = _donation(public_id)
    if donation.paid_at is None:
        abort(404)
    answer = Response(documents.preview(donation), mimetype="application/pdf")
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@bp.post("/<public_id>/mails")
@access("clerk")
def send_again(public_id: str) -> ResponseReturnValue:
    """The receipt by mail once more."""
    donation = _donation(public_id)
    try:
        receipt_desk.send_again(donation, actor=current_user.email)
        flash(gettext("The receipt is being sent to %(email)s again.", email=donation.email))
    except CannotDo as error:
        flash(refusals.say(error.refusal, spoken()), "error")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


@bp.post("/<public_id>/receipts")
@access("clerk")
def replace(public_id: str) -> ResponseReturnValue:
    """Another receipt in place of one that is lost."""
    donation, reason = _donation(public_id), reason_given()
    if reason:
        try:
            receipt = receipt_desk.replace_lost(donation, actor=current_user.email, reason=reason)
            flash(gettext("Receipt no. %(serial)s is on its way to the donor.", serial=receipt.serial if receipt else ""))
        except (CannotDo, CannotIssue) as error:
            flash(_why_not(error), "error")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


@bp.route("/<public_id>/person", methods=["GET", "POST"])
@access("clerk")
@csrf.exempt  # The form checks its own token, so that nothing typed is lost when it is stale.
def person(public_id: str) -> ResponseReturnValue:
    """Correct the name or address; a receipt that stands is replaced."""
    donation, language = _donation(public_id), spoken()
    if request.method == "GET":
        kept = {name: getattr(donation, name) for name in PERSON_FIELDS}
        return _person_page(donation, PersonForm(language, formdata=None, **kept))
    form = PersonForm(language)
    is_good, reason = form.validate(), reason_given()
    if not is_good or not reason:
        return _person_page(donation, form), 422
    try:
        receipt = receipt_desk.correct(donation, form.person(), actor=current_user.email, reason=reason)
        flash(
            gettext("Corrected. Receipt no. %(serial)s is on its way to the donor.", serial=receipt.serial)
            if receipt
            else gettext("Corrected.")
        )
    except (CannotDo, CannotIssue) as error:
        flash(_why_not(error), "error")
        return _person_page(donation, form), 422
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


def _person_page(donation: Donation, form: PersonForm) -> str:
    return render_template(
        "staff/person.html",
        title=donation.campaign.title(spoken()),
        donation=donation,
        form=form,
        errors=form.all_errors(),
        provinces=provinces(spoken()),
        reason=request.form.get("reason", ""),
        has_receipt=receipts.receipt_of(donation.id) is not None,
        longest_reason=LONGEST_REASON,
    )


@bp.post("/<public_id>/email")
@access("clerk")
def email(public_id: str) -> ResponseReturnValue:
    """Another e-mail address for this gift; what failed or came back goes there."""
    donation = _donation(public_id)
    try:
        address = validate_email(request.form.get("email", "")[:254], check_deliverability=False, allow_smtputf8=False)
        mail_desk.correct_email(donation, address.ascii_email or address.normalized, actor=current_user.email)
        flash(gettext("Mail about this gift goes to %(email)s from now on.", email=donation.email))
    except EmailNotValidError:
        flash(gettext("This does not look like an e-mail address. Please check it, for example name@example.com."), "error")
    return redirect(url_for("staff_donations.page", public_id=public_id), 303)


def _why_not(error: CannotDo | CannotIssue) -> str:
    if isinstance(error, CannotDo):
        return refusals.say(error.refusal, spoken())
    return str(gettext("The receipt would lack this: %(lacking)s.", lacking=lacking_in_words(error.lacking, spoken())))


def _donation(public_id: str) -> Donation:
    donation = donation_by_public_id(public_id)
    if donation is None:
        abort(404)
    return donation
