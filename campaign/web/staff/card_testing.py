"""The guard against card testing: the figures of the last hours, and its switch."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.payments import card_testing, card_testing_actions
from campaign.payments.card_testing import SERVICE, CardTestingGuard
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role

bp = Blueprint("staff_card_testing", __name__, url_prefix="/staff/card-testing")

MINUTES = 60


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Whether the guard is on, why, and the figures by hour."""
    campaign = campaign_or_404()
    charity, current = campaign.charity, card_testing.current_guard()
    return render_template(
        "staff/card_testing.html",
        title=campaign.title(current_language()),
        may_switch=has_role("manager"),
        current=_row(current, charity) if current else None,
        begins_at=card_testing.BEGINS_AT,
        begins_within=int(card_testing.BEGINS_WITHIN.total_seconds()) // MINUTES,
        ends_below=card_testing.ENDS_BELOW,
        ends_after=int(card_testing.ENDS_AFTER.total_seconds()) // MINUTES,
        by_hand_hours=int(card_testing.BY_HAND_ENDS_AFTER.total_seconds()) // MINUTES // MINUTES,
        hours=[
            {
                "iso": hour.begins_at.isoformat(),
                "begins": format_datetime(charity.local(hour.begins_at), "yyyy-MM-dd HH:mm", rebase=False),
                "declines": hour.declines,
                "payments": hour.payments,
                "unpaid": hour.unpaid_checkouts,
            }
            for hour in card_testing.hourly_figures()
        ],
        earlier=[_row(guard, charity) for guard in card_testing.list_guards() if guard.ended_at],
    )


def _row(guard: CardTestingGuard, charity: Charity) -> dict[str, Any]:
    ended = format_datetime(charity.local(guard.ended_at), "yyyy-MM-dd HH:mm", rebase=False) if guard.ended_at else ""
    return {
        "begun": format_datetime(charity.local(guard.begun_at), "yyyy-MM-dd HH:mm", rebase=False),
        "begun_by": _actor(guard.begun_by),
        "is_by_hand": guard.is_by_hand,
        "declines": guard.declines,
        "payments": guard.payments,
        "ended": ended,
        "ended_by": _actor(guard.ended_by or ""),
    }


def _actor(actor: str) -> str:
    return gettext("by itself") if actor == SERVICE else actor


@bp.post("/guard")
@access("manager", fresh=True)
def begin() -> ResponseReturnValue:
    """Begin the guard."""
    if card_testing_actions.begin_guard(current_user.email):
        flash(gettext("The guard is on. Other members were notified by email."))
    else:
        flash(gettext("The guard was on already."))
    return redirect(url_for("staff_card_testing.page"), 303)


@bp.post("/guard/end")
@access("manager", fresh=True)
def end() -> ResponseReturnValue:
    """End the guard. It begins again by itself when as many cards are declined from now on."""
    if card_testing_actions.end_guard(current_user.email):
        flash(gettext("The guard is off. It begins again by itself if as many cards are declined from now on."))
    else:
        flash(gettext("The guard was off already."))
    return redirect(url_for("staff_card_testing.page"), 303)
