"""The document of each call and credit note: rendered and signed on first use, then stored, and delivered with the same bytes every time."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.funders.calls import FundCall, is_cancelled
from campaign.outbox.messages import OutboxMessage


class CallDocument(Base):
    """The signed PDF of a call or credit note, and its SHA-256."""

    __tablename__ = "call_document"

    call_id: Mapped[int] = mapped_column(ForeignKey("fund_call.id"), primary_key=True, autoincrement=False)
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rendered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PostedCall(Base):
    """A document that was printed and posted, and by whom."""

    __tablename__ = "posted_call"

    call_id: Mapped[int] = mapped_column(ForeignKey("fund_call.id"), primary_key=True, autoincrement=False)
    posted_by: Mapped[str]
    posted_at: Mapped[datetime] = mapped_column(server_default=func.now())


def document_of(call: FundCall) -> bytes | None:
    """The stored PDF, or None."""
    return db.session.scalar(select(CallDocument.pdf).where(CallDocument.call_id == call.id))


def store_document(call: FundCall, pdf: bytes) -> bytes:
    """Store the PDF unless there is one already; returns the stored one."""
    row = insert(CallDocument).values(call_id=call.id, pdf=pdf, sha256=func.sha256(pdf))
    db.session.execute(row.on_conflict_do_nothing())
    stored = document_of(call)
    assert stored is not None
    return stored


def posted_of(call: FundCall) -> PostedCall | None:
    """When the document was posted, and by whom; None until then."""
    return db.session.get(PostedCall, call.id, populate_existing=True)


def list_to_post(charity: Charity) -> list[FundCall]:
    """Calls and credit notes that no email brings, as the funder had no address, and that were not posted yet; the oldest first."""
    call = FundCall
    is_mailed = exists().where(OutboxMessage.fund_call_id == call.id)
    is_posted = exists().where(PostedCall.call_id == call.id)
    waiting = select(call).where(call.charity_id == charity.id, ~is_mailed, ~is_posted, ~is_cancelled())
    return list(db.session.scalars(waiting.order_by(call.number)))


def messages_of(call: FundCall) -> list[OutboxMessage]:
    """All messages about the call or credit note, the latest first."""
    return list(db.session.scalars(select(OutboxMessage).where(OutboxMessage.fund_call_id == call.id).order_by(OutboxMessage.id.desc())))
