"""The books: entries that are posted once and never changed.

An entry is one row from one account to another, so it cannot be out of balance. Its trigger moves the balances and refuses what would
break them; the locks taken here are for order and liveness, not for truth.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Insert,
    LargeBinary,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class Move(StrEnum):
    """What an entry may be: with its two accounts, a row of the closed table `ledger_move`."""

    DONATION = "donation"
    COVERED_FEE = "covered_fee"
    FEE = "fee"
    FEE_REFUND = "fee_refund"
    REFUND = "refund"
    COVERED_FEE_REFUND = "covered_fee_refund"
    COVERED_FEE_REINSTATEMENT = "covered_fee_reinstatement"
    DISPUTE = "dispute"
    REINSTATEMENT = "reinstatement"
    PAYOUT = "payout"
    PAYOUT_REVERSAL = "payout_reversal"
    OFFLINE = "offline"
    PLEDGE = "pledge"
    HOLD = "hold"
    RELEASE = "release"
    MATCH = "match"
    UNMATCH = "unmatch"
    RECEIVE = "receive"


class LedgerMove(Base):
    """The closed table of permitted moves; `of_fund` says whether the accounts are a fund's or the campaign's."""

    __tablename__ = "ledger_move"

    kind: Mapped[str] = mapped_column(primary_key=True)
    from_account: Mapped[str] = mapped_column(primary_key=True)
    to_account: Mapped[str] = mapped_column(primary_key=True)
    of_fund: Mapped[bool] = mapped_column(primary_key=True)


class LedgerEntry(Base):
    """One fact in the books. `reference` is the natural name of the fact; `cause` what brought it about (an event, a command).

    `digest` is the SHA-256 of its text, `hash` that of the hash before it in its chain and the digest (docs/verify.md).
    """

    __tablename__ = "ledger_entry"
    __table_args__ = (
        UniqueConstraint("chain", "position"),
        ForeignKeyConstraint(
            ["kind", "from_account", "to_account", "of_fund"],
            ["ledger_move.kind", "ledger_move.from_account", "ledger_move.to_account", "ledger_move.of_fund"],
            name="move_is_permitted",
        ),
        Index("ix_ledger_entry_fund_id_at", "fund_id", "at"),
        Index("ix_ledger_entry_campaign_id_at", "campaign_id", "at"),
        Index("ix_ledger_entry_payout", "cause", postgresql_where=text("kind IN ('payout', 'payout_reversal')")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    from_account: Mapped[str]
    to_account: Mapped[str]
    of_fund: Mapped[bool] = mapped_column(Computed("fund_id IS NOT NULL", persisted=True))
    cents: Mapped[int]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    fund_id: Mapped[int | None] = mapped_column(ForeignKey("fund.id"))
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    reference: Mapped[str] = mapped_column(unique=True)
    cause: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    chain: Mapped[str]
    position: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is to be posted; hash, position and moment are the database's."""

    kind: Move
    source: str
    target: str
    cents: int
    campaign_id: int
    reference: str
    cause: str
    fund_id: int | None = None
    donation_id: int | None = None


def post(*entries: Entry) -> None:
    """Write the entries in this order; the triggers chain them, move the balances by their sums and refuse what must not be.

    All are one statement: what holds after the last is what counts. A second entry of the same name, a move that is not permitted, or a
    balance out of bounds raises sqlalchemy.exc.IntegrityError.
    """
    assert all(entry.cents > 0 for entry in entries), entries
    if entries:
        columns = ([getattr(entry, name) for entry in entries] for name in _READ)
        db.session.execute(_insert, dict(zip(_READ, columns, strict=True)))


_READ = ("kind", "source", "target", "cents", "campaign_id", "fund_id", "donation_id", "reference", "cause")
_WRITTEN = ("kind", "from_account", "to_account", "cents", "campaign_id", "fund_id", "donation_id", "reference", "cause")


def _in_order() -> Insert:
    """One INSERT for any number of entries, whose triggers see them in the order given."""
    numbers = {"cents", "campaign_id", "fund_id", "donation_id"}
    arrays = (bindparam(name, type_=ARRAY(BigInteger if name in numbers else Text)) for name in _READ)
    given = func.unnest(*arrays).table_valued(*_READ, with_ordinality="number").render_derived()
    rows = select(*(given.c[name] for name in _READ)).order_by(given.c.number)
    return insert(LedgerEntry.__table__).from_select(list(_WRITTEN), rows, include_defaults=False)  # type: ignore[arg-type]  # a Table


_insert = _in_order()


def is_posted(reference: str) -> bool:
    """Whether the books know this fact."""
    return db.session.scalar(select(LedgerEntry.id).where(LedgerEntry.reference == reference)) is not None
