"""Requests to void a receipt. Voiding takes two people: one requests it, another agrees or refuses (staff/two_people.py).

A request that is open when its receipt is replaced goes on to the new one, and one whose receipt is cancelled is closed (receipts.py). Each closed
request says how it ended.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, column, func, select, table, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.staff.two_people import TwoPersonRequest


class VoidDecision(StrEnum):
    """How a request ended.

    WITHDRAWN: the answer that made it was taken back. ENDED: the receipt was cancelled for another reason. MOVED: the receipt was replaced, and a
    request for the new one is in its place.
    """

    AGREED = "agreed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"
    MOVED = "moved"


class VoidRequest(TwoPersonRequest, Base):
    """A request to void a receipt, and how it ended. The operator of the command line may have made it, and the books may have closed it.

    `of_charity_answer` is whether the answer that the funder is a registered charity made it.
    """

    __tablename__ = "void_request"
    __table_args__ = (Index("one_open_void_request", "receipt_id", unique=True, postgresql_where=text("decision IS NULL")),)

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    requested_by: Mapped[str] = mapped_column()
    decided_by: Mapped[str | None] = mapped_column()
    of_charity_answer: Mapped[bool] = mapped_column(server_default="false", default=False)


def create(receipt_id: int, *, actor: str, reason: str, of_charity_answer: bool = False) -> VoidRequest:
    """Create an open request."""
    request = VoidRequest(receipt_id=receipt_id, requested_by=actor, reason=reason, of_charity_answer=of_charity_answer)
    db.session.add(request)
    db.session.flush()
    return request


def open_for(receipt_id: int) -> VoidRequest | None:
    """The open request for this receipt, or None."""
    return db.session.scalar(select(VoidRequest).where(VoidRequest.receipt_id == receipt_id, VoidRequest.decision.is_(None)))


def list_open(charity: Charity | None = None) -> list[VoidRequest]:
    """Open requests for receipts of the charity, or of all, oldest first."""
    found = select(VoidRequest).where(VoidRequest.decision.is_(None)).order_by(VoidRequest.id)
    if charity is not None:
        found = found.join(_receipt, _receipt.c.id == VoidRequest.receipt_id).where(_receipt.c.charity_id == charity.id)
    return list(db.session.scalars(found))


def open_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many requests for receipts of the charity are open."""
    joined = select(func.count()).select_from(VoidRequest).join(_receipt, _receipt.c.id == VoidRequest.receipt_id)
    return joined.where(VoidRequest.decision.is_(None), _receipt.c.charity_id == charity_id)


# Its entity is in a module that imports this one.
_receipt = table("receipt", column("id"), column("charity_id"))


def list_closed(receipt_id: int) -> list[VoidRequest]:
    """The requests for this receipt that ended without voiding it, oldest first."""
    v = VoidRequest
    closed = select(v).where(v.receipt_id == receipt_id, v.decision.is_not(None), v.decision != VoidDecision.AGREED.value)
    return list(db.session.scalars(closed.order_by(v.id)))


def get(request_id: int) -> VoidRequest | None:
    """The request with this id, or None."""
    return db.session.get(VoidRequest, request_id)


def lock_of_receipt(receipt_id: int) -> VoidRequest | None:
    """The open request for this receipt, locked, or None. Whoever ends a receipt locks its request first, as whoever decides on one does."""
    query = select(VoidRequest).where(VoidRequest.receipt_id == receipt_id, VoidRequest.decision.is_(None)).with_for_update()
    return db.session.scalar(query, execution_options={"populate_existing": True})


def close(request: VoidRequest, decision: VoidDecision, *, actor: str) -> None:
    """Close a locked request."""
    request.decision, request.decided_by, request.decided_at = decision.value, actor, func.now()
    db.session.flush()


def move(request: VoidRequest, receipt_id: int, *, actor: str) -> None:
    """Close a locked request, and create the same one for the receipt that replaces its own."""
    close(request, VoidDecision.MOVED, actor=actor)
    moved = create(receipt_id, actor=request.requested_by, reason=request.reason, of_charity_answer=request.of_charity_answer)
    moved.requested_at = request.requested_at


def close_of_answer(receipt_ids: Collection[int], *, actor: str) -> Sequence[VoidRequest]:
    """Withdraw the open requests for these receipts that the answer "a registered charity" made, and return them."""
    v = VoidRequest
    found = select(v).where(v.receipt_id.in_(receipt_ids), v.of_charity_answer, v.decision.is_(None)).order_by(v.id).with_for_update()
    withdrawn = db.session.scalars(found, execution_options={"populate_existing": True}).all()
    for request in withdrawn:
        close(request, VoidDecision.WITHDRAWN, actor=actor)
    return withdrawn
