"""What is stored of a statement of a period that is over when it is first made, so that it is the same for ever: its PDF, and the signature of its JSON.

Each signing of a PDF gives other bytes, and another key gives another signature. Whoever is first decides.
"""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.pdf_signing import Signature
from campaign.funders.contributors import FundContributor
from campaign.matching.funds import Fund


class StatementChanged(Exception):
    """The statement is no longer what was signed when it was first made. It is not sent."""


class StatementDocument(Base):
    """The PDF of a statement in one language, for the lead funder or for the contributor that `contributor_id` names."""

    __tablename__ = "statement_document"
    __table_args__ = (
        UniqueConstraint(
            *("fund_id", "period", "language", "contributor_id"),
            name="statement_document_is_stored_once",
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_statement_document_contributor_id", "contributor_id", postgresql_where=text("contributor_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    contributor_id: Mapped[int | None] = mapped_column(ForeignKey("fund_contributor.id"))
    period: Mapped[str]
    language: Mapped[str]
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rendered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StatementSignature(Base):
    """The signature of a statement as JSON. `sha256` is that of what was signed; `certificate` is that of the key, in PEM."""

    __tablename__ = "statement_signature"
    __table_args__ = (
        UniqueConstraint(
            *("fund_id", "period", "contributor_id"), name="statement_signature_is_stored_once", postgresql_nulls_not_distinct=True
        ),
        Index("ix_statement_signature_contributor_id", "contributor_id", postgresql_where=text("contributor_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    contributor_id: Mapped[int | None] = mapped_column(ForeignKey("fund_contributor.id"))
    period: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    certificate: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    signed_at: Mapped[datetime] = mapped_column(server_default=func.now())


def find_document(fund: Fund, period: str, language: str, contributor: FundContributor | None) -> bytes | None:
    """The stored PDF, or None."""
    d = StatementDocument
    found = (d.fund_id == fund.id, d.period == period, d.language == language, d.contributor_id.is_not_distinct_from(_id_of(contributor)))
    return db.session.scalar(select(d.pdf).where(*found))


def store_document(fund: Fund, period: str, language: str, contributor: FundContributor | None, pdf: bytes) -> bytes:
    """Store the PDF unless one is stored already; returns the stored one. The caller commits."""
    named = {"fund_id": fund.id, "contributor_id": _id_of(contributor), "period": period, "language": language}
    db.session.execute(insert(StatementDocument).values(**named, pdf=pdf, sha256=sha256(pdf).digest()).on_conflict_do_nothing())
    stored = find_document(fund, period, language, contributor)
    assert stored is not None
    return stored


def find_signature(fund: Fund, period: str, contributor: FundContributor | None, digest: bytes) -> Signature | None:
    """The stored signature of content with this SHA-256, or None. Raises StatementChanged when other content was signed."""
    s = StatementSignature
    of_reader = s.contributor_id.is_not_distinct_from(_id_of(contributor))
    found = db.session.scalar(select(s).where(s.fund_id == fund.id, s.period == period, of_reader))
    if found is None:
        return None
    if found.sha256 != digest:
        raise StatementChanged(f"The statement {period} of {fund.slug} is not what was signed on {found.signed_at:%Y-%m-%d}.")
    return Signature(certificate=found.certificate, value=found.signature)


def store_signature(fund: Fund, period: str, contributor: FundContributor | None, digest: bytes, signature: Signature) -> Signature:
    """Store the signature unless one is stored already; returns the stored one. The caller commits. Raises StatementChanged."""
    named = {"fund_id": fund.id, "contributor_id": _id_of(contributor), "period": period}
    values = {"sha256": digest, "certificate": signature.certificate, "signature": signature.value}
    db.session.execute(insert(StatementSignature).values(**named, **values).on_conflict_do_nothing())
    stored = find_signature(fund, period, contributor, digest)
    assert stored is not None
    return stored


def _id_of(contributor: FundContributor | None) -> int | None:
    return contributor.id if contributor else None
