"""What is on hold for gifts that are not paid, by whom; staff may end a checkout, which frees its hold."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.matching.funds import funds_of
from campaign.payments import hold_watch
from campaign.payments.hold_watch import OpenHold
from campaign.payments.status import Status, status_of
from campaign.rules.money import format_money
from campaign.staff import audit
from campaign.stripe_sync import poll_checkout_jobs
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.donation_lookup import donation_or_404

bp = Blueprint("staff_holds", __name__, url_prefix="/staff/holds")

SHOWN = 200
# Enough of the keyed hash of a network to tell two apart.
NETWORK_LABEL = 6


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """All open holds, the largest first, with what is left of each fund and the networks that began many checkouts."""
    campaign, language = campaign_or_404(), current_language()
    holds = hold_watch.list_open_holds(campaign.id, limit=SHOWN)
    return render_template(
        "staff/holds.html",
        title=campaign.title(language),
        may_end=has_role("clerk"),
        funds=[
            {
                "name": fund.name(language),
                "held": format_money(fund.held_cents, language),
                "unmatched": format_money(fund.pledged_cents - fund.matched_cents, language),
                "percent": fund.held_cents * 100 // max(1, fund.pledged_cents - fund.matched_cents),
                "most": campaign.hold_share_percent,
            }
            for fund in funds_of(campaign.id)
        ],
        networks=[
            {"label": _network(n.client_key), "checkouts": n.checkouts, "held": format_money(n.cents, language)}
            for n in hold_watch.list_busy_networks(campaign.id)
        ],
        holds=[_row(hold, campaign, language) for hold in holds],
        is_cut=len(holds) == SHOWN,
    )


def _row(hold: OpenHold, campaign: Campaign, language: str) -> dict[str, Any]:
    donation = hold.donation
    return {
        "public_id": donation.public_id,
        "name": donation.full_name,
        "email": donation.email,
        "network": _network(donation.client_key),
        "iso": donation.started_at.isoformat(),
        "started": format_datetime(campaign.charity.local(donation.started_at), "yyyy-MM-dd HH:mm", rebase=False),
        "amount": format_money(donation.amount_cents, language),
        "held": format_money(hold.cents, language),
        "is_debit": donation.is_debit,
        "may_be_ended": donation.checkout_id is not None and not donation.is_debit,
    }


def _network(client_key: str) -> str:
    return client_key[:NETWORK_LABEL].upper() or "–"


@bp.post("/<public_id>/end")
@access("clerk", fresh=True)
def end(public_id: str) -> ResponseReturnValue:
    """Expire the checkout at Stripe, so that it can no longer be paid, and free its hold."""
    donation = donation_or_404(public_id)
    was_open = donation.is_open
    try:
        poll_checkout_jobs.cancel_checkout(donation, actor=current_user.email)
    except (StripeUnavailable, StripeRefused):
        db.session.rollback()
        flash(gettext("Stripe did not answer, so the checkout is still open. Please try again in a minute."), "error")
        return redirect(url_for("staff_holds.page"), 303)
    state = status_of(donation).state
    if state == Status.EXPIRED and was_open:
        audit.record(current_user.email, "checkout ended", public_id)
        db.session.commit()
        flash(gettext("The checkout is closed, and what it held is free."))
    elif state in {Status.PENDING, Status.PROCESSING}:
        flash(gettext("This gift cannot be ended here: its payment is under way at the donor’s bank."), "error")
    else:
        flash(gettext("This gift has ended or was paid meanwhile."))
    return redirect(url_for("staff_holds.page"), 303)
