"""What a donor changes on the page of all their gifts: receipts, email address, news, and messages that a funder may read.

Each asks for the link again when the half hour has passed; nothing is changed then.
"""

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.donations import donor_merges, message_actions, news_actions, news_agreements
from campaign.donations.donations import Donation, latest_with_email
from campaign.donations.donors import ANNUAL, PER_DONATION
from campaign.donations.news_withdrawals import WithdrawnBy
from campaign.receipts import receipt_actions
from campaign.recurring import contact_actions
from campaign.reporting import my_gifts
from campaign.rules.contact_addresses import LONGEST_EMAIL, InvalidEmail, parse_email
from campaign.web.public import donor_access
from campaign.web.public.typed_email import store_typed_email
from campaign.web.security import LINKS_PER_CLIENT, access, limiter

bp = Blueprint("my_gift_choices", __name__)

AGREE, WITHDRAW = "agree", "withdraw"


def _latest_gift() -> Donation | None:
    """The latest gift of the donor by whose link this browser came: what they change is recorded and mailed with it."""
    donor_id = donor_access.granted_donor()
    return latest_with_email(donor_id) if donor_id else None


def _back(language: str, section: str = "") -> ResponseReturnValue:
    return redirect(url_for("my_gifts.page", language=language, _anchor=section or None), 303)


@bp.post("/<any(en,fr):language>/my-gifts/receipt-choice")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def choose_receipts(language: str) -> ResponseReturnValue:
    """Set whether the donor gets a receipt for each gift or one for the year."""
    gift, choice = _latest_gift(), request.form.get("choice", "")
    if gift is None:
        return _back(language)
    if choice not in {PER_DONATION, ANNUAL}:
        abort(400)
    receipt_actions.choose_preference(gift, choice)
    flash(
        gettext("You will get one official receipt for all your gifts of a year, the following January.")
        if choice == ANNUAL
        else gettext("You will get an official receipt for each gift, as soon as it is paid.")
    )
    return _back(language)


@bp.post("/<any(en,fr):language>/my-gifts/email")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def change_email(language: str) -> ResponseReturnValue:
    """Mail a link to the new address; the old one was confirmed by the link that let the donor come here."""
    gift = _latest_gift()
    if gift is None:
        return _back(language)
    typed = request.form.get("email", "")[:LONGEST_EMAIL]
    try:
        email = parse_email(typed)
        if contact_actions.request_email_change(gift, email):
            flash(gettext("A link to confirm the address is on its way to %(email)s. Until then nothing changes.", email=email))
        else:
            flash(gettext("We have sent you several links today. Please use the latest one, or try again tomorrow."), "error")
    except InvalidEmail:
        store_typed_email(typed)
        return _back(language, "email")
    return _back(language)


@bp.post("/<any(en,fr):language>/my-gifts/news")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def choose_news(language: str) -> ResponseReturnValue:
    """Agree to news, in the words above the button, or withdraw that."""
    gift, choice = _latest_gift(), request.form.get("choice", "")
    if gift is None:
        return _back(language)
    if choice not in {AGREE, WITHDRAW}:
        abort(400)
    if choice == AGREE:
        news_actions.record_agreement(news_agreements.donation_to_agree_with(gift.donor_id) or gift, language=language)
        flash(gettext("Thank you. You get a few emails a year with news. You can stop them here at any time."))
    else:
        news_actions.withdraw(gift, how=WithdrawnBy.PAGE)
        flash(gettext("You will get no more news from us. You will still get receipts."))
    return _back(language)


@bp.post("/<any(en,fr):language>/my-gifts/message-withdrawals")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def withdraw_message(language: str) -> ResponseReturnValue:
    """Withdraw the agreement that a funder may read the message of the posted gift."""
    donor_id = donor_access.granted_donor()
    if donor_id is None:
        return _back(language)
    gift = my_gifts.find_own_gift(donor_merges.ids_of_person(donor_id), request.form.get("gift", ""))
    if gift is None:
        abort(404)
    message_actions.withdraw(gift)
    flash(gettext("Your message is no longer shown to the funder."))
    return _back(language)
