"""The token of a session of staff in the browser's cookie."""

from flask import request, session

from campaign.staff import sessions
from campaign.staff.members import Staff
from campaign.web.networks import client_key


def replace_token(member: Staff) -> None:
    """Go on in a new session with a token of its own, after the member has proved again who they are: one that was copied before is worth nothing."""
    sessions.end_by_token(session.get(sessions.COOKIE_KEY, ""))
    session[sessions.COOKIE_KEY] = sessions.begin(member.id, client=request.user_agent.string, network=client_key())
