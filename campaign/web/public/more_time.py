"""More time to pay (WCAG 2.2.1): the payment page is closed before it ends, and the form is shown again, filled in, to open another one."""

import structlog
from flask import Blueprint, abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.donations.donations import Donation, donation_by_token
from campaign.edges.db import db
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.payments.status import Status, status_of
from campaign.stripe_sync import poll_checkout_jobs
from campaign.web.public import donor_access
from campaign.web.public.page_notice import Notice
from campaign.web.security import LINKS_PER_CLIENT, access, limiter

bp = Blueprint("more_time", __name__)
log = structlog.get_logger()


@bp.post("/<any(en,fr):language>/donations/<token>/time")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def extend(language: str, token: str) -> ResponseReturnValue:
    """Close the payment page of an unpaid gift, and lead the browser that began it back to the form."""
    donation = donation_by_token(token)
    if donation is None:
        abort(404)
    page = redirect(url_for("donation_page.page", language=language, token=token), 303)
    if not may_have_more_time(donation):
        return page
    try:
        poll_checkout_jobs.cancel_checkout(donation)
    except (StripeUnavailable, StripeRefused) as error:
        db.session.rollback()
        log.warning("checkout.not_extended", donation=donation.public_id, error=str(error)[:200])
        flash(gettext("The payment service cannot be reached right now. Please press the button again in a minute."), "error")
        return page
    if status_of(donation).state != Status.EXPIRED:
        return page
    slug = donation.campaign.slug
    return redirect(url_for("campaigns.page", language=language, slug=slug, again=token, time="more", _anchor="give"), 303)


def may_have_more_time(donation: Donation) -> bool:
    """Whether this browser began the gift, which is not paid, and its campaign takes another one."""
    return donation.is_open and donation.campaign.takes_gifts and donor_access.has_begun(donation)


def again_notice(donation: Donation, *, has_more_time: bool) -> Notice | None:
    """What the form says that was filled in from this gift; None for one that was paid, or may be yet, or that another browser began."""
    if status_of(donation).state not in {Status.EXPIRED, Status.FAILED} or not donor_access.has_begun(donation):
        return None
    ticked = gettext("What you wrote is filled in. Please tick again what you agree to.")
    if not has_more_time:
        return Notice(kind="change", title=gettext("Nothing has been charged"), text=ticked)
    reserved = gettext("Press the button to open a new payment page for another half hour. What is matched now is shown above it.")
    charged = gettext("Nothing has been charged.")
    return Notice(kind="change", title=gettext("You have more time"), text=f"{charged} {ticked} {reserved}")
