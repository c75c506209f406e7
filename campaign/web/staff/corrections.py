"""Forms in which staff correct a donor's name, address or email: of a gift, of what comes from now on, or both.

They are on the page of the gift and on that of the donor, and lead back to it. What somebody else has changed meanwhile is shown first, and
nothing typed is lost.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations.donations import PERSON_FIELDS, Donation
from campaign.donations.donors import donor_at
from campaign.edges.db import db
from campaign.mail import mail_actions
from campaign.receipts import receipt_actions, receipts
from campaign.receipts.receipts import Receipt, ReceiptIncomplete
from campaign.recurring import contact_changes, contacts
from campaign.recurring.contact_changes import ContactHasChanged
from campaign.recurring.contacts import EmailTaken, Scope
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.rules.email_typos import suggested_address
from campaign.texts import actors
from campaign.texts.action_errors import ActionError, ActionRefused
from campaign.web.labels import contact_labels
from campaign.web.languages import current_language
from campaign.web.security import access, csrf, has_role
from campaign.web.staff import donors as donor_page
from campaign.web.staff.donation_lookup import donation_or_404
from campaign.web.staff.donations import describe_refusal
from campaign.web.staff.donations import page as donation_page
from campaign.web.staff.person_form import PersonForm
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedLine, read_reason, refuse_line, refused, typed_reason

bp = Blueprint("staff_corrections", __name__, url_prefix="/staff/donations")

MAX_EMAIL_LENGTH = 254
# In the form, that it is on the page of the donor.
DONOR = "donor"


@bp.route("/<public_id>/person", methods=["GET", "POST"])
@access("clerk", fresh=True, takes_document=True)
@csrf.exempt  # The form checks its own token: a stale one is an error in the form, and nothing typed is lost.
def person(public_id: str) -> ResponseReturnValue:
    """Correct the name or address, with the donor's declaration when the money is somebody else's; a valid receipt is replaced."""
    donation, language = donation_or_404(public_id), current_language()
    today = donation.campaign.charity.local(datetime.now(UTC)).date()
    if request.method == "GET":
        person_fields = {name: getattr(donation, name) for name in PERSON_FIELDS}
        return _person_page(donation, PersonForm(donation, language, today=today, formdata=None, **person_fields))
    form = PersonForm(donation, language, today=today)
    is_valid, reason = form.validate(), read_reason()
    if not is_valid or not reason:
        return _person_page(donation, form, version=request.form.get("version")), 422
    try:
        receipt = receipt_actions.correct_details(
            donation,
            form.person(),
            actor=current_user.email,
            reason=reason,
            scope=_read_scope(),
            is_same_donor=form.is_same_donor,
            statement=form.reported_statement(),
            version=request.form.get("version"),
        )
        flash(_corrected(donation, receipt))
    except (ActionRefused, ReceiptIncomplete) as error:
        _show_refusal(form, error)
        return _person_page(donation, form, version=request.form.get("version")), 422
    except ContactHasChanged as error:
        return _person_page(donation, form, meanwhile=_changed_meanwhile(donation, form, error)), 422
    return redirect(_back(donation), 303)


def _corrected(donation: Donation, receipt: Receipt | None) -> str:
    if receipt is None:
        return str(gettext("Corrected."))
    if donation.email:
        return str(gettext("Corrected. Receipt no. %(serial)s is on its way to the donor.", serial=receipt.serial))
    return str(gettext("Corrected. Receipt no. %(serial)s is to be printed and posted: there is no email address.", serial=receipt.serial))


def _show_refusal(form: PersonForm, error: ActionRefused | ReceiptIncomplete) -> None:
    """Beside the field that can be changed, or above the form."""
    if isinstance(error, ActionRefused) and error.refusal in {ActionError.NAME_IS_UNEXPLAINED, ActionError.NOT_SAME_DONOR}:
        form.name_change.errors = [describe_refusal(error)]
    else:
        flash(describe_refusal(error), "error")


def _changed_meanwhile(donation: Donation, form: PersonForm, error: ContactHasChanged) -> dict[str, Any]:
    """Who changed the details while these were typed, and what is stored now of the fields that differ."""
    labels = contact_labels()
    fields = [
        (labels[name], str(getattr(donation, name)) or "–", str(form[name].data or "") or "–")
        for name in PERSON_FIELDS
        if getattr(donation, name) != (form[name].data or "")
    ]
    return {"sentence": describe_change(donation, error), "fields": fields}


def describe_change(donation: Donation, error: ContactHasChanged) -> str:
    """That somebody else has changed what is in the form, and when."""
    if error.entry is None:
        return str(gettext("Nothing was saved: this was changed while you typed."))
    at = donation.campaign.charity.local(error.entry.at)
    who = actors.describe_actor(error.entry.actor, current_language())
    return str(gettext("Nothing was saved: %(who)s changed this at %(time)s while you typed.", who=who, time=f"{at:%H:%M}"))


def _reason_errors() -> list[tuple[str, str]]:
    error = typed_reason(request.path).error
    return [("reason", error)] if error else []


def _person_page(donation: Donation, form: PersonForm, *, version: str | None = None, meanwhile: dict[str, Any] | None = None) -> str:
    form.ask_again_for_document()
    running = contacts.running_gifts_like(donation)
    return render_template(
        "staff/person.html",
        title=donation.campaign.title(current_language()),
        donation=donation,
        form=form,
        errors=[*form.all_errors(), *_reason_errors()],
        has_receipt=receipts.receipt_of(donation.id) is not None,
        gives_monthly=bool(running),
        chosen_scope=_read_scope().value if request.method == "POST" else Scope.BOTH.value,
        version=version if version is not None else contact_changes.version_of_person(donation, running),
        meanwhile=meanwhile,
        back=request.values.get("back", ""),
        back_url=_back(donation),
        longest_reason=LONGEST_REASON,
    )


@bp.post("/<public_id>/email")
@access("clerk", fresh=True)
def email(public_id: str) -> ResponseReturnValue:
    """Correct the e-mail address; messages that failed or bounced are sent there."""
    donation, typed = donation_or_404(public_id), request.form.get("email", "")[:MAX_EMAIL_LENGTH].strip()
    try:
        corrected, scope = parse_email(typed), _read_scope()
        if (meant := suggested_address(corrected)) and request.form.get("email_checked") != corrected:
            error = gettext("Did you mean %(email)s? Please correct the address, or press the button again to confirm it.", email=meant)
            return _refuse_email(donation, corrected, error)
        mail_actions.correct_email(donation, corrected, actor=current_user.email, scope=scope, version=request.form.get("version"))
    except InvalidEmail:
        return _refuse_email(
            donation, typed, gettext("This does not look like an email address. Please check it, for example name@example.com.")
        )
    except ContactHasChanged as error:
        stored = gettext("It is %(email)s now. To replace it, press the button again.", email=donation.email or gettext("none"))
        return _refuse_email(donation, corrected, f"{describe_change(donation, error)} {stored}")
    except EmailTaken:
        db.session.rollback()
        return _offer_merge(donation, corrected)
    flash(
        gettext("Email about this donor’s gifts goes to %(email)s from now on.", email=corrected)
        if scope.is_for_later
        else gettext("Email about this gift goes to %(email)s from now on.", email=corrected)
    )
    return redirect(_back(donation), 303)


def _refuse_email(donation: Donation, typed: str, error: str) -> ResponseReturnValue:
    refuse_line("email", TypedLine(text=typed, error=error))
    is_of_donor = request.form.get("back") == DONOR
    return refused(donor_page.page(donation.donor_id) if is_of_donor else donation_page(donation.public_id))


def _offer_merge(donation: Donation, taken: str) -> ResponseReturnValue:
    """Lead a manager to the merge of the two donors; others read who can do it."""
    other = donor_at(taken)
    if other is not None and has_role("manager"):
        flash(gettext("Another donor has this address, so nothing was changed. Are they the same person?"), "error")
        return redirect(url_for("staff_donor_merges.page", donor_id=donation.donor_id, other=other.id), 303)
    error = gettext("Another donor has this address, so nothing was changed. If they are the same person, a manager can merge the two.")
    return _refuse_email(donation, taken, error)


def _back(donation: Donation) -> str:
    if request.values.get("back") == DONOR:
        return url_for("staff_donors.page", donor_id=donation.donor_id)
    return url_for("staff_donations.page", public_id=donation.public_id)


def _read_scope() -> Scope:
    """What the correction is for; without a valid choice, this gift alone."""
    choice = request.form.get("scope", "")
    return Scope(choice) if choice in set(Scope) else Scope.THIS_GIFT
