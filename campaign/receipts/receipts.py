"""Official receipts: numbered without gaps, frozen when they are issued, never changed afterwards.

A receipt covers one donation, one payment of a funder, or all donations of a donor in a year. It is valid until a `ReceiptEnd` row cancels
or replaces it. A unique index allows at most one valid receipt for each donation. lifecycle.py decides when receipts are issued and ended.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import FetchedValue, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.receipts import completeness, void_requests
from campaign.receipts.contents import IssueContext, Receiptable, content_of
from campaign.receipts.numbering import series_of, take_next_number
from campaign.receipts.void_requests import VoidDecision
from campaign.rules.receipt_requirements import ReceiptContent, format_serial
from campaign.texts.file_names import Document, file_name

SYSTEM_ACTOR = "the books"


class ReceiptIncomplete(Exception):
    """The receipt would lack elements; `missing` lists their names, some with characters that cannot be printed (texts/receipt_elements.py)."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__("missing: " + ", ".join(missing))
        self.missing = missing


class Status(StrEnum):
    """Whether a receipt is valid; the values are part of the API (contract.md, section 4)."""

    VALID = "valid"
    REPLACED = "replaced"
    CANCELLED = "cancelled"


class EndReason(StrEnum):
    """Why a receipt was ended."""

    RETURNED = "returned"
    CORRECTED = "corrected"
    LOST = "lost"
    VOID = "void"
    WRONG_PAYMENT = "wrong_payment"


class Receipt(Base):
    """One official receipt. `content` is its frozen `ReceiptContent` as JSON; `check_code` opens the public page that shows whether it is valid.

    `confirmation_id` is the confirmation of the charity's details that was in force, set by the database; a test has none.
    `predates_declarations` and `predates_confirmations` say that it was issued before declarations were asked for and confirmations were named.
    """

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("charity_id", "year", "number"),
        UniqueConstraint("charity_id", "serial"),
        ForeignKeyConstraint(["charity_id", "year"], ["receipt_series.charity_id", "receipt_series.year"]),
        Index("ix_receipt_charity_id_issued_at_id", "charity_id", "issued_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int]
    year: Mapped[int]
    number: Mapped[int]
    serial: Mapped[str]
    content: Mapped[dict[str, Any]]
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    check_code: Mapped[str] = mapped_column(unique=True)
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("receipt.id"), unique=True)
    confirmation_id: Mapped[int | None] = mapped_column(ForeignKey("charity_confirmation.id"), server_default=FetchedValue())
    predates_declarations: Mapped[bool] = mapped_column(server_default="false")
    predates_confirmations: Mapped[bool] = mapped_column(server_default="false")

    @property
    def file_name(self) -> str:
        """The name of the PDF as an attachment and as a download, in the language of the donor."""
        return file_name(Document.RECEIPT, self.serial, language=self.content["language"], extension="pdf")

    @property
    def cents(self) -> int:
        """The amount of the receipt, covered fees included."""
        return int(self.content["amount_cents"])


class ReceiptLine(Base):
    """One donation or funder payment on a receipt, with its cents on it, covered fee included. A trigger clears `is_current` when the receipt ends."""

    __tablename__ = "receipt_line"
    __table_args__ = (
        UniqueConstraint("receipt_id", "donation_id"),
        Index("one_current_receipt", "donation_id", unique=True, postgresql_where=text("is_current")),
        Index("one_current_receipt_of_funder", "funder_payment_id", unique=True, postgresql_where=text("is_current")),
        Index("ix_receipt_line_donation_id", "donation_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"))
    funder_payment_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment.id"))
    cents: Mapped[int]
    is_current: Mapped[bool] = mapped_column(server_default="true", default=True)


class ReceiptEnd(Base):
    """The end of a receipt. `actor` is the e-mail address of a staff member, or `SYSTEM_ACTOR`; `note` is for the audit trail.

    `awaits_replacement` is said of a receipt that was cancelled while one for the rest could not be issued yet (awaited.py).
    """

    __tablename__ = "receipt_end"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    ended_as: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    note: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    awaits_replacement: Mapped[bool] = mapped_column(server_default="false", default=False)


def issue(
    items: Sequence[Receiptable], context: IssueContext, *, received_in: int | None = None, replaces: Receipt | None = None
) -> Receipt:
    """Issue a receipt for these donations of one donor. The caller has locked the donations.

    With `received_in` it is the annual receipt of that year, and lists its donations. Raises ReceiptIncomplete before a number is taken.
    """
    if any(item.donation.received_at is None for item in items):
        raise ReceiptIncomplete(["payment"])
    charity, code = items[0].donation.campaign.charity, random_check_code()
    content = content_of(items, context, code=code, received_in=received_in, replaced_serial=replaces.serial if replaces else "")
    replaced_name = replaces.content["donor_name"] if replaces else ""
    donations = [item.donation for item in items]
    if missing := completeness.missing_for_donations(charity, content, donations, replaced_name=replaced_name):
        raise ReceiptIncomplete(missing)
    lines = [ReceiptLine(donation_id=item.donation.id, cents=item.cents) for item in items]
    return issue_frozen(charity, content, lines, context, code=code, replaces=replaces)


def issue_frozen(
    charity: Charity,
    content: ReceiptContent,
    lines: Sequence[ReceiptLine],
    context: IssueContext,
    *,
    code: str,
    replaces: Receipt | None = None,
) -> Receipt:
    """Number and store a receipt with this content. Raises ReceiptIncomplete before a number is taken."""
    if missing := completeness.missing_elements(charity, content):
        raise ReceiptIncomplete(missing)
    year = series_of(charity, content.issued_on.year)
    number = take_next_number(charity.id, year)
    receipt = Receipt(
        charity_id=charity.id,
        year=year,
        number=number,
        serial=format_serial(year, number),
        content=content.as_json(),
        issued_at=context.now,
        check_code=code,
        replaces_id=replaces.id if replaces else None,
    )
    db.session.add(receipt)
    db.session.flush()
    for line in lines:
        line.receipt_id = receipt.id
    db.session.add_all(lines)
    db.session.flush()
    if replaces is not None and (void_request := void_requests.lock_of_receipt(replaces.id)):
        void_requests.move(void_request, receipt.id, actor=SYSTEM_ACTOR)
    return receipt


def random_check_code() -> str:
    """An unguessable code for the verification page."""
    return secrets.token_urlsafe(16)


def end(receipt: Receipt, ended_as: Status, reason: EndReason, *, actor: str, note: str = "", is_awaiting: bool = False) -> ReceiptEnd:
    """End the receipt. Its donations may then be on another receipt; its number, content and documents are retained.

    A request to void it is closed when it is cancelled; the receipt that replaces it takes over the request.
    """
    assert ended_as is not Status.VALID
    void_request = void_requests.lock_of_receipt(receipt.id)
    values = {"ended_as": ended_as.value, "reason": reason.value, "awaits_replacement": is_awaiting}
    ended = ReceiptEnd(receipt_id=receipt.id, actor=actor, note=note, **values)
    db.session.add(ended)
    db.session.flush()
    if void_request is not None and ended_as is Status.CANCELLED and not is_awaiting:
        void_requests.close(void_request, VoidDecision.ENDED, actor=actor)
    return ended


def receipt_of(donation_id: int) -> Receipt | None:
    """The valid receipt of the donation, or None."""
    return db.session.scalar(
        select(Receipt)
        .join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id)
        .where(ReceiptLine.donation_id == donation_id, ReceiptLine.is_current)
    )


def first_cents(receipt: Receipt) -> int:
    """The amount of the first of the receipts that this one, and those before it, have replaced; its own if it replaces none."""
    while receipt.replaces_id is not None:
        receipt = db.session.get_one(Receipt, receipt.replaces_id)
    return receipt.cents


def last_receipt_of(donation_id: int) -> Receipt | None:
    """The valid receipt of the donation, else the last one that was issued, else None."""
    of_donation = select(Receipt).join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id).where(ReceiptLine.donation_id == donation_id)
    return db.session.scalar(of_donation.order_by(Receipt.id.desc()).limit(1))


def receipts_of(donation_id: int) -> list[Receipt]:
    """Every receipt issued for the donation, oldest first."""
    of_donation = select(Receipt).join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id).where(ReceiptLine.donation_id == donation_id)
    return list(db.session.scalars(of_donation.order_by(Receipt.id)))


def receipt_by_check_code(code: str) -> Receipt | None:
    """The receipt with this verification code, or None."""
    return db.session.scalar(select(Receipt).where(Receipt.check_code == code))


def receipt_by_serial(charity_id: int, serial: str) -> Receipt | None:
    """The charity's receipt with this serial number, or None."""
    return db.session.scalar(select(Receipt).where(Receipt.charity_id == charity_id, Receipt.serial == serial))


def receipts_with_ids(receipt_ids: Collection[int]) -> dict[int, Receipt]:
    """These receipts by id."""
    return {receipt.id: receipt for receipt in db.session.scalars(select(Receipt).where(Receipt.id.in_(receipt_ids)))}


def lines_of(receipt: Receipt) -> list[ReceiptLine]:
    """The lines of the receipt, in order."""
    return list(db.session.scalars(select(ReceiptLine).where(ReceiptLine.receipt_id == receipt.id).order_by(ReceiptLine.id)))


def has_ended(receipt_id: int) -> bool:
    """Whether the receipt was cancelled or replaced."""
    return db.session.get(ReceiptEnd, receipt_id) is not None


def end_of(receipt: Receipt) -> ReceiptEnd | None:
    """The end of the receipt; None while it is valid."""
    return db.session.get(ReceiptEnd, receipt.id)


def ends_of(receipt_ids: Sequence[int]) -> dict[int, ReceiptEnd]:
    """The ends of those of these receipts that have ended, by their ids."""
    return {ended.receipt_id: ended for ended in db.session.scalars(select(ReceiptEnd).where(ReceiptEnd.receipt_id.in_(receipt_ids)))}


def status_of(receipt: Receipt) -> Status:
    """Whether the receipt is valid, replaced or cancelled."""
    ended = end_of(receipt)
    return Status(ended.ended_as) if ended else Status.VALID


def replacement_of(receipt: Receipt) -> Receipt | None:
    """The receipt that replaces this one, or None."""
    return db.session.scalar(select(Receipt).where(Receipt.replaces_id == receipt.id))


def first_of_chain(receipt: Receipt) -> Receipt:
    """The receipt that this one replaces, directly or through others, and that replaces none itself."""
    while receipt.replaces_id is not None:
        receipt = db.session.get_one(Receipt, receipt.replaces_id)
    return receipt


def replacements_of(receipt: Receipt) -> list[Receipt]:
    """The receipt that replaces this one, the one that replaces that, and so on."""
    return replacements_of_each([receipt.id])[receipt.id]


def replacements_of_each(receipt_ids: Collection[int]) -> dict[int, list[Receipt]]:
    """The same of each of these receipts, by its id."""
    found: dict[int, list[Receipt]] = {receipt_id: [] for receipt_id in receipt_ids}
    last = {receipt_id: receipt_id for receipt_id in receipt_ids}
    while last:
        replacements = list(db.session.scalars(select(Receipt).where(Receipt.replaces_id.in_(last))))
        last = {one.id: last[one.replaces_id] for one in replacements if one.replaces_id}
        for one in replacements:
            found[last[one.id]].append(one)
    return found
