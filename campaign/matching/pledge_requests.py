"""Requests to raise the pledge of an active fund. It takes two people: one requests it, another agrees or refuses.

The database keeps the two distinct, and raises the pledge of an active fund only as an agreed request says, once.
"""

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
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
    query = select(r, Fund).join(Fund, Fund.id == r.fund_id).where(*_is_open(), Fund.campaign_id == campaign_id)
    return [(request, fund) for request, fund in db.session.execute(query.order_by(r.id))]


def open_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many of these there are in the charity's campaigns."""
    joined = select(func.count()).select_from(PledgeRequest).join(Fund, Fund.id == PledgeRequest.fund_id)
    return joined.join(Campaign, Campaign.id == Fund.campaign_id).where(*_is_open(), Campaign.charity_id == charity_id)


def _is_open() -> tuple[ColumnElement[bool], ...]:
    return PledgeRequest.decision.is_(None), Fund.ended_at.is_(None)


def get(request_id: int) -> PledgeRequest | None:
    """The request with this id, or None."""
    return db.session.get(PledgeRequest, request_id)
