"""Receipts for donors: the PDF, sending it again, completing the address, the receipt preference, and public verification."""

import structlog
from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.signing_keys import all_certificates
from campaign.donations.declarations import How, Statement
from campaign.donations.donations import PERSON_FIELDS, Donation, donation_by_token
from campaign.donations.donors import ANNUAL, PER_DONATION, wants_annual_receipt
from campaign.receipts import awaited, completeness, receipt_actions, receipts, render_jobs
from campaign.rules import money
from campaign.rules.masking import mask_email
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.declaration_words import words_on_page
from campaign.web.downloads import name_file
from campaign.web.public.address_form import AddressForm
from campaign.web.public.donor_access import may_change, require_access
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("receipt_page", __name__)
log = structlog.get_logger()


@bp.get("/<any(en,fr):language>/donations/<token>/receipt.pdf")
@access("public")
def pdf(language: str, token: str) -> ResponseReturnValue:
    """The official receipt, the same bytes as in the e-mail; one that has ended is marked so. This never issues a receipt."""
    receipt = receipts.last_receipt_of(_donation_or_404(token).id)
    if receipt is None:
        abort(404)
    return send_receipt(receipt)


def send_receipt(receipt: receipts.Receipt) -> Response:
    """Respond with the PDF of the receipt, which must not be cached. Raises RenderingFailed and SigningKeyMissing (web/errors.py)."""
    document = render_jobs.get_or_render_pdf(receipt)
    response = name_file(Response(document, mimetype="application/pdf"), receipt.file_name, disposition="inline")
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.post("/<any(en,fr):language>/donations/<token>/mails")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def mail_again(language: str, token: str) -> ResponseReturnValue:
    """Send the receipt again, to the e-mail address of the donation."""
    donation = _donation_or_404(token)
    if receipts.receipt_of(donation.id) is None or not donation.email:
        abort(404)
    if receipt_actions.request_copy(donation):
        flash(gettext("We are sending your receipt to %(email)s again. Check your junk folder too.", email=mask_email(donation.email)))
    else:
        flash(gettext("We have sent it several times today. You can open it here, or write to us."), "error")
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/donations/<token>/receipt-choice")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def choose(language: str, token: str) -> ResponseReturnValue:
    """Set whether this donor gets a receipt for each donation or one for the year."""
    donation, choice = _donation_or_404(token), request.form.get("choice", "")
    require_access(donation)
    if choice not in {PER_DONATION, ANNUAL}:
        abort(400)
    receipt_actions.choose_preference(donation, choice)
    flash(
        gettext("You will get one official receipt for all your gifts of a year, the following January.")
        if choice == ANNUAL
        else gettext("You will get an official receipt for each gift, as soon as it is paid.")
    )
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


@bp.route("/<any(en,fr):language>/donations/<token>/address", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # The form checks its own token: a stale one is an error above the form, and nothing typed is lost.
@limiter.limit(LINKS_PER_CLIENT, methods=["POST"])
def address(language: str, token: str) -> ResponseReturnValue:
    """Complete the name and address, and say whose money it is, when the receipt waits for that."""
    donation = _donation_or_404(token)
    if not _may_complete(donation):
        return redirect(url_for("donation_page.page", language=language, token=token), 303)
    if request.method == "GET":
        person = {name: getattr(donation, name) for name in PERSON_FIELDS}
        form = AddressForm(language, formdata=None, **person)
        form.is_printable()  # Shows what an earlier form accepted and no receipt can print.
        return _address_page(donation, form, language)
    form = AddressForm(language)
    if not form.validate():
        return _address_page(donation, form, language), 422
    try:
        receipt_actions.complete_details(donation, form.person(), statement=form.statement(How.PAGE))
        _thank(donation)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, language), "error")
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


def _thank(donation: Donation) -> None:
    flash(
        gettext("Thank you. This gift will be on the official receipt for the whole year, which we send in January.")
        if wants_annual_receipt(donation.donor_id)
        else gettext("Thank you. We are making your official receipt, and will send it by email.")
        if donation.email
        else gettext("Thank you. We are making your official receipt, and will send it by post.")
    )


def _may_complete(donation: Donation) -> bool:
    """Whether the receipt waits for something that this browser may say."""
    if donation.received_at is None or not awaited.is_due(donation):
        return False
    return completeness.waits_for_donor(donation) and may_change(donation)


@bp.post("/<any(en,fr):language>/donations/<token>/declaration")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def declare(language: str, token: str) -> ResponseReturnValue:
    """Declare that the money is the organization's, in the words that were shown with the posted name."""
    donation, name = _donation_or_404(token), request.form.get("organization", "")
    require_access(donation)
    if donation.received_at is None or not name:
        abort(400)
    words = words_on_page(name, language, is_monthly=donation.recurring_gift_id is not None)
    try:
        receipt_actions.record_declaration(donation, name, Statement(how=How.PAGE, words=words, language=language))
        _thank(donation)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, language), "error")
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


def _address_page(donation: Donation, form: AddressForm, language: str) -> str:
    campaign = donation.campaign
    return render_template(
        "donate/address.html",
        form=form,
        errors=form.all_errors(),
        token=donation.token,
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        amount=money.format_money(donation.charged_cents, language),
        has_email=bool(donation.email),
    )


@bp.get("/<any(en,fr):language>/receipts/check/<code>")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def check(language: str, code: str) -> ResponseReturnValue:
    """Verify a receipt: its status, number, date and amount, without personal data."""
    receipt = receipts.receipt_by_check_code(code)
    if receipt is None:
        return render_template("donate/receipt_check.html", charity_name="", receipt=None), 404
    return render_template(
        "donate/receipt_check.html",
        receipt=receipt,
        status=receipts.status_of(receipt).value,
        charity_name=receipt.content["charity_name"],
        issued_on=receipt.content["issued_on"],
        amount=money.format_money(receipt.content["eligible_cents"], language),
        is_test=bool(receipt.content.get("is_test", True)),
    )


@bp.get("/receipts/certificates.pem")
@access("public")
def certificates() -> ResponseReturnValue:
    """The current and earlier signing certificates of all charities, to verify the signature of a receipt."""
    return Response(all_certificates(), mimetype="application/x-pem-file")


def _donation_or_404(token: str) -> Donation:
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    return donation
