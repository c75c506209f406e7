"""The PDFs of a receipt, each kept as it was first made, with its hash: every copy that leaves is these bytes.

`archived` is the plain one for the files; `sealed` is what donors get; `marked` is what is given out once the receipt stands no more.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.receipts import Receipt
from campaign.rules.money import written
from campaign.rules.receipt_rules import ReceiptContent


class Copy(StrEnum):
    """Which of the PDFs."""

    ARCHIVED = "archived"
    SEALED = "sealed"
    MARKED = "marked"


class ReceiptDocument(Base):
    """One PDF of a receipt."""

    __tablename__ = "receipt_document"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(primary_key=True)
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rendered_at: Mapped[datetime] = mapped_column(server_default=func.now())


def document_of(receipt: Receipt, copy: Copy) -> bytes | None:
    """The PDF, if it was made."""
    d = ReceiptDocument
    return db.session.scalar(select(d.pdf).where(d.receipt_id == receipt.id, d.kind == copy.value))


def keep_document(receipt: Receipt, copy: Copy, pdf: bytes) -> bytes:
    """Keep the first PDF of its kind; returns the one that is kept."""
    row = insert(ReceiptDocument).values(receipt_id=receipt.id, kind=copy.value, pdf=pdf, sha256=func.sha256(pdf))
    db.session.execute(row.on_conflict_do_nothing())
    kept = document_of(receipt, copy)
    assert kept is not None
    return kept


def printed(content: ReceiptContent, *, serial: str, mark: str) -> dict[str, Any]:
    """Everything on the page, ready to show, for the template; `mark` is a word of templates/receipts/words.json, or empty."""
    languages = [content.language]
    if content.is_bilingual:
        languages.append("en" if content.language == "fr" else "fr")

    def sums(cents: int) -> str:
        return " / ".join(written(cents, language) for language in languages)

    plain = content.as_json()
    return {
        **plain,
        "serial": serial,
        "mark": mark,
        "amount": sums(content.amount_cents),
        "advantage": sums(content.advantage_cents),
        "eligible": sums(content.eligible_cents),
        "gifts": [{**gift, "amount": written(gift["cents"], content.language)} for gift in plain["gifts"]],
    }
