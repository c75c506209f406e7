"""Requests to raise the pledge of an active fund. It takes two people: one requests it, another agrees or refuses.

The database keeps the two distinct, and raises the pledge of an active fund only as an agreed request says, once.
"""

from sqlalchemy import ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.matching.funds import Fund
from campaign.staff.two_people import TwoPersonRequest

# What one request may raise at most: more is a typing error.
MAX_CENTS = 1_000_000_000_00


class PledgeRequest(TwoPersonRequest, Base):
    """A request to raise the pledge of a fund by `cents`."""

    __tablename__ = "pledge_request"
    __table_args__ = (Index("one_open_pledge_request", "fund_id", unique=True, postgresql_where=text("decision IS NULL")),)

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    cents: Mapped[int]


def create(fund: Fund, cents: int, *, actor: str, reason: str) -> PledgeRequest:
    """Create an open request."""
    request = PledgeRequest(fund_id=fund.id, cents=cents, requested_by=actor, reason=reason)
    db.session.add(request)
    db.session.flush()
    return request


def open_for(fund: Fund) -> PledgeRequest | None:
    """The open request for this fund, or None."""
    return db.session.scalar(select(PledgeRequest).where(PledgeRequest.fund_id == fund.id, PledgeRequest.decision.is_(None)))


def list_open(campaign_id: int) -> list[tuple[PledgeRequest, Fund]]:
    """The campaign's open requests with their funds, oldest first, without those whose fund has ended since."""
    r = PledgeRequest
    query = select(r, Fund).join(Fund, Fund.id == r.fund_id).where(r.decision.is_(None), Fund.ended_at.is_(None))
    return [(request, fund) for request, fund in db.session.execute(query.where(Fund.campaign_id == campaign_id).order_by(r.id))]


def get(request_id: int) -> PledgeRequest | None:
    """The request with this id, or None."""
    return db.session.get(PledgeRequest, request_id)
