"""The donor's own contact details: the address of later months, and the email address, which is confirmed at the old and at the new one."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.donations import declarations
from campaign.donations.declarations import How
from campaign.donations.donations import PERSON_FIELDS, Donation, donation_by_token
from campaign.edges.db import db
from campaign.recurring import contact_actions, contacts
from campaign.recurring.recurring_gifts import recurring_gift_by_token
from campaign.rules.contact_addresses import InvalidEmail, parse_email
from campaign.web.public.address_form import AddressForm
from campaign.web.public.donor_access import require_access
from campaign.web.public.frame import frame_of
from campaign.web.public.typed_email import store_typed_email
from campaign.web.security import LINKS_PER_CLIENT, access, csrf, limiter

bp = Blueprint("contact_page", __name__)

MAX_EMAIL_LENGTH = 254


@bp.route("/<any(en,fr):language>/monthly/<token>/address", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # The form checks its own token: a stale one is an error above the form, and nothing typed is lost.
@limiter.limit(LINKS_PER_CLIENT, methods=["POST"])
def address(language: str, token: str) -> ResponseReturnValue:
    """Change the name and address of later months."""
    gift = recurring_gift_by_token(token)
    if gift is None:
        abort(404)
    first = db.session.get_one(Donation, gift.donation_id)
    require_access(first)
    if gift.is_over:
        return redirect(url_for("recurring_page.page", language=language, token=token), 303)
    if request.method == "GET":
        person = {name: getattr(gift, name) for name in PERSON_FIELDS}
        is_declared = bool(gift.organization) and declarations.is_declared_for(first, gift.organization)
        return _address_page(first, AddressForm(language, formdata=None, **person, organization_declaration=is_declared), token)
    form = AddressForm(language)
    if not form.validate():
        return _address_page(first, form, token), 422
    if contact_actions.change_address(gift, first, form.person(), statement=form.statement(How.PAGE)):
        flash(gettext("Changed. The receipts of later months show it."))
    return redirect(url_for("recurring_page.page", language=language, token=token), 303)


def _address_page(first: Donation, form: AddressForm, token: str) -> str:
    campaign, language = first.campaign, form.language
    return render_template(
        "donate/contact.html",
        form=form,
        errors=form.all_errors(),
        token=token,
        campaign=campaign,
        title=campaign.title(language),
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
    )


@bp.post("/<any(en,fr):language>/donations/<token>/email")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def change_email(language: str, token: str) -> ResponseReturnValue:
    """Mail a link to the new address; the old one was confirmed by the link that let the donor come here."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    require_access(donation)
    typed = request.form.get("email", "")[:MAX_EMAIL_LENGTH]
    try:
        email = parse_email(typed)
        if contact_actions.request_email_change(donation, email):
            flash(gettext("A link to confirm the address is on its way to %(email)s. Until then nothing changes.", email=email))
        else:
            flash(gettext("We have sent you several links today. Please use the latest one, or try again tomorrow."), "error")
    except InvalidEmail:
        store_typed_email(typed)
        return redirect(url_for("donation_page.page", language=language, token=token, _anchor="email"), 303)
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/donations/<token>/links")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def renew_links(language: str, token: str) -> ResponseReturnValue:
    """End the links to all gifts of the donor, and go to the page by its new one."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    require_access(donation)
    contact_actions.renew_links(donation)
    flash(gettext("The old links have ended. This page has a new address, and we email it to you."))
    return redirect(url_for("donation_page.page", language=language, token=donation.token), 303)


@bp.route("/<any(en,fr):language>/email/<token>", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # Its address is the secret that was mailed.
@limiter.limit(LINKS_PER_CLIENT)
def confirm_email(language: str, token: str) -> ResponseReturnValue:
    """Confirm a new address. Opening the link changes nothing; its button does."""
    change = contacts.find_email_change(token)
    if change is None:
        return render_template("donate/email_change.html", **frame_of(None, language), state="unknown"), 404
    frame = frame_of(db.session.get_one(Donation, change.donation_id).campaign, language)
    email = change.new_email
    if request.method == "GET":
        return render_template("donate/email_change.html", **frame, state="asked", email=email)
    if contact_actions.confirm_email(change):
        return render_template("donate/email_change.html", **frame, state="confirmed", email=email)
    return render_template("donate/email_change.html", **frame, state="taken", email=email), 409
