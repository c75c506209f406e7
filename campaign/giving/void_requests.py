"""Voiding a receipt takes two people: one asks, another agrees or refuses. The database refuses that they be the same."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, exists, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.receipts import Receipt, ReceiptEnd


class VoidRequest(Base):
    """One person's wish that a receipt be cancelled, and what another made of it."""

    __tablename__ = "void_request"
    __table_args__ = (Index("one_open_void_request", "receipt_id", unique=True, postgresql_where=text("decision IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    asked_by: Mapped[str]
    reason: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_by: Mapped[str | None]
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]


def ask(receipt: Receipt, *, actor: str, reason: str) -> None:
    """The first person's part."""
    db.session.add(VoidRequest(receipt_id=receipt.id, asked_by=actor, reason=reason))
    db.session.flush()


def open_for(receipt: Receipt) -> VoidRequest | None:
    """The request about this receipt that waits for a second person."""
    return db.session.scalar(select(VoidRequest).where(VoidRequest.receipt_id == receipt.id, VoidRequest.decision.is_(None)))


def open_requests() -> list[VoidRequest]:
    """All that wait for a second person, the oldest first. What was ended by a refund meanwhile waits no more."""
    has_ended = exists().where(ReceiptEnd.receipt_id == VoidRequest.receipt_id)
    return list(db.session.scalars(select(VoidRequest).where(VoidRequest.decision.is_(None), ~has_ended).order_by(VoidRequest.id)))


def request_named(request_id: int) -> VoidRequest | None:
    """The request of this number."""
    return db.session.get(VoidRequest, request_id)


def lock(request_id: int) -> VoidRequest | None:
    """The request as of now, if nobody has decided."""
    query = select(VoidRequest).where(VoidRequest.id == request_id, VoidRequest.decision.is_(None)).with_for_update()
    return db.session.scalar(query, execution_options={"populate_existing": True})


def decide(request: VoidRequest, *, agrees: bool, actor: str) -> None:
    """The second person's part; flushed, so that the database says no to one person who is both."""
    request.decision, request.decided_by, request.decided_at = "agreed" if agrees else "refused", actor, func.now()
    db.session.flush()
