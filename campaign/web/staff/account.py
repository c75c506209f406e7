"""A member's own account: where they are signed in, and how to end it."""

from flask import Blueprint, flash, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.staff import audit, sessions
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.sign_in import SESSION_KEY

bp = Blueprint("staff_account", __name__, url_prefix="/staff/account")


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The member's sessions, this one marked."""
    campaign = campaign_or_404()
    charity = campaign.charity
    own = sessions.find_open(session.get(SESSION_KEY, ""), current_user.id)
    rows = [
        {
            "id": found.id,
            "is_this": own is not None and found.id == own.id,
            "client": found.client or gettext("unknown browser"),
            "begun": format_datetime(charity.local(found.begun_at), "medium", rebase=False),
            "seen": format_datetime(charity.local(found.seen_at), "medium", rebase=False),
        }
        for found in sessions.list_open(current_user.id)
    ]
    return render_template("staff/account.html", title=campaign.title(current_language()), email=current_user.email, sessions=rows)


@bp.post("/sessions/<int:session_id>/end")
@access("viewer", fresh=True)
def end(session_id: int) -> ResponseReturnValue:
    """End one of the member's sessions."""
    if sessions.end(session_id, staff_id=current_user.id):
        audit.record(current_user.email, "ended a session", current_user.email, session=session_id)
        flash(gettext("That session has ended."))
    db.session.commit()
    return redirect(url_for("staff_account.page"), 303)


@bp.post("/sessions/end-others")
@access("viewer", fresh=True)
def end_others() -> ResponseReturnValue:
    """End all of the member's sessions but this one."""
    ended = sessions.end_all(current_user.id, except_token=session.get(SESSION_KEY, ""))
    audit.record(current_user.email, "ended other sessions", current_user.email, sessions=ended)
    db.session.commit()
    flash(gettext("You are signed out everywhere else."))
    return redirect(url_for("staff_account.page"), 303)
