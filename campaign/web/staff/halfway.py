"""A sign-in that is under way: the member's password, or the link in their mailbox, has counted, and their second factor is awaited."""

import time
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from flask import current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security.tf_plugin import tf_check_state
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from campaign.edges.db import db
from campaign.staff.members import Staff

# From the password to the second factor.
SECONDS = 15 * 60
AWAITS_FACTOR, AWAITS_SET_UP = "ready", "setup_from_login"
SECRET = "tf_totp_secret"  # noqa: S105  # its key in the session, which the library empties
_BEGUN_AT = "tf_begun_at"
_NEW_PASSWORD_OF = "new_password_of"  # noqa: S105  # a name in `g`


def timed(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view of the library that checks a password, or the link with which one is chosen: the second factor comes next.

    The link proves the mailbox, so the password need not be typed again.
    """

    @wraps(view)
    def begin(*args: object, **values: object) -> Any:
        answer = view(*args, **values)
        if member := g.get(_NEW_PASSWORD_OF):
            plugins = current_app.extensions["security"].two_factor_plugins
            answer = plugins.tf_enter(member, remember_me=False, primary_authn_via="reset", next_loc=None)
        if "tf_user_id" in session:
            session[_BEGUN_AT] = time.time()
        return answer

    return begin


class Factor(StrEnum):
    """What a member has proved who they are with, beside the password."""

    CODE = "one-time code"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery code"


def note_password(member: Staff) -> None:
    """Note that the member has chosen a password in this request."""
    setattr(g, _NEW_PASSWORD_OF, member)


def find_member(awaited: str) -> Staff | None:
    """The member whose sign-in awaits this; None when there is none, or it took too long."""
    if time.time() - session.get(_BEGUN_AT, 0) > SECONDS:
        return None
    member = tf_check_state([awaited])
    return member if isinstance(member, Staff) and member.active else None


def complete(member: Staff, *, factor: Factor) -> None:
    """Sign the member in, who has proved who they are with their password and this factor."""
    g.second_factor = factor
    current_app.extensions["security"].two_factor_plugins.tf_complete(member, dologin=True)
    session.pop(_BEGUN_AT, None)
    db.session.commit()


def restart() -> ResponseReturnValue:
    """To the first page of the sign-in."""
    flash(gettext("That took too long, or was done in another window. Please sign in from the beginning."), "error")
    return redirect(url_for("security.login"))


def next_page() -> str:
    """The page of staff that `next` names, and the first page if it names none of ours."""
    parts = urlsplit(request.args.get("next", ""))
    routes = current_app.create_url_adapter(request)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/staff/") and "\\" not in parts.path
    try:
        if is_ours and routes is not None:
            routes.match(parts.path, method="GET")
            return urlunsplit(("", "", parts.path, parts.query, ""))
    except (HTTPException, RequestRedirect):
        pass
    return url_for("staff_dashboard.page")
