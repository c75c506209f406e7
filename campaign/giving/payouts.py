"""Payouts: what left Stripe for the charity's bank, tied to the lines that it paid out, and in the books of each campaign by its share.

The share of a campaign is what the lines of its donations come to, less Stripe's fees. What a payout paid out of no campaign's (money in
quarantine, say) is in no campaign's books. A payout that comes back is reversed, share by share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.stripe_books import PayoutNow
from campaign.giving import ledger
from campaign.giving.balance_lines import PAYOUT, PAYOUT_BACK, BalanceLine
from campaign.giving.ledger import Entry, Move


class Payout(Base):
    """A payout as the latest look has seen it. `lines_read_at` is when its lines were tied to it."""

    __tablename__ = "payout"

    id: Mapped[int] = mapped_column(primary_key=True)
    stripe_id: Mapped[str] = mapped_column(unique=True)
    cents: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str]
    lines: Mapped[str]
    made_at: Mapped[datetime]
    arrives_at: Mapped[datetime]
    failure: Mapped[str | None]
    look: Mapped[int]
    lines_read_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class PayoutTold:
    """A payout as one look at Stripe has seen it."""

    now: PayoutNow
    look: int


def record(told: PayoutTold) -> str:
    """Remember it, unless a later look has seen it; returns what became of it, in a few words."""
    adding = insert(Payout).values(**vars(told.now), look=told.look)
    newer = adding.excluded
    db.session.execute(
        adding.on_conflict_do_update(
            index_elements=[Payout.stripe_id],
            set_={name: getattr(newer, name) for name in ("status", "lines", "arrives_at", "failure", "look")},
            where=Payout.look < newer.look,
        )
    )
    return f"payout: {told.now.status}"


def to_be_tied() -> list[str]:
    """Payouts that have moved the balance, and whose lines were not read yet, oldest first."""
    read = select(Payout.stripe_id).where(Payout.stripe_id == BalanceLine.source, Payout.lines_read_at.is_not(None)).exists()
    moved = select(BalanceLine.source).where(
        BalanceLine.posted_at.is_(None), BalanceLine.type == PAYOUT, BalanceLine.source.is_not(None), ~read
    )
    return [str(name) for name in db.session.scalars(moved.order_by(BalanceLine.id).limit(100))]


def tie(payout_id: str, lines: Sequence[str]) -> None:
    """These lines, and no others, were paid out by it."""
    db.session.execute(
        update(BalanceLine).where(BalanceLine.stripe_id.in_(lines), BalanceLine.payout.is_(None)).values(payout=payout_id),
        execution_options={"synchronize_session": False},
    )
    db.session.execute(update(Payout).where(Payout.stripe_id == payout_id).values(lines_read_at=func.now()))


# What the books of each campaign lack of its share of a payout of the last two months, or have too much of it. A failed payout whose money went into a later one
# counts there with the shares that came back. `cause` of an entry is the payout, its reference says whether it went or came back.
_LACKING = text("""
    WITH recent AS (
        SELECT stripe_id FROM payout WHERE lines_read_at IS NOT NULL AND made_at > now() - interval '60 days'
    ), posted AS (
        SELECT cause AS payout, split_part(reference, ':', 1) AS what, campaign_id,
               sum(CASE kind WHEN 'payout' THEN cents ELSE -cents END) AS cents, count(*) AS entries
        FROM ledger_entry WHERE kind IN ('payout', 'payout_reversal') GROUP BY 1, 2, 3
    ), tied AS (
        SELECT l.payout, d.campaign_id, l.net_cents AS cents FROM recent p JOIN balance_line l ON l.payout = p.stripe_id
        JOIN donation d ON d.payment_intent = l.payment_intent AND d.paid_at IS NOT NULL
        UNION ALL
        SELECT l.payout, s.campaign_id, -s.cents FROM balance_line l JOIN posted s ON s.payout = l.source AND s.what = 'payout_back'
        WHERE l.type = ANY (:back) AND l.payout IS NOT NULL
    ), wanted AS (
        SELECT payout, 'payout' AS what, campaign_id, sum(cents) AS cents FROM tied GROUP BY 1, 2, 3
        UNION ALL
        SELECT s.payout, 'payout_back', s.campaign_id, -s.cents FROM balance_line l JOIN posted s ON s.payout = l.source AND s.what = 'payout'
        WHERE l.type = ANY (:back)
    )
    SELECT payout, what, campaign_id, coalesce(w.cents, 0) - coalesce(s.cents, 0) AS cents, coalesce(s.entries, 0) AS entries
    FROM wanted w FULL JOIN posted s USING (payout, what, campaign_id)
    WHERE coalesce(w.cents, 0) <> coalesce(s.cents, 0) AND payout IN (SELECT stripe_id FROM recent) ORDER BY campaign_id, payout, what
""")


def post_shares() -> int:
    """Post what the campaigns' books lack of payouts, or have too much; returns how many entries. The caller commits, and calls again."""
    lacking = db.session.execute(_LACKING, {"back": list(PAYOUT_BACK)}).all()
    ledger.post(
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
            for row in lacking
        ]
    )
    _mark_posted()
    return len(lacking)


def _mark_posted() -> None:
    read = select(Payout.stripe_id).where(Payout.stripe_id == BalanceLine.source, Payout.lines_read_at.is_not(None)).exists()
    db.session.execute(
        update(BalanceLine)
        .where(BalanceLine.posted_at.is_(None), BalanceLine.type.in_([PAYOUT, *PAYOUT_BACK]), read)
        .values(posted_at=func.now()),
        execution_options={"synchronize_session": False},
    )
