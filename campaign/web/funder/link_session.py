"""The session of whoever opened a funder's link: the link is exchanged for it, so that its token does not stay in URLs."""

import time
from dataclasses import dataclass

from flask import abort, request, session

from campaign.edges.db import db
from campaign.funders import access_links, contributors
from campaign.funders.access_links import MAX_SESSION, SESSION_IDLE, AccessLink
from campaign.funders.contributors import FundContributor
from campaign.matching.funds import Fund
from campaign.web.security import FunderLinkRequired

# How often a request notes that the session is used.
SEEN_INTERVAL_SECONDS = 60
# Of the link's id and of when its session was begun and last used, in seconds since 1970.
SESSION_KEY = "funder_link"
# The id of the fund that was chosen last, among those that the link opens.
FUND_KEY = "funder_fund"


def begin(link: AccessLink) -> None:
    """Begin the session of a link that was just opened."""
    now = int(time.time())
    session[SESSION_KEY] = [link.id, now, now]
    session.pop(FUND_KEY, None)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who sees which fund: its lead funder, or the contributor. `funds` are all that their link opens."""

    fund: Fund
    contributor: FundContributor | None
    funds: list[Fund]

    @property
    def funder_id(self) -> int:
        """Whose eyes they are: the lead funder's, or the contributor's."""
        return self.contributor.funder_id if self.contributor else self.fund.funder_id


def viewer_of_session() -> Viewer:
    """The fund that `?fund=` names or was chosen before, or else that of the link, and what its funder is in it.

    Responds 403, with how to get a link, without a session that is open; 404 for a fund that the same funder neither leads nor contributes to.
    """
    link = _link_of_session()
    if link is None:
        session.pop(SESSION_KEY, None)
        raise FunderLinkRequired
    own, slug = access_links.funds_opened_by(link), request.args.get("fund", "")
    if slug:
        fund = next((fund for fund in own if fund.slug == slug), None)
        if fund is None:
            abort(404)
        session[FUND_KEY] = fund.id
    else:
        fund = next((fund for fund in own if fund.id == session.get(FUND_KEY)), None) or db.session.get_one(Fund, link.fund_id)
    funder_id = access_links.funder_id_of(link)
    if fund.funder_id == funder_id:
        return Viewer(fund=fund, contributor=None, funds=own)
    contributor = contributors.contributor_of_funder(fund, funder_id)
    if contributor is None:
        abort(404)
    return Viewer(fund=fund, contributor=contributor, funds=own)


def led_fund_of_session() -> Fund:
    """As `viewer_of_session`, for what is the lead funder's alone; responds 404 to a contributor."""
    viewer = viewer_of_session()
    if viewer.contributor is not None:
        abort(404)
    return viewer.fund


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
