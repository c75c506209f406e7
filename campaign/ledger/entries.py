"""The ledger: entries that are posted once and never changed.

An entry is one row from one account to another, so it always balances. Triggers on insert move the balances and refuse what would break
them; the locks that callers take only order concurrent transactions.
"""

from dataclasses import dataclass
from datetime import datetime

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
from campaign.ledger.moves import Move


class LedgerEntry(Base):
    """One posted entry. `reference` is its natural key; `cause` names what led to it (a Stripe event, a command).

    `digest` is the SHA-256 of the entry's text; `hash` is the SHA-256 of the previous hash in its chain and the digest (docs/verify.md).
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
        Index("ix_ledger_entry_reversal", "donation_id", postgresql_where=text("kind IN ('refund', 'dispute', 'offline_reversal')")),
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
    """An entry to post, from account `source` to account `target`. Chain, position, time and hashes are set by the database."""

    kind: Move
    source: str
    target: str
    cents: int
    campaign_id: int
    reference: str
    cause: str
    fund_id: int | None = None
    donation_id: int | None = None


def post_entries(*entries: Entry) -> None:
    """Insert the entries in this order; triggers chain them and move the balances.

    They are one statement, so balances are checked after the last entry. Raises sqlalchemy.exc.IntegrityError for a reference that is
    already posted, a move that is not permitted, or a balance out of bounds.
    """
    assert all(entry.cents > 0 for entry in entries), entries
    if entries:
        columns = ([getattr(entry, name) for entry in entries] for name in _FIELDS)
        db.session.execute(_insert, dict(zip(_FIELDS, columns, strict=True)))


_FIELDS = ("kind", "source", "target", "cents", "campaign_id", "fund_id", "donation_id", "reference", "cause")
_COLUMNS = ("kind", "from_account", "to_account", "cents", "campaign_id", "fund_id", "donation_id", "reference", "cause")


def _build_ordered_insert() -> Insert:
    """One INSERT for any number of entries, whose triggers see them in the order passed."""
    numbers = {"cents", "campaign_id", "fund_id", "donation_id"}
    arrays = (bindparam(name, type_=ARRAY(BigInteger if name in numbers else Text)) for name in _FIELDS)
    ordered = func.unnest(*arrays).table_valued(*_FIELDS, with_ordinality="number").render_derived()
    rows = select(*(ordered.c[name] for name in _FIELDS)).order_by(ordered.c.number)
    return insert(LedgerEntry.__table__).from_select(list(_COLUMNS), rows, include_defaults=False)  # type: ignore[arg-type]  # a Table


_insert = _build_ordered_insert()


def is_posted(reference: str) -> bool:
    """Whether an entry with this reference is posted."""
    return db.session.scalar(select(LedgerEntry.id).where(LedgerEntry.reference == reference)) is not None
