"""Dead-lettered Stripe events with their errors. Staff retry them after the cause is fixed."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.staff import audit
from campaign.stripe_sync import inbox
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role

bp = Blueprint("staff_failed_events", __name__, url_prefix="/staff/events")

SHOWN = 100


@bp.get("")
@access("viewer")
def dead() -> ResponseReturnValue:
    """Dead-lettered events, oldest first."""
    campaign = campaign_or_404()
    local = campaign.charity.local
    return render_template(
        "staff/failed_events.html",
        title=campaign.title(current_language()),
        may_handle=has_role("clerk"),
        count=inbox.count_dead(),
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
            for event in inbox.list_dead(limit=SHOWN)
        ],
    )


@bp.post("/<int:row>/again")
@access("clerk")
def again(row: int) -> ResponseReturnValue:
    """Requeue the event, as if it had just been received."""
    event = inbox.requeue(row)
    if event is None:
        flash(gettext("This event has already been handled, or is being handled."))
    else:
        audit.record(current_user.email, "event handled again", event.event_id, type=event.type, error=event.last_error)
        flash(gettext("The event is being handled again. If it fails once more, it comes back here."))
    db.session.commit()
    services().waker.wake("money")
    return redirect(url_for("staff_failed_events.dead"), 303)
