"""Donors' declarations whose money a donation is, for receipts in a name that is not the payer's. They are added and never changed.

A declaration is for one donation or, made for the first month of a monthly gift, for all its months; it holds under the name that it declares.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import ColumnElement, ForeignKey, LargeBinary, column, func, or_, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.rules.document_types import media_type_of

DONOR = "the donor"
# Its model is in a package that imports this one.
_recurring_gift = table("recurring_gift", column("id"), column("donation_id"))


class How(StrEnum):
    """How a donor has declared: in the donation form or on a page of theirs, or to staff, who report it.

    SAME_DONOR is a correction of the name by staff: the donor had declared it as it was before. PAYMENT is what staff read on a cheque or transfer:
    it came from an account in this name.
    """

    FORM = "form"
    PAGE = "page"
    EMAIL = "email"
    PHONE = "phone"
    POST = "post"
    IN_PERSON = "in_person"
    SAME_DONOR = "same_donor"
    PAYMENT = "payment"


REPORTED = (How.EMAIL, How.PHONE, How.POST, How.IN_PERSON)


class DeclarationDocument(Base):
    """A document in which a donor declares, by its SHA-256 in hexadecimal."""

    __tablename__ = "declaration_document"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ReceiptDeclaration(Base):
    """That the money of a donation is that of whoever has this name, in the words that the donor saw or used; empty when a document has them.

    `recorded_by` is the donor or a member of staff, who reports that the donor declared on the day `declared_on`. The moment is the database's.
    """

    __tablename__ = "receipt_declaration"

    id: Mapped[int] = mapped_column(primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), index=True)
    name: Mapped[str]
    words: Mapped[str]
    language: Mapped[str]
    how: Mapped[str]
    recorded_by: Mapped[str]
    declared_on: Mapped[date | None]
    document: Mapped[str | None] = mapped_column(ForeignKey("declaration_document.sha256"))
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a donor has declared, and how. `document` is the content of a PDF, PNG or JPEG; `declared_on` is the day, when staff report it."""

    how: How
    words: str
    language: str
    recorded_by: str = DONOR
    declared_on: date | None = None
    document: bytes = b""


def record(statement: Statement, donation_ids: Iterable[int], name: str) -> None:
    """Record that the donor has declared the money of these donations to be that of whoever has this name."""
    document = _store(statement.document) if statement.document else None
    for donation_id in sorted(donation_ids):
        db.session.add(
            ReceiptDeclaration(
                donation_id=donation_id,
                name=name,
                words=statement.words,
                language=statement.language,
                how=statement.how,
                recorded_by=statement.recorded_by,
                declared_on=statement.declared_on,
                document=document,
            )
        )
    db.session.flush()


def _store(content: bytes) -> str:
    digest = sha256(content).hexdigest()
    row = insert(DeclarationDocument).values(sha256=digest, media_type=media_type_of(content), content=content)
    db.session.execute(row.on_conflict_do_nothing())
    return digest


def is_declared(donation: Donation) -> bool:
    """Whether the donor has declared that the money of the donation is the organization's."""
    return bool(donation.organization) and is_declared_for(donation, donation.organization)


def is_declared_for(donation: Donation, name: str) -> bool:
    """Whether the donor has declared that the money of the donation is that of whoever has this name."""
    of_name = select(ReceiptDeclaration.id).where(_covers(donation.id, donation.recurring_gift_id), ReceiptDeclaration.name == name)
    return db.session.scalar(of_name.limit(1)) is not None


def is_declared_in_query() -> ColumnElement[bool]:
    """The same for each donation of a query."""
    of_name = select(ReceiptDeclaration.id).where(_covers(Donation.__table__.c.id, Donation.__table__.c.recurring_gift_id))
    return of_name.where(ReceiptDeclaration.name == Donation.organization).correlate(Donation).exists()


def declarations_of(donation: Donation) -> list[ReceiptDeclaration]:
    """The declarations about the donation, the latest first."""
    found = select(ReceiptDeclaration).where(_covers(donation.id, donation.recurring_gift_id))
    return list(db.session.scalars(found.order_by(ReceiptDeclaration.id.desc())))


def document_of(declaration_id: int) -> DeclarationDocument | None:
    """The document of this declaration, or None."""
    found = select(DeclarationDocument).join(ReceiptDeclaration, ReceiptDeclaration.document == DeclarationDocument.sha256)
    return db.session.scalar(found.where(ReceiptDeclaration.id == declaration_id))


def _covers(donation_id: int | ColumnElement[int], gift_id: int | ColumnElement[int | None] | None) -> ColumnElement[bool]:
    """Of declarations: whether they are for the donation, or for the first month of its monthly gift."""
    first_month = select(_recurring_gift.c.donation_id).where(_recurring_gift.c.id == gift_id).correlate(Donation).scalar_subquery()
    return or_(ReceiptDeclaration.donation_id == donation_id, ReceiptDeclaration.donation_id == first_month)
