"""Official receipts: numbered without a gap, frozen as they are issued, never changed after.

A receipt is for one gift, or for all of a donor's gifts of a year. It stands until it is cancelled or replaced, which is a fact of its own;
of each gift at most one receipt stands, which the database sees to. When receipts are issued and ended is decided in receipting.py.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.giving.receipt_series import next_number, series_of
from campaign.rules import receipt_rules
from campaign.rules.receipt_rules import GiftLine, ReceiptContent, serial


class CannotIssue(Exception):
    """The receipt would lack something; `lacking` names it (receipt_rules.LACKING)."""

    def __init__(self, lacking: list[str]) -> None:
        super().__init__("lacking: " + ", ".join(lacking))
        self.lacking = lacking


class Status(StrEnum):
    """How a receipt stands; the words are contract.md's."""

    VALID = "valid"
    REPLACED = "replaced"
    CANCELLED = "cancelled"


class Because(StrEnum):
    """Why a receipt was ended."""

    RETURNED = "returned"
    CORRECTED = "corrected"
    LOST = "lost"
    VOID = "void"


class Receipt(Base):
    """One official receipt; `content` is what it says, for good. `check_code` opens the page that says whether it stands."""

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("charity_id", "year", "number"),
        UniqueConstraint("charity_id", "serial"),
        ForeignKeyConstraint(["charity_id", "year"], ["receipt_series.charity_id", "receipt_series.year"]),
        Index("ix_receipt_issued_at", "charity_id", "issued_at"),
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

    @property
    def file_name(self) -> str:
        """As it is attached and downloaded."""
        stem = "recu" if self.content["language"] == "fr" else "receipt"
        return f"{stem}-{self.serial}.pdf"

    @property
    def cents(self) -> int:
        """What it is for."""
        return int(self.content["amount_cents"])


class ReceiptGift(Base):
    """A donor's or a funder's gift on a receipt, with its cents there, covered fee included. `is_current` falls when the receipt is ended, and by that alone."""

    __tablename__ = "receipt_gift"
    __table_args__ = (
        UniqueConstraint("receipt_id", "donation_id"),
        Index("one_current_receipt", "donation_id", unique=True, postgresql_where=text("is_current")),
        Index("one_current_receipt_of_funder", "funder_payment_id", unique=True, postgresql_where=text("is_current")),
        Index("ix_receipt_gift_donation_id", "donation_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"))
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"))
    funder_payment_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment.id"))
    cents: Mapped[int]
    is_current: Mapped[bool] = mapped_column(server_default="true", default=True)


class ReceiptEnd(Base):
    """That a receipt stands no more. `actor` is staff's address, or what brought it about; `note` is for the audit trail."""

    __tablename__ = "receipt_end"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    ended_as: Mapped[str]
    because: Mapped[str]
    actor: Mapped[str]
    note: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class Issuing:
    """The moment of issue, and the address of the service, which the receipt names so that it can be checked."""

    now: datetime
    base_url: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the charity keeps of a paid gift, covered fee included: what a receipt may say of it."""

    donation: Donation
    cents: int


def issue(kept: Sequence[Kept], how: Issuing, *, received_in: int | None = None, replaces: Receipt | None = None) -> Receipt:
    """Number and freeze a receipt for these gifts of one donor; raises CannotIssue, before a number is used, when something is lacking.

    With `received_in` it is one for the year, and lists its gifts. The donations are locked by the caller.
    """
    if any(k.donation.paid_at is None for k in kept):
        raise CannotIssue(["payment"])
    charity, code = kept[0].donation.campaign.charity, new_check_code()
    content = _content(kept, charity, how, received_in=received_in, replaces=replaces, code=code)
    gifts = [ReceiptGift(donation_id=k.donation.id, cents=k.cents) for k in kept]
    return freeze(charity, content, gifts, how, code=code, replaces=replaces)


def freeze(
    charity: Charity, content: ReceiptContent, gifts: Sequence[ReceiptGift], how: Issuing, *, code: str, replaces: Receipt | None = None
) -> Receipt:
    """Number what a receipt says and keep it for good; raises CannotIssue, before a number is used, when something is lacking."""
    lacking = receipt_rules.missing(content)
    if not content.is_test and charity.confirmed_at is None:
        lacking.append("confirmation")
    if lacking:
        raise CannotIssue(lacking)
    year = series_of(charity, content.issued_on.year)
    number = next_number(charity.id, year)
    receipt = Receipt(
        charity_id=charity.id,
        year=year,
        number=number,
        serial=serial(year, number),
        content=content.as_json(),
        issued_at=how.now,
        check_code=code,
        replaces_id=replaces.id if replaces else None,
    )
    db.session.add(receipt)
    db.session.flush()
    for gift in gifts:
        gift.receipt_id = receipt.id
    db.session.add_all(gifts)
    db.session.flush()
    return receipt


def preview(kept: Sequence[Kept], how: Issuing) -> ReceiptContent:
    """What a receipt issued now would say; no number is used, and what is lacking is for receipt_rules.missing to say."""
    return _content(kept, kept[0].donation.campaign.charity, how, received_in=None, replaces=None, code="")


def new_check_code() -> str:
    """A name that nobody guesses."""
    return secrets.token_urlsafe(15)


def of_charity(charity: Charity, how: Issuing, *, language: str, code: str) -> dict[str, Any]:
    """What a receipt says of the charity, the day and itself."""
    return {
        "language": language,
        "is_bilingual": charity.bilingual_receipts,
        "charity_name": charity.legal_name,
        "charity_address": tuple(charity.address),
        "registration_number": charity.registration_number.replace(" ", ""),
        "place_of_issue": charity.place_of_issue,
        "issued_on": charity.local(how.now).date(),
        "signatory_name": charity.signatory_name,
        "signatory_title": charity.signatory_title(language),
        "signature": charity.signature or "",
        "check_url": f"{how.base_url}/{language}/receipts/check/{code}",
    }


def _content(
    kept: Sequence[Kept], charity: Charity, how: Issuing, *, received_in: int | None, replaces: Receipt | None, code: str
) -> ReceiptContent:
    donation, cents = kept[0].donation, sum(k.cents for k in kept)
    days = [charity.local(k.donation.paid_at or how.now).date() for k in kept]
    gifts = [GiftLine(received_on=day, cents=k.cents) for day, k in sorted(zip(days, kept, strict=True), key=lambda pair: pair[0])]
    return ReceiptContent(
        **of_charity(charity, how, language=donation.language, code=code),
        received_on=None if received_in else days[0],
        received_in=received_in,
        gifts=tuple(gifts) if received_in else (),
        donor_name=donation.full_name,
        donor_address=donation.address_lines,
        amount_cents=cents,
        advantage_cents=0,
        eligible_cents=cents,
        currency=donation.currency,
        replaces=replaces.serial if replaces else "",
        is_test=not donation.livemode,
    )


def end(receipt: Receipt, ended_as: Status, because: Because, *, actor: str, note: str = "") -> ReceiptEnd:
    """The receipt stands no more, and its gifts are free for another; its number and bytes are kept for good."""
    assert ended_as is not Status.VALID
    ended = ReceiptEnd(receipt_id=receipt.id, ended_as=ended_as.value, because=because.value, actor=actor, note=note)
    db.session.add(ended)
    db.session.flush()
    return ended


def receipt_of(donation_id: int) -> Receipt | None:
    """The official receipt that stands for the donation, if one does."""
    return db.session.scalar(
        select(Receipt)
        .join(ReceiptGift, ReceiptGift.receipt_id == Receipt.id)
        .where(ReceiptGift.donation_id == donation_id, ReceiptGift.is_current)
    )


def last_receipt_of(donation_id: int) -> Receipt | None:
    """The one that stands, else the last that did."""
    of_donation = select(Receipt).join(ReceiptGift, ReceiptGift.receipt_id == Receipt.id).where(ReceiptGift.donation_id == donation_id)
    return db.session.scalar(of_donation.order_by(Receipt.id.desc()).limit(1))


def receipts_of(donation_id: int) -> list[Receipt]:
    """All that were issued for the donation, the first one first."""
    of_donation = select(Receipt).join(ReceiptGift, ReceiptGift.receipt_id == Receipt.id).where(ReceiptGift.donation_id == donation_id)
    return list(db.session.scalars(of_donation.order_by(Receipt.id)))


def receipt_by_check_code(code: str) -> Receipt | None:
    """The receipt whose page of verification this is."""
    return db.session.scalar(select(Receipt).where(Receipt.check_code == code))


def receipt_by_serial(charity_id: int, serial: str) -> Receipt | None:
    """The charity's receipt of this number."""
    return db.session.scalar(select(Receipt).where(Receipt.charity_id == charity_id, Receipt.serial == serial))


def gifts_on(receipt: Receipt) -> list[ReceiptGift]:
    """The gifts that it is for."""
    return list(db.session.scalars(select(ReceiptGift).where(ReceiptGift.receipt_id == receipt.id).order_by(ReceiptGift.id)))


def end_of(receipt: Receipt) -> ReceiptEnd | None:
    """How it ended; None while it stands."""
    return db.session.get(ReceiptEnd, receipt.id)


def status_of(receipt: Receipt) -> Status:
    """Whether it stands."""
    ended = end_of(receipt)
    return Status(ended.ended_as) if ended else Status.VALID


def replacement_of(receipt: Receipt) -> Receipt | None:
    """The receipt that cancels and replaces this one."""
    return db.session.scalar(select(Receipt).where(Receipt.replaces_id == receipt.id))
