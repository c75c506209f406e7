"""Who may change something: a donor who came by a link that was just mailed to them, for half an hour and with a cookie.

The link to a page, which is in every email, shows a gift and lets the donor ask for such a link; it changes nothing.
"""

import time
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from campaign.donations.donations import Donation, donation_by_token
from campaign.donations.donors import Donor, is_current
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import donor_access
from campaign.outbox.donor_access import DonorAccess, Opens
from campaign.recurring.recurring_gifts import recurring_gift_by_token, recurring_gift_of
from campaign.rules.masking import mask_email
from campaign.staff import audit
from campaign.web.languages import current_language
from campaign.web.networks import pseudonym
from campaign.web.public.frame import frame_of
from campaign.web.security import LINKS_PER_CLIENT, AccessRequired, access, csrf, limiter

bp = Blueprint("donor_access", __name__)

ACCESS, BEGUN = "donor_access", "begun"
ACCESS_SECONDS = 30 * 60
LINKS_PER_NETWORK = "20 per hour"
MAX_BEGUN = 5


def may_change(donation: Donation) -> bool:
    """Whether this browser came by a link that was mailed to the donor of the donation."""
    return granted_donor() == donation.donor_id


def granted_donor() -> int | None:
    """The donor by whose mailed link this browser came within the half hour, if they still have the address that it was mailed to."""
    granted = session.get(ACCESS)
    if not isinstance(granted, dict) or not isinstance(donor_id := granted.get("donor"), int) or granted.get("until", 0) <= time.time():
        return None
    return donor_id if granted.get("email") == _fingerprint(donor_id) else None


def had_grant() -> bool:
    """Whether this browser came by a mailed link, however long ago, and has not closed what it opened."""
    return ACCESS in session


def end_grant() -> None:
    """Let this browser change nothing any more."""
    session.pop(ACCESS, None)


def may_ask(donation: Donation) -> bool:
    """Whether there is an address to which such a link can be mailed."""
    return db.session.get_one(Donor, donation.donor_id).email is not None


def grant_of(donor_id: int) -> dict[str, Any]:
    """What the cookie of a browser has that may change the donor's gifts from now on. It ends when the donor has another address."""
    return {"donor": donor_id, "until": int(time.time()) + ACCESS_SECONDS, "email": _fingerprint(donor_id)}


def _fingerprint(donor_id: int) -> str:
    return pseudonym(db.session.scalar(select(Donor.email).where(Donor.id == donor_id, is_current())) or "")


def require_access(donation: Donation) -> None:
    """Respond 403, with what to do, unless this browser may change something about the donor's gifts."""
    if not may_change(donation):
        raise AccessRequired(url_for("donation_page.page", language=current_language(), token=donation.token))


def remember_begun(donation: Donation) -> None:
    """Note in the browser's cookie that it began this donation, so that its form may be shown to it again."""
    begun = [name for name in session.get(BEGUN, []) if name != donation.public_id]
    session[BEGUN] = [*begun, donation.public_id][-MAX_BEGUN:]


def has_begun(donation: Donation) -> bool:
    """Whether this browser began the donation."""
    return donation.public_id in session.get(BEGUN, [])


@bp.post("/<any(en,fr):language>/donations/<token>/access")
@access("public")
@csrf.exempt  # It mails a link to the donor, and changes nothing.
@limiter.limit(LINKS_PER_NETWORK)
def of_donation(language: str, token: str) -> ResponseReturnValue:
    """Mail the donor a link with which they may change something about their gifts."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    _send_link(donation, Opens.DONATION)
    return redirect(url_for("donation_page.page", language=language, token=token), 303)


@bp.post("/<any(en,fr):language>/monthly/<token>/access")
@access("public")
@csrf.exempt  # As above.
@limiter.limit(LINKS_PER_NETWORK)
def of_recurring_gift(language: str, token: str) -> ResponseReturnValue:
    """Mail the donor a link with which they may change their monthly gift."""
    gift = recurring_gift_by_token(token)
    if gift is None:
        abort(404)
    _send_link(db.session.get_one(Donation, gift.donation_id), Opens.RECURRING_GIFT)
    return redirect(url_for("recurring_page.page", language=language, token=token), 303)


def _send_link(donation: Donation, opens: Opens) -> None:
    address = db.session.get_one(Donor, donation.donor_id).email
    if address is None:
        flash(
            gettext("We do not have an email address for you. Please write to %(email)s.", email=donation.campaign.charity.email), "error"
        )
        return
    was_sent = donor_access.request_access(donation, opens)
    db.session.commit()
    services().waker.wake("mail")
    if was_sent:
        flash(gettext("A link is on its way to %(email)s. It works once, within ten minutes.", email=mask_email(address)))
    else:
        flash(gettext("We have sent you several links in the past hour. Please use the latest one, or try again later."), "error")


@bp.route("/<any(en,fr):language>/access/<token>", methods=["GET", "POST"])
@access("public")
@csrf.exempt  # Its address is the secret that was mailed.
@limiter.limit(LINKS_PER_CLIENT)
def use(language: str, token: str) -> ResponseReturnValue:
    """Use a mailed link. Opening it changes nothing, as programs that scan emails do that too; its button does."""
    found = donor_access.find_access(token)
    if found is None:
        return render_template("donate/access.html", **frame_of(None, language), is_known=False), 404
    donation = db.session.get_one(Donation, found.donation_id)
    frame = frame_of(donation.campaign, language)
    if request.method == "GET":
        return render_template("donate/access.html", **frame, is_known=True, opens_all=found.opens == Opens.MY_GIFTS)
    if not donor_access.take(found):
        db.session.rollback()
        return render_template("donate/access.html", **frame, is_known=False), 404
    audit.record("the donor", "used a mailed link", donation.public_id)
    db.session.commit()
    session[ACCESS] = grant_of(found.donor_id)
    if found.opens != Opens.MY_GIFTS:
        flash(gettext("Thank you, it is you. You can change your choices below for half an hour."))
    return redirect(_page_of(found, donation, language), 303)


def _page_of(found: DonorAccess, donation: Donation, language: str) -> str:
    if found.opens == Opens.MY_GIFTS:
        return url_for("my_gifts.page", language=language)
    gift = recurring_gift_of(donation)
    if found.opens == Opens.RECURRING_GIFT and gift is not None:
        return url_for("recurring_page.page", language=language, token=gift.token)
    return url_for("donation_page.page", language=language, token=donation.token)
