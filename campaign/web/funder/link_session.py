"""The session of whoever opened a funder's link: the link is exchanged for it, so that its token does not stay in URLs."""

import time

from flask import abort, request, session

from campaign.edges.db import db
from campaign.funders import access_links
from campaign.funders.access_links import MAX_SESSION, SESSION_IDLE, AccessLink
from campaign.matching.funds import Fund
from campaign.web.security import FunderLinkRequired

# How often a request notes that the session is used.
SEEN_INTERVAL_SECONDS = 60
# Of the link's id and of when its session was begun and last used, in seconds since 1970.
SESSION_KEY = "funder_link"
# The id of the fund that was chosen last, among those of the funder.
FUND_KEY = "funder_fund"


def begin(link: AccessLink) -> None:
    """Begin the session of a link that was just opened."""
    now = int(time.time())
    session[SESSION_KEY] = [link.id, now, now]
    session.pop(FUND_KEY, None)


def fund_of_session() -> Fund:
    """The fund that `?fund=` names or was chosen before, or else that of the link.

    Responds 403, with how to get a link, without a session that is open; 404 for a fund that is not the same funder's.
    """
    link = _link_of_session()
    if link is None:
        session.pop(SESSION_KEY, None)
        raise FunderLinkRequired
    of_link = db.session.get_one(Fund, link.fund_id)
    own, slug = access_links.funds_of_funder(of_link), request.args.get("fund", "")
    if slug:
        chosen = next((fund for fund in own if fund.slug == slug), None)
        if chosen is None:
            abort(404)
        session[FUND_KEY] = chosen.id
        return chosen
    return next((fund for fund in own if fund.id == session.get(FUND_KEY)), of_link)


def _link_of_session() -> AccessLink | None:
    match session.get(SESSION_KEY):
        case [int(link_id), int(begun_at), int(seen_at)]:
            now = int(time.time())
            is_open = now - seen_at < SESSION_IDLE.total_seconds() and now - begun_at < MAX_SESSION.total_seconds()
            if is_open and now - seen_at >= SEEN_INTERVAL_SECONDS:
                session[SESSION_KEY] = [link_id, begun_at, now]
            return access_links.find_link(link_id) if is_open else None
        case _:
            return None
