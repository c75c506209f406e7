"""A member's own account: their second factors (own_factors.py, own_passkeys.py), where they are signed in, and how to end it."""

from datetime import datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.staff import audit, passkeys, recovery_codes, sessions
from campaign.staff.passkeys import Passkey
from campaign.texts.dates import format_day, format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.own_account import own
from campaign.web.staff.sign_in import SESSION_KEY

bp = Blueprint("staff_account", __name__, url_prefix="/staff/account")


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The member's second factors and sessions, this one marked."""
    campaign = campaign_or_404()
    charity = campaign.charity
    this = sessions.find_open(session.get(SESSION_KEY, ""), current_user.id)
    rows = [
        {
            "id": found.id,
            "is_this": this is not None and found.id == this.id,
            "client": found.client or gettext("unknown browser"),
            "begun": format_moment(charity.local(found.begun_at), current_language()),
            "seen": format_moment(charity.local(found.seen_at), current_language()),
        }
        for found in sessions.list_open(current_user.id)
    ]
    left = recovery_codes.count_left(own())
    return render_template(
        "staff/account.html",
        title=campaign.title(current_language()),
        email=current_user.email,
        sessions=rows,
        passkeys=[_passkey_row(key, charity) for key in passkeys.list_of(current_user.id)],
        longest_name=passkeys.LONGEST_NAME,
        codes_left=left,
        has_few=left < recovery_codes.FEW,
        has_slash_shortcut=current_user.has_slash_shortcut,
    )


def _passkey_row(key: Passkey, charity: Charity) -> dict[str, Any]:
    def day(moment: datetime) -> str:
        return format_day(charity.local(moment).date(), current_language(), "medium")

    added, used = day(key.created_at), day(key.used_at) if key.used_at else ""
    return {"id": key.id, "name": key.name, "added": added, "used": used}


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


@bp.post("/shortcuts")
@access("viewer")
def set_shortcut() -> ResponseReturnValue:
    """Switch the member's shortcut of one key on or off."""
    own().has_slash_shortcut = "slash" in request.form
    db.session.commit()
    flash(gettext("Saved."))
    return redirect(url_for("staff_account.page", _anchor="shortcuts"), 303)
