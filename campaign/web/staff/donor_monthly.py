"""Ending a donor's monthly gift for them, when they ask staff: at Stripe, with the reason in the audit trail; the donor is notified by email."""

import structlog
from flask import Blueprint, abort, flash, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.recurring import recurring_actions
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.web.security import access
from campaign.web.staff import donors as donor_page
from campaign.web.staff.donors import donor_or_404
from campaign.web.staff.typed_fields import read_reason, refused

bp = Blueprint("staff_donor_monthly", __name__, url_prefix="/staff/donors")
log = structlog.get_logger()


@bp.post("/<int:donor_id>/monthly-gifts/<int:gift_id>/end")
@access("manager", fresh=True)
def end(donor_id: int, gift_id: int) -> ResponseReturnValue:
    """End the monthly gift at once, as the donor has asked."""
    donor, gift, reason = donor_or_404(donor_id), db.session.get(RecurringGift, gift_id), read_reason()
    if gift is None or db.session.get_one(Donation, gift.donation_id).donor_id != donor.id or not gift.subscription:
        abort(404)
    if not reason:
        return refused(donor_page.page(donor_id))
    try:
        if recurring_actions.end_for_donor(gift, actor=current_user.email, reason=reason):
            flash(gettext("The monthly gift has ended, and nothing more is charged."))
        else:
            flash(gettext("This monthly gift has ended before."))
    except (StripeUnavailable, StripeRefused) as error:
        db.session.rollback()
        log.warning("recurring.not_ended", error=str(error)[:200])
        flash(gettext("Nothing was changed: Stripe did not answer, or refused. Please try again in a minute."), "error")
    return redirect(url_for("staff_donors.page", donor_id=donor_id, _anchor="monthly"), 303)
