"""The PDF documents of a receipt. Each kind is stored once, with its SHA-256, and is delivered with the same bytes every time."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.receipts.receipts import Receipt


class DocumentKind(StrEnum):
    """ARCHIVED is plain PDF/A for the records; SIGNED is what donors get; MARKED says that the receipt has ended, and is signed too."""

    ARCHIVED = "archived"
    SIGNED = "signed"
    MARKED = "marked"


class ReceiptDocument(Base):
    """One PDF document of a receipt."""

    __tablename__ = "receipt_document"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rendered_at: Mapped[datetime] = mapped_column(server_default=func.now())


def document_of(receipt: Receipt, kind: DocumentKind) -> bytes | None:
    """The stored PDF of this kind, or None."""
    d = ReceiptDocument
    return db.session.scalar(select(d.pdf).where(d.receipt_id == receipt.id, d.kind == kind.value))


def store_document(receipt: Receipt, kind: DocumentKind, pdf: bytes) -> bytes:
    """Store the PDF unless one of its kind is stored already; returns the stored PDF."""
    row = insert(ReceiptDocument).values(receipt_id=receipt.id, kind=kind.value, pdf=pdf, sha256=func.sha256(pdf))
    db.session.execute(row.on_conflict_do_nothing())
    stored = document_of(receipt, kind)
    assert stored is not None
    return stored
