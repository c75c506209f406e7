"""Events from Stripe that could not be handled, with what went wrong; whoever has mended the cause has them handled again."""

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import audit, stripe_events
from campaign.giving.campaigns import default_campaign
from campaign.web.languages import spoken
from campaign.web.security import access, has_role

bp = Blueprint("staff_events", __name__, url_prefix="/staff/events")

SHOWN = 100


@bp.get("")
@access("viewer")
def dead() -> ResponseReturnValue:
    """The oldest first, as it may be what holds up the others of its payment."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    local = campaign.charity.local
    return render_template(
        "staff/events.html",
        title=campaign.title(spoken()),
        may_handle=has_role("clerk"),
        count=stripe_events.dead_events(),
        events=[
            {
                "row": event.id,
                "id": event.event_id,
                "type": event.type,
                "donation": event.subject if event.subject.startswith("d_") else None,
                "iso": event.received_at.isoformat(),
                "received": format_datetime(local(event.received_at), "yyyy-MM-dd HH:mm:ss", rebase=False),
                "error": event.last_error or "",
            }
            for event in stripe_events.oldest_dead(limit=SHOWN)
        ],
    )


@bp.post("/<int:row>/again")
@access("clerk")
def again(row: int) -> ResponseReturnValue:
    """Handle the event once more, as if it had come just now."""
    event = stripe_events.revive(row)
    if event is None:
        flash(gettext("This event waits no more: it was handled, or is being handled."))
    else:
        audit.record(current_user.email, "event handled again", event.event_id, type=event.type, error=event.last_error)
        flash(gettext("The event is being handled again. If it fails once more, it comes back here."))
    db.session.commit()
    outside().waker.wake("money")
    return redirect(url_for("staff_events.dead"), 303)
