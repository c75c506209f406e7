"""Official receipts: numbered without a gap, frozen as they are issued, never changed after.

The number comes from the series' row in the transaction that writes the receipt: a sequence would leave gaps. A receipt that lacks one of
the elements of Income Tax Regulations s. 3501(1) is refused before a number is used.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, LargeBinary, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.rules import receipt_rules
from campaign.rules.money import written
from campaign.rules.receipt_rules import ReceiptContent, content_from_json, serial


class CannotIssue(Exception):
    """The receipt would lack something; `lacking` names it."""

    def __init__(self, lacking: list[str]) -> None:
        super().__init__("the receipt lacks " + ", ".join(lacking))
        self.lacking = lacking


class ReceiptSeries(Base):
    """The counter of one charity and year."""

    __tablename__ = "receipt_series"

    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last_number: Mapped[int] = mapped_column(server_default="0")


class Receipt(Base):
    """One official receipt; `content` is what it says, for good."""

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("charity_id", "year", "number"),
        UniqueConstraint("charity_id", "serial"),
        ForeignKeyConstraint(["charity_id", "year"], ["receipt_series.charity_id", "receipt_series.year"]),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), unique=True)
    charity_id: Mapped[int]
    year: Mapped[int]
    number: Mapped[int]
    serial: Mapped[str]
    content: Mapped[dict[str, Any]]
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def file_name(self) -> str:
        """As it is attached and downloaded."""
        stem = "recu" if self.content["language"] == "fr" else "receipt"
        return f"{stem}-{self.serial}.pdf"


class ReceiptDocument(Base):
    """The PDF of a receipt as it was first rendered, with its hash: every copy that leaves is these bytes."""

    __tablename__ = "receipt_document"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    pdf: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    rendered_at: Mapped[datetime] = mapped_column(server_default=func.now())


def issue(donation: Donation, *, now: datetime) -> Receipt:
    """The donation's receipt, issued if it had none; raises CannotIssue when something is lacking."""
    db.session.refresh(donation, with_for_update={"key_share": True})
    if existing := receipt_of(donation.id):
        return existing
    charity = donation.campaign.charity
    content = _content(donation, charity, now)
    lacking = receipt_rules.missing(content)
    if donation.livemode and charity.confirmed_at is None:
        lacking.append("confirmation of the charity's details")
    if donation.net_cents < donation.amount_cents:
        lacking.append("a receipt for what is left of the gift after a refund")
    if lacking or donation.paid_at is None:
        raise CannotIssue(lacking or ["payment"])
    year = content.issued_on.year
    number = _next_number(charity.id, year)
    receipt = Receipt(
        donation_id=donation.id,
        charity_id=charity.id,
        year=year,
        number=number,
        serial=serial(year, number),
        content=content.as_json(),
    )
    db.session.add(receipt)
    db.session.flush()
    return receipt


def _next_number(charity_id: int, year: int) -> int:
    counted = (
        insert(ReceiptSeries)
        .values(charity_id=charity_id, year=year, last_number=1)
        .on_conflict_do_update(
            index_elements=[ReceiptSeries.charity_id, ReceiptSeries.year],
            set_={"last_number": ReceiptSeries.last_number + 1},
        )
        .returning(ReceiptSeries.last_number)
    )
    return db.session.scalars(counted).one()


def _content(donation: Donation, charity: Charity, now: datetime) -> ReceiptContent:
    received = charity.local(donation.paid_at or now).date()
    return ReceiptContent(
        language=donation.language,
        charity_name=charity.legal_name,
        charity_address=tuple(charity.address),
        registration_number=charity.registration_number.replace(" ", ""),
        place_of_issue=charity.place_of_issue,
        received_on=received,
        issued_on=charity.local(now).date(),
        donor_name=donation.full_name,
        donor_address=address_lines(donation),
        amount_cents=donation.charged_cents,
        advantage_cents=0,
        eligible_cents=donation.charged_cents,
        signatory_name=charity.signatory_name,
        signatory_title=charity.signatory_title(donation.language),
        currency=donation.currency,
    )


def address_lines(donation: Donation) -> tuple[str, ...]:
    """The donor's address as it stands on an envelope."""
    place = f"{donation.city} {donation.province}  {donation.postal_code}".strip()
    lines = [donation.address_line1, donation.address_line2, place]
    if donation.country != "CA":
        lines.append(donation.country)
    return tuple(line for line in lines if line)


def receipt_of(donation_id: int) -> Receipt | None:
    """The donation's official receipt, if it has one."""
    return db.session.scalar(select(Receipt).where(Receipt.donation_id == donation_id))


def document_of(receipt: Receipt) -> bytes | None:
    """The receipt's PDF, if it has been rendered."""
    return db.session.scalar(select(ReceiptDocument.pdf).where(ReceiptDocument.receipt_id == receipt.id))


def keep_document(receipt: Receipt, pdf: bytes) -> bytes:
    """Keep the first PDF of a receipt; returns the one that is kept."""
    db.session.execute(insert(ReceiptDocument).values(receipt_id=receipt.id, pdf=pdf, sha256=func.sha256(pdf)).on_conflict_do_nothing())
    return db.session.scalars(select(ReceiptDocument.pdf).where(ReceiptDocument.receipt_id == receipt.id)).one()


def printed(receipt: Receipt, *, is_test: bool) -> dict[str, Any]:
    """Everything on the page, ready to show, for the template."""
    content = content_from_json(receipt.content)
    language = content.language
    return {
        **receipt.content,
        "serial": receipt.serial,
        "amount": written(content.amount_cents, language),
        "advantage": written(content.advantage_cents, language),
        "eligible": written(content.eligible_cents, language),
        "is_test": is_test,
    }
