"""What is stored of a statement of a period that is over when it is first made, so that it is the same for ever: its PDF, and the signature of its JSON.

Each signing of a PDF gives other bytes, and another key gives another signature. Whoever is first decides.
"""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import ForeignKey, LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.pdf_signing import Signature
from campaign.matching.funds import Fund


class StatementChanged(Exception):
    """The statement is no longer what was signed when it was first made. It is not sent."""


class StatementDocument(Base):
    """The PDF of a statement in one language."""

    __tablename__ = "statement_document"

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rendered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StatementSignature(Base):
    """The signature of a statement as JSON. `sha256` is that of what was signed; `certificate` is that of the key, in PEM."""

    __tablename__ = "statement_signature"

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True, autoincrement=False)
    period: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    certificate: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    signed_at: Mapped[datetime] = mapped_column(server_default=func.now())


def find_document(fund: Fund, period: str, language: str) -> bytes | None:
    """The stored PDF, or None."""
    d = StatementDocument
    return db.session.scalar(select(d.pdf).where(d.fund_id == fund.id, d.period == period, d.language == language))


def store_document(fund: Fund, period: str, language: str, pdf: bytes) -> bytes:
    """Store the PDF unless one is stored already; returns the stored one. The caller commits."""
    row = insert(StatementDocument).values(fund_id=fund.id, period=period, language=language, pdf=pdf, sha256=sha256(pdf).digest())
    db.session.execute(row.on_conflict_do_nothing())
    stored = find_document(fund, period, language)
    assert stored is not None
    return stored


def find_signature(fund: Fund, period: str, digest: bytes) -> Signature | None:
    """The stored signature of content with this SHA-256, or None. Raises StatementChanged when other content was signed."""
    s = StatementSignature
    found = db.session.scalar(select(s).where(s.fund_id == fund.id, s.period == period))
    if found is None:
        return None
    if found.sha256 != digest:
        raise StatementChanged(f"The statement {period} of {fund.slug} is not what was signed on {found.signed_at:%Y-%m-%d}.")
    return Signature(certificate=found.certificate, value=found.signature)


def store_signature(fund: Fund, period: str, digest: bytes, signature: Signature) -> Signature:
    """Store the signature unless one is stored already; returns the stored one. The caller commits. Raises StatementChanged."""
    values = {"sha256": digest, "certificate": signature.certificate, "signature": signature.value}
    db.session.execute(insert(StatementSignature).values(fund_id=fund.id, period=period, **values).on_conflict_do_nothing())
    stored = find_signature(fund, period, digest)
    assert stored is not None
    return stored
