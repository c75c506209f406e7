"""What we owe the outside world for a donation: the thank-you with its receipt, and news of the match, the money and the months.

A row is owed in the transaction of its cause and done at most once by its key; workers are only woken.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import BigInteger, ForeignKey, Index, Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving import claims
from campaign.giving.claims import Claim, Claimable
from campaign.giving.donations import Donation

HEALED = "healed"
RECEIPT_AGAIN = "receipt_again"
TOLD_AFTER_SECONDS = 20


class Owed(NamedTuple):
    """One thing owed for a donation; once for each thing that it is `about`, or once at all."""

    kind: str
    donation: Donation
    about: str = ""


class OutboxItem(Claimable, Base):
    """One thing owed, for a donation or, to funders and staff, for none. `message_id` is fixed before the first hand-off, so that a second one is known for the same mail."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    message_id: Mapped[str | None] = mapped_column(unique=True)


Index("ix_outbox_waiting", OutboxItem.not_before, postgresql_where=claims.waiting(OutboxItem))


def owe(*owed: Owed) -> None:
    """Owe each kind once for its donation; owing it again changes nothing. Word of a healed match may come again, each time it is healed."""
    once = [(f"{kind}:{about or d.public_id}", kind, d.id) for kind, d, about in owed if kind != HEALED]
    if once:
        db.session.execute(_owe, dict(zip(("keys", "kinds", "donation_ids"), map(list, zip(*once, strict=True)), strict=True)))
    if told := {d.id: d for kind, d, _ in owed if kind == HEALED}:
        _owe_word_of_healing(list(told.values()))


def _owe_word_of_healing(healed: list[Donation]) -> None:
    """One mail a while: what is healed cent by cent within it, or before the last mail has left, is told once."""
    rows_of = (
        select(OutboxItem.donation_id, func.count())
        .where(OutboxItem.donation_id.in_([d.id for d in healed]), OutboxItem.kind == HEALED)
        .group_by(OutboxItem.donation_id)
    )
    earlier = {donation_id: count for donation_id, count in db.session.execute(rows_of) if donation_id}
    waiting = set(
        db.session.scalars(
            select(OutboxItem.donation_id).where(
                OutboxItem.donation_id.in_(list(earlier)), OutboxItem.kind == HEALED, OutboxItem.attempts == 0, claims.waiting(OutboxItem)
            )
        )
    )
    rows = [
        {"key": f"{HEALED}:{d.public_id}:{earlier.get(d.id, 0) + 1}", "kind": HEALED, "donation_id": d.id}
        for d in healed
        if d.id not in waiting
    ]
    if rows:
        soon = func.now() + timedelta(seconds=TOLD_AFTER_SECONDS)
        db.session.execute(insert(OutboxItem).values(not_before=soon).on_conflict_do_nothing(index_elements=["key"]), rows)


_given = (
    func.unnest(
        bindparam("keys", type_=ARRAY(Text)), bindparam("kinds", type_=ARRAY(Text)), bindparam("donation_ids", type_=ARRAY(BigInteger))
    )
    .table_valued("key", "kind", "donation_id")
    .render_derived()
)
_owe = (
    insert(OutboxItem.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
    .from_select(["key", "kind", "donation_id"], select(_given.c.key, _given.c.kind, _given.c.donation_id), include_defaults=False)
    .on_conflict_do_nothing(index_elements=["key"])
)


def claim(*, limit: int) -> list[Claim]:
    """Take what is due. Commit before the work."""
    return claims.claim(OutboxItem, limit=limit, first=OutboxItem.not_before)


def delay(claim: Claim, *, error: str) -> bool:
    """The other side is away: again later. True when it is given up, after days."""
    return claims.delay(OutboxItem, claim, since=OutboxItem.created_at, reason=error)


def claimed(claim: Claim) -> OutboxItem:
    """The row of the claim."""
    return db.session.get_one(OutboxItem, claim.id)


def message_id_of(item: OutboxItem, domain: str) -> str:
    """The Message-ID that this item has had from its first hand-off on."""
    if item.message_id is None:
        item.message_id = f"<{item.key.replace(':', '.')}@{domain}>"
    return item.message_id


def owe_now(*owed: Owed) -> None:
    """Owe it, and have it done at once if it waits for something that may be there by now."""
    owe(*owed)
    keys = [f"{kind}:{about or d.public_id}" for kind, d, about in owed]
    db.session.execute(
        update(OutboxItem).where(OutboxItem.key.in_(keys), claims.waiting(OutboxItem)).values(not_before=func.now()),
        execution_options={"synchronize_session": False},
    )


def owe_other(kind: str, about: str) -> None:
    """Owe a mail to a funder or to staff, once for what it is about."""
    row = insert(OutboxItem).values(key=f"{kind}:{about}", kind=kind)
    db.session.execute(row.on_conflict_do_nothing(index_elements=["key"]))


def owe_copy(donation: Donation) -> None:
    """Owe the receipt that stands in a mail of its own, however often it was mailed before."""
    number = owed_in_all(donation, RECEIPT_AGAIN) + 1
    owe(Owed(RECEIPT_AGAIN, donation, f"{donation.public_id}:{number}"))


def owed_lately(donation: Donation, kind: str, *, hours: int) -> int:
    """How often this kind was owed for the donation within so many hours."""
    lately = OutboxItem.created_at > func.now() - timedelta(hours=hours)
    return db.session.scalar(select(func.count()).where(OutboxItem.donation_id == donation.id, OutboxItem.kind == kind, lately)) or 0


def owed_in_all(donation: Donation, kind: str) -> int:
    """How often this kind was owed for the donation."""
    return db.session.scalar(select(func.count()).where(OutboxItem.donation_id == donation.id, OutboxItem.kind == kind)) or 0


def items_of(donation_id: int) -> list[OutboxItem]:
    """All that was owed for the donation, the latest first."""
    of_donation = select(OutboxItem).where(OutboxItem.donation_id == donation_id).order_by(OutboxItem.id.desc())
    return list(db.session.scalars(of_donation, execution_options={"populate_existing": True}))


def dead(*, limit: int) -> list[OutboxItem]:
    """Those that will not be tried again, the latest first."""
    return list(
        db.session.scalars(select(OutboxItem).where(OutboxItem.dead_at.is_not(None)).order_by(OutboxItem.dead_at.desc()).limit(limit))
    )


def dead_items() -> int:
    """How many will not be tried again: staff must look."""
    return db.session.scalar(select(func.count()).where(OutboxItem.dead_at.is_not(None))) or 0
