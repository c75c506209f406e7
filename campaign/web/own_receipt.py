"""The donor and their official receipt: opening it, having it mailed once more, giving the address that it lacked, checking one."""

import structlog
from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.edges.outside import outside
from campaign.edges.pdf import NotRendered
from campaign.edges.sealing import NoKey
from campaign.giving import receipts
from campaign.giving.donations import PERSON_FIELDS, Donation, donation_by_token
from campaign.giving.donors import EACH, YEARLY
from campaign.rules import money, refusals
from campaign.web.person_form import PersonForm, provinces
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter
from campaign.work import composing, documents, receipt_desk
from campaign.work.receipt_desk import CannotDo

bp = Blueprint("own_receipt", __name__)
log = structlog.get_logger()


@bp.get("/<any(en,fr):language>/donations/<token>/receipt.pdf")
@access("public")
def pdf(language: str, token: str) -> ResponseReturnValue:
    """The official receipt, byte for byte the one that was mailed; one that stands no more is marked so. Looking at it issues nothing."""
    receipt = receipts.last_receipt_of(_own(token).id)
    if receipt is None:
        abort(404)
    return receipt_answer(receipt)


def receipt_answer(receipt: receipts.Receipt) -> Response:
    """Its PDF, for nobody's cache."""
    try:
        document = documents.receipt_pdf(receipt)
    except (NotRendered, NoKey) as error:
        log.error("receipt.not_made", serial=receipt.serial, error=str(error)[:200])
        abort(503)
    answer = Response(document, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'inline; filename="{receipt.file_name}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@bp.post("/<any(en,fr):language>/donations/<token>/mails")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def mail_again(language: str, token: str) -> ResponseReturnValue:
    """The receipt by mail once more, to the address the gift was made with."""
    donation = _own(token)
    if receipts.receipt_of(donation.id) is None:
        abort(404)
    if receipt_desk.ask_again(donation):
        flash(gettext("We are sending your receipt to %(email)s again. Look among unwanted mail too.", email=donation.email))
    else:
        flash(gettext("We have sent it several times today. You can open it here, or write to us."), "error")
    return redirect(url_for("own_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/donations/<token>/receipt-choice")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def choose(language: str, token: str) -> ResponseReturnValue:
    """A receipt for each gift, or one for the year, for all gifts of this donor."""
    donation, choice = _own(token), request.form.get("choice", "")
    if choice not in {EACH, YEARLY}:
        abort(400)
    receipt_desk.choose(donation, choice)
    flash(
        gettext("One official receipt for all your gifts of a year comes to you in the January after.")
        if choice == YEARLY
        else gettext("Each gift gets its own official receipt, as soon as it is paid.")
    )
    return redirect(url_for("own_page.page", language=language, token=token), 303)


@bp.route("/<any(en,fr):language>/donations/<token>/address", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # The form checks its own token, so that a stale one is an error above the form and nothing typed is lost.
@limiter.limit(LINKS_PER_CLIENT, methods=["POST"])
def address(language: str, token: str) -> ResponseReturnValue:
    """Name and address, when the receipt waits for them."""
    donation = _own(token)
    if donation.paid_at is None or receipts.last_receipt_of(donation.id) or not composing.lacks_details(donation):
        return redirect(url_for("own_page.page", language=language, token=token), 303)
    if request.method == "GET":
        kept = {name: getattr(donation, name) for name in PERSON_FIELDS}
        return _address_page(donation, PersonForm(language, formdata=None, **kept), language)
    form = PersonForm(language)
    if not form.validate():
        return _address_page(donation, form, language), 422
    try:
        receipt_desk.complete(donation, form.person())
        flash(gettext("Thank you. Your official receipt is being made, and comes by e-mail."))
    except CannotDo as error:
        flash(refusals.say(error.refusal, language), "error")
    return redirect(url_for("own_page.page", language=language, token=token), 303)


def _address_page(donation: Donation, form: PersonForm, language: str) -> str:
    campaign = donation.campaign
    return render_template(
        "donate/address.html",
        form=form,
        errors=form.all_errors(),
        token=donation.token,
        provinces=provinces(language),
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        amount=money.written(donation.charged_cents, language),
    )


@bp.get("/<any(en,fr):language>/receipts/check/<code>")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def check(language: str, code: str) -> ResponseReturnValue:
    """Whether a receipt stands: its number, date and amount, and nothing of whose it is."""
    receipt = receipts.receipt_by_check_code(code)
    if receipt is None:
        return render_template("donate/check.html", receipt=None), 404
    return render_template(
        "donate/check.html",
        receipt=receipt,
        status=receipts.status_of(receipt).value,
        charity_name=receipt.content["charity_name"],
        issued_on=receipt.content["issued_on"],
        amount=money.written(receipt.content["eligible_cents"], language),
        is_test=bool(receipt.content.get("is_test", True)),
    )


@bp.get("/receipts/certificates.pem")
@access("public")
def certificates() -> ResponseReturnValue:
    """What receipts are and were signed with, for whoever compares a signature."""
    try:
        return Response(outside().key.certificates(), mimetype="application/x-pem-file")
    except NoKey as error:
        log.error("receipt.no_key", error=str(error)[:200])
        abort(503)


def _own(token: str) -> Donation:
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    return donation
