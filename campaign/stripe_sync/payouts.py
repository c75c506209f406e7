"""Payouts from Stripe to the charity's bank, tied to the balance transactions they paid out, and posted to each campaign by its share.

The share of a campaign is the net sum of its donations' balance transactions. What belongs to no campaign, such as quarantined payments, is
in no campaign's books. A sealed campaign has no share any more. A payout that fails or is canceled is reversed, share by share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.stripe.balance import CHARGES, StripePayout
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.payments import after_seal
from campaign.stripe_sync.balance_transactions import PAYOUT, PAYOUT_REVERSALS, BalanceTransaction

# The reconciliation status of a payout made by hand.
NOT_APPLICABLE = "not_applicable"


class Payout(Base):
    """A payout as of the latest snapshot. `transactions_read_at` is when its balance transactions were tied to it."""

    __tablename__ = "payout"

    id: Mapped[int] = mapped_column(primary_key=True)
    stripe_id: Mapped[str] = mapped_column(unique=True)
    cents: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str]
    reconciliation_status: Mapped[str]
    created_at: Mapped[datetime]
    arrives_at: Mapped[datetime]
    failure: Mapped[str | None]
    snapshot_number: Mapped[int]
    transactions_read_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class PayoutSnapshot:
    """A payout as fetched from Stripe, with the number of the snapshot (payments/snapshot_numbers.py)."""

    payout: StripePayout
    snapshot_number: int


def record(snapshot: PayoutSnapshot) -> str:
    """Store the snapshot, unless a later one is stored. Returns the outcome for the event."""
    statement = insert(Payout).values(**vars(snapshot.payout), snapshot_number=snapshot.snapshot_number)
    newer = statement.excluded
    db.session.execute(
        statement.on_conflict_do_update(
            index_elements=[Payout.stripe_id],
            set_={name: getattr(newer, name) for name in ("status", "reconciliation_status", "arrives_at", "failure", "snapshot_number")},
            where=Payout.snapshot_number < newer.snapshot_number,
        )
    )
    return f"payout: {snapshot.payout.status}"


def list_untied(*, limit: int) -> list[str]:
    """Ids of payouts that have moved the balance and whose transactions are not tied yet; the one asked for longest ago is first.

    A payout made by hand, instant ones included, is fetched once: Stripe never lists which transactions it paid out.
    """
    t = BalanceTransaction
    moved = (
        select(t.source)
        .outerjoin(Payout, Payout.stripe_id == t.source)
        .where(t.posted_at.is_(None), t.type == PAYOUT, t.source.is_not(None), Payout.transactions_read_at.is_(None))
        .where(func.coalesce(Payout.reconciliation_status, "") != NOT_APPLICABLE)
        .order_by(t.payout_fetched_at.nulls_first(), t.id)
    )
    return [str(name) for name in db.session.scalars(moved.limit(limit))]


def mark_fetched(payout_id: str) -> None:
    """Record that the payout is asked for now. One that Stripe does not show us waits its turn too."""
    t = BalanceTransaction
    db.session.execute(
        update(t).where(t.type == PAYOUT, t.source == payout_id, t.posted_at.is_(None)).values(payout_fetched_at=func.clock_timestamp()),
        execution_options={"synchronize_session": False},
    )


def tie_transactions(payout_id: str, transaction_ids: Sequence[str]) -> None:
    """Record that the payout paid out these balance transactions, and no others."""
    db.session.execute(
        update(BalanceTransaction)
        .where(BalanceTransaction.stripe_id.in_(transaction_ids), BalanceTransaction.payout.is_(None))
        .values(payout=payout_id),
        execution_options={"synchronize_session": False},
    )
    db.session.execute(update(Payout).where(Payout.stripe_id == payout_id).values(transactions_read_at=func.now()))


# By how much the posted share of each campaign in each payout of the last two months differs from its transactions. When a later payout
# pays out the money of one that failed, the reversed shares of the failed one count in the later one. The `cause` of an entry is the
# payout; the first part of its reference is `payout`, or `payout_back` for a reversal.
_MISSING_SHARES = text("""
    WITH recent AS (
        SELECT stripe_id FROM payout WHERE transactions_read_at IS NOT NULL AND created_at > now() - interval '60 days'
    ), posted AS (
        SELECT cause AS payout, split_part(reference, ':', 1) AS what, campaign_id,
               sum(CASE kind WHEN 'payout' THEN cents ELSE -cents END) AS cents, count(*) AS entries
        FROM ledger_entry WHERE kind IN ('payout', 'payout_reversal') GROUP BY 1, 2, 3
    ), tied AS (
        SELECT l.payout, d.campaign_id, l.net_cents AS cents FROM recent p JOIN balance_transaction l ON l.payout = p.stripe_id
        JOIN donation d ON d.payment_intent = l.payment_intent AND d.received_at IS NOT NULL
        UNION ALL
        SELECT l.payout, s.campaign_id, -s.cents FROM balance_transaction l JOIN posted s ON s.payout = l.source AND s.what = 'payout_back'
        WHERE l.type = ANY (:back) AND l.payout IS NOT NULL
    ), wanted AS (
        SELECT payout, 'payout' AS what, campaign_id, sum(cents) AS cents FROM tied GROUP BY 1, 2, 3
        UNION ALL
        SELECT s.payout, 'payout_back', s.campaign_id, -s.cents FROM balance_transaction l JOIN posted s ON s.payout = l.source AND s.what = 'payout'
        WHERE l.type = ANY (:back)
    )
    SELECT payout, what, campaign_id, coalesce(w.cents, 0) - coalesce(s.cents, 0) AS cents, coalesce(s.entries, 0) AS entries, c.sealed_at, c.slug
    FROM wanted w FULL JOIN posted s USING (payout, what, campaign_id) JOIN campaign c ON c.id = campaign_id
    WHERE coalesce(w.cents, 0) <> coalesce(s.cents, 0) AND payout IN (SELECT stripe_id FROM recent)
      AND (c.sealed_at IS NULL OR what = 'payout_back') ORDER BY campaign_id, payout, what
""")


def post_shares() -> int:
    """Post the differences between posted and actual shares. Returns how many entries; the caller commits and calls again until it is 0.

    Of a sealed campaign nothing is posted: staff are alerted of a payout that came back.
    """
    found = db.session.execute(_MISSING_SHARES, {"back": list(PAYOUT_REVERSALS)}).all()
    missing = [row for row in found if row.sealed_at is None]
    for row in found:
        if row.sealed_at:
            after_seal.raise_alert_of_payout(row.payout, row.slug, int(row.cents))
    post_entries(
        *[
            Entry(
                kind=Move.PAYOUT if row.cents > 0 else Move.PAYOUT_REVERSAL,
                source="stripe" if row.cents > 0 else "bank",
                target="bank" if row.cents > 0 else "stripe",
                cents=abs(int(row.cents)),
                campaign_id=row.campaign_id,
                reference=f"{row.what}:{row.payout}:{row.campaign_id}:{row.entries + 1}",
                cause=row.payout,
            )
            for row in missing
        ]
    )
    _mark_posted()
    return len(missing)


def _mark_posted() -> None:
    read = select(Payout.stripe_id).where(Payout.stripe_id == BalanceTransaction.source, Payout.transactions_read_at.is_not(None)).exists()
    db.session.execute(
        update(BalanceTransaction)
        .where(BalanceTransaction.posted_at.is_(None), BalanceTransaction.type.in_([PAYOUT, *PAYOUT_REVERSALS]), read)
        .values(posted_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def payout_of(payment_intent: str) -> Payout | None:
    """The payout that paid out the charge of this payment, if Stripe has said which."""
    of_charge = select(BalanceTransaction.payout).where(
        BalanceTransaction.payment_intent == payment_intent, BalanceTransaction.type.in_(CHARGES)
    )
    return db.session.scalar(select(Payout).where(Payout.stripe_id.in_(of_charge)).order_by(Payout.id).limit(1))
