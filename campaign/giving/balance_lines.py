"""The lines of Stripe's balance: each charge, refund, dispute, fee and payout as Stripe has booked it, kept as it is.

What Stripe kept of a payment is posted from here, once the payment is in the books; payouts are posted by payouts.py.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Index, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.stripe_books import BalanceMove
from campaign.giving import ledger
from campaign.giving.donations import Donation
from campaign.giving.ledger import Entry, LedgerEntry, Move

CHARGES = ("charge", "payment")
PAYOUT = "payout"
PAYOUT_BACK = ("payout_failure", "payout_cancel")


class BalanceLine(Base):
    """A balance transaction of Stripe's. `payout` is the payout that paid it out; `posted_at` when all was posted that is posted from here."""

    __tablename__ = "balance_line"

    id: Mapped[int] = mapped_column(primary_key=True)
    stripe_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    category: Mapped[str]
    source: Mapped[str | None]
    payment_intent: Mapped[str | None] = mapped_column(index=True)
    cents: Mapped[int]
    fee_cents: Mapped[int]
    net_cents: Mapped[int]
    currency: Mapped[str]
    made_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    payout: Mapped[str | None] = mapped_column(index=True)
    posted_at: Mapped[datetime | None]


Index("ix_balance_line_to_post", BalanceLine.id, postgresql_where=BalanceLine.posted_at.is_(None))


def keep(moves: Sequence[BalanceMove]) -> int:
    """Keep what is new of these; returns how many lines that is."""
    if not moves:
        return 0
    rows = [vars(move) for move in moves]
    kept = db.session.scalars(
        insert(BalanceLine).on_conflict_do_nothing(index_elements=[BalanceLine.stripe_id]).returning(BalanceLine.id), rows
    ).all()
    says_nothing = (BalanceLine.fee_cents == 0) & BalanceLine.type.not_in([PAYOUT, *PAYOUT_BACK])
    db.session.execute(
        update(BalanceLine).where(BalanceLine.id.in_(kept), says_nothing).values(posted_at=func.now()),
        execution_options={"synchronize_session": False},
    )
    return len(kept)


def post_fees(*, limit: int) -> int:
    """Post what Stripe kept of payments that are in the books by now; returns of how many lines."""
    line, of_payout = BalanceLine, BalanceLine.type.in_([PAYOUT, *PAYOUT_BACK])
    found = db.session.execute(
        select(line, Donation)
        .join(Donation, (Donation.payment_intent == line.payment_intent) & Donation.paid_at.is_not(None))
        .where(line.posted_at.is_(None), ~of_payout)
        .order_by(Donation.campaign_id, line.id)
        .limit(limit)
        .with_for_update(of=line)
    ).all()
    names = {_reference(one, donation) for one, donation in found}
    known = set(db.session.scalars(select(LedgerEntry.reference).where(LedgerEntry.reference.in_(names))))
    ledger.post(*[_fee(one, donation) for one, donation in found if _reference(one, donation) not in known])
    for one, _ in found:
        one.posted_at = func.now()
    db.session.flush()
    return len(found)


def _reference(line: BalanceLine, donation: Donation) -> str:
    """Of the charge of a donation there is one fee, whatever transaction tells of it."""
    return f"{Move.FEE}:{donation.public_id if line.type in CHARGES else line.stripe_id}"


def _fee(line: BalanceLine, donation: Donation) -> Entry:
    is_kept = line.fee_cents > 0
    return Entry(
        kind=Move.FEE if is_kept else Move.FEE_REFUND,
        source="stripe" if is_kept else "fees",
        target="fees" if is_kept else "stripe",
        cents=abs(line.fee_cents),
        campaign_id=donation.campaign_id,
        donation_id=donation.id,
        reference=_reference(line, donation),
        cause=line.stripe_id,
    )


def sum_of_lines() -> dict[str, int]:
    """What all lines together leave in the balance, by currency, in cents."""
    sums = select(BalanceLine.currency, func.sum(BalanceLine.net_cents)).group_by(BalanceLine.currency)
    return {currency: int(cents) for currency, cents in db.session.execute(sums)}
