"""Requests to void a receipt. Voiding takes two people: one requests it, another agrees or refuses; a CHECK keeps them distinct."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, exists, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.receipts.receipts import Receipt, ReceiptEnd


class VoidRequest(Base):
    """A request to void a receipt, and the decision of a second person. `decision` is agreed, refused, or None while it is open."""

    __tablename__ = "void_request"
    __table_args__ = (Index("one_open_void_request", "receipt_id", unique=True, postgresql_where=text("decision IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    requested_by: Mapped[str]
    reason: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None]
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]


def create(receipt: Receipt, *, actor: str, reason: str) -> None:
    """Create an open request."""
    db.session.add(VoidRequest(receipt_id=receipt.id, requested_by=actor, reason=reason))
    db.session.flush()


def open_for(receipt: Receipt) -> VoidRequest | None:
    """The open request for this receipt, or None."""
    return db.session.scalar(select(VoidRequest).where(VoidRequest.receipt_id == receipt.id, VoidRequest.decision.is_(None)))


def list_open() -> list[VoidRequest]:
    """Open requests, oldest first, without those whose receipt has since ended for another reason, such as a refund."""
    has_ended = exists().where(ReceiptEnd.receipt_id == VoidRequest.receipt_id)
    return list(db.session.scalars(select(VoidRequest).where(VoidRequest.decision.is_(None), ~has_ended).order_by(VoidRequest.id)))


def get(request_id: int) -> VoidRequest | None:
    """The request with this id, or None."""
    return db.session.get(VoidRequest, request_id)


def lock(request_id: int) -> VoidRequest | None:
    """The request, locked; None when it is decided already."""
    query = select(VoidRequest).where(VoidRequest.id == request_id, VoidRequest.decision.is_(None)).with_for_update()
    return db.session.scalar(query, execution_options={"populate_existing": True})


def decide(request: VoidRequest, *, agrees: bool, actor: str) -> None:
    """Record the decision. Flushes, so that the database refuses an agreement by the person who made the request."""
    request.decision, request.decided_by, request.decided_at = "agreed" if agrees else "refused", actor, func.now()
    db.session.flush()
