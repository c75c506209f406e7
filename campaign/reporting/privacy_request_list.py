"""The register of privacy requests for staff: pages of what is answered, the requests of a person, and the whole register for exports."""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import select

from campaign.edges.db import db
from campaign.privacy.privacy_requests import PrivacyRequest
from campaign.reporting.keyset_pages import KeysetPage, Position, page_of

PAGE_SIZE = 50
ROWS_AT_ONCE = 500


def closed_page(charity_id: int, at: Position) -> KeysetPage[PrivacyRequest]:
    """A page of the closed requests, the one that was recorded last first."""
    closed = select(PrivacyRequest).where(PrivacyRequest.charity_id == charity_id, PrivacyRequest.closed_at.is_not(None))
    return page_of(closed, PrivacyRequest.id, lambda one: one.id, at, size=PAGE_SIZE)


def requests_of(charity_id: int, donor_ids: Collection[int]) -> Sequence[PrivacyRequest]:
    """The requests of a person who is these donors, the open ones first, then the latest."""
    r = PrivacyRequest
    of = select(r).where(r.charity_id == charity_id, r.donor_id.in_(donor_ids))
    return db.session.scalars(of.order_by(r.closed_at.is_not(None), r.id.desc())).all()


def whole_register(charity_id: int) -> Iterator[PrivacyRequest]:
    """Yield all requests, the one that was recorded last first."""
    query = select(PrivacyRequest).where(PrivacyRequest.charity_id == charity_id).order_by(PrivacyRequest.id.desc())
    for rows in db.session.scalars(query, execution_options={"yield_per": ROWS_AT_ONCE}).partitions():
        yield from rows
