"""Requests to raise the pledge of an active fund. It takes two people: one requests it, another agrees or refuses.

The database keeps the two distinct, and raises the pledge of an active fund only as an agreed request says, once.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.matching.funds import Fund

# What one request may raise at most: more is a typing error.
MAX_CENTS = 1_000_000_000_00


class PledgeRequest(Base):
    """A request to raise a pledge by `cents`, and the decision. `decision` is agreed, refused, or None while it is open.

    Both people are members of staff, by address. A request changes once, when it is decided.
    """

    __tablename__ = "pledge_request"
    __table_args__ = (Index("one_open_pledge_request", "fund_id", unique=True, postgresql_where=text("decision IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    cents: Mapped[int]
    requested_by: Mapped[str] = mapped_column(ForeignKey("staff.email"))
    reason: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("staff.email"))
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]

    @property
    def is_agreed(self) -> bool:
        """Whether a second person agreed."""
        return self.decision == "agreed"


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


def lock(request_id: int) -> PledgeRequest | None:
    """The request, locked; None when it is decided already."""
    query = select(PledgeRequest).where(PledgeRequest.id == request_id, PledgeRequest.decision.is_(None)).with_for_update()
    return db.session.scalar(query, execution_options={"populate_existing": True})


def decide(request: PledgeRequest, *, agrees: bool, actor: str) -> None:
    """Record the decision. Flushes, so that the database refuses an agreement by the person who made the request."""
    request.decision, request.decided_by, request.decided_at = "agreed" if agrees else "refused", actor, func.now()
    db.session.flush()
