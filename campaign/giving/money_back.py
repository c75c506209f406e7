"""Money that goes back: refunds and disputes, as Stripe has them, and what they make of the gift and its match.

An event only says that something changed: what counts is the object's state, looked at after it (work/looking.py). The books follow what is
gone in all, so that hearing a thing twice, late or in another order ends in the same sums. A refund counts from the moment it is made
until it fails; a dispute counts when it is lost, until the money is reinstated (policy.md, section 2).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import BigInteger, case, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.stripe_api import Back, GoneBack
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.healing import HealingDesk
from campaign.giving.ledger import Entry, Move
from campaign.giving.matches import Freed
from campaign.giving.outbox import Owed

FAILED = {"failed", "canceled"}
UNDER_WAY = {"needs_response", "under_review"}


class MoneyBack(Base):
    """One refund or dispute. `cents` is of what was charged, fee included; `look` is the number of the look that saw it so.

    `turns` counts how often the books have seen the money go and come back: odd while it is gone in the books.
    """

    __tablename__ = "money_back"

    id: Mapped[int] = mapped_column(primary_key=True)
    stripe_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    payment_intent: Mapped[str] = mapped_column(index=True)
    cents: Mapped[int]
    status: Mapped[str]
    look: Mapped[int]
    turns: Mapped[int] = mapped_column(server_default="0", default=0)

    @property
    def is_gone(self) -> bool:
        """Whether the money has left the charity."""
        return self.status not in FAILED if self.kind == Back.REFUND else self.status == "lost"

    @property
    def is_posted(self) -> bool:
        """Whether it is gone in the books."""
        return self.turns % 2 == 1


@dataclass(frozen=True, kw_only=True)
class Told:
    """A refund or dispute of a payment as one look at Stripe has seen it."""

    stripe_id: str
    kind: Back
    payment_intent: str
    cents: int
    status: str
    look: int

    @classmethod
    def of(cls, seen: GoneBack, *, look: int) -> "Told | None":
        """None for one that is of no payment of ours: they all have a payment intent, and some cents."""
        if not seen.payment_intent or seen.cents <= 0:
            return None
        return cls(stripe_id=seen.id, kind=seen.kind, payment_intent=seen.payment_intent, cents=seen.cents, status=seen.status, look=look)


def record(told: Told, donation: Donation | None, desk: HealingDesk, *, cause: str) -> Consequence:
    """Remember it, and let the gift and its match follow; before the payment itself is heard of, it waits for that."""
    row = remember(told)
    if donation is None or donation.paid_at is None:
        return Consequence(outcome=f"{told.kind} kept: its payment is not known")
    return catch_up(donation, desk, cause=cause) or Consequence(outcome=f"{told.kind}: {row.status}")


def remember(told: Told) -> MoneyBack:
    """Kept unless a later look has seen it. Another sum counts only while nothing of it is in the books."""
    adding = insert(MoneyBack).values(**vars(told))
    newer = adding.excluded
    sum_of_it = case((MoneyBack.turns % 2 == 0, newer.cents), else_=MoneyBack.cents)
    db.session.execute(
        adding.on_conflict_do_update(
            index_elements=[MoneyBack.stripe_id],
            set_={"status": newer.status, "look": newer.look, "cents": sum_of_it},
            where=MoneyBack.look < newer.look,
        )
    )
    row = select(MoneyBack).where(MoneyBack.stripe_id == told.stripe_id).with_for_update()
    return db.session.scalars(row, execution_options={"populate_existing": True}).one()


def catch_up(donation: Donation, desk: HealingDesk, *, cause: str) -> Consequence | None:
    """Post what was heard of and is not in the books yet; None when there is nothing. Only for a donation that is paid."""
    rows = list(db.session.scalars(select(MoneyBack).where(MoneyBack.payment_intent == donation.payment_intent).order_by(MoneyBack.id)))
    was, done = _gone(donation, rows), None
    for row in rows:
        if row.is_gone != row.is_posted:
            row.turns += 1
            consequence = _follow(donation, row, was, gone := _gone(donation, rows), desk, cause)
            was = gone
            done = done.and_then(consequence) if done else consequence
    return done


def lock_payments(payment_intents: Collection[str]) -> None:
    """One at a time for whoever hears of these payments, in a fixed order: a refund and its payment never miss each other."""
    keys = sorted(int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True) for name in set(payment_intents))
    if keys:
        db.session.execute(select(func.pg_advisory_xact_lock(func.unnest(cast(keys, ARRAY(BigInteger))))))


def after_payment(paid: Consequence, donation: Donation, desk: HealingDesk, *, cause: str) -> Consequence:
    """What was heard of before the payment itself follows it at once."""
    if donation.payment_intent:
        lock_payments([donation.payment_intent])
    back = catch_up(donation, desk, cause=cause) if donation.paid_at else None
    return paid.and_then(back) if back else paid


def _gone(donation: Donation, rows: Sequence[MoneyBack]) -> int:
    """What of the charge is gone in the books."""
    return min(donation.charged_cents, sum(row.cents for row in rows if row.is_posted))


def _fee_part(donation: Donation, gone_cents: int) -> int:
    """What of this is covered fee: gift and fee share in proportion, odd cents to the gift."""
    return gone_cents * donation.covered_fee_cents // donation.charged_cents


def _follow(donation: Donation, row: MoneyBack, was_gone: int, is_gone: int, desk: HealingDesk, cause: str) -> Consequence:
    """The books as they must be when this much of the charge is gone in all."""
    fee_before, fee = _fee_part(donation, was_gone), _fee_part(donation, is_gone)
    before, net = desk.net_of(donation), donation.amount_cents - (is_gone - fee)
    entries = [
        *_moved(donation, row, net - before, (Move(row.kind), Move.REINSTATEMENT), "donations", cause),
        *_moved(donation, row, fee_before - fee, (Move.COVERED_FEE_REFUND, Move.COVERED_FEE_REINSTATEMENT), "covered_fees", cause),
    ]
    told = [Owed("money_back", donation, f"{row.stripe_id}:{row.turns}")] if entries else []
    desk.now_nets(donation, net)
    desk.changed(donation)
    if net >= before:
        entries += desk.match_more(donation, desk.offers(donation.campaign_id), cause=cause)
        desk.settled(donation)
        return Consequence(outcome=f"{row.kind} reinstated", entries=entries, owed=told)
    entries += desk.fall(donation, cause=cause)
    healed = desk.heal_waiting(donation.campaign_id, Freed(row.kind), of_donor=donation.donor_id)
    return Consequence(outcome=f"{row.kind}: {row.status}", entries=entries, owed=told).with_healed(healed)


def _moved(donation: Donation, row: MoneyBack, change: int, moves: tuple[Move, Move], account: str, cause: str) -> list[Entry]:
    """An entry for what went or came back; none when nothing changes."""
    if change == 0:
        return []
    kind = moves[0] if change < 0 else moves[1]
    return [
        Entry(
            kind=kind,
            source="stripe" if change < 0 else account,
            target=account if change < 0 else "stripe",
            cents=abs(change),
            campaign_id=donation.campaign_id,
            donation_id=donation.id,
            reference=f"{kind}:{row.stripe_id}:{row.turns}",
            cause=cause,
        )
    ]


def kept_of(donation: Donation) -> int:
    """What of the charge is with the charity by the books, covered fee included; nothing of a gift that is not paid."""
    if donation.paid_at is None:
        return 0
    if donation.payment_intent is None:
        return donation.net_cents + donation.covered_fee_cents
    posted = select(func.coalesce(func.sum(MoneyBack.cents), 0))
    gone = db.session.scalars(posted.where(MoneyBack.payment_intent == donation.payment_intent, MoneyBack.turns % 2 == 1)).one()
    return donation.charged_cents - min(donation.charged_cents, int(gone))


def left_of(donation: Donation) -> int:
    """What of the charge is still with the charity: refunds that are under way count as gone."""
    assert donation.payment_intent
    return max(0, donation.charged_cents - gone_of(donation.payment_intent))


def gone_of(payment_intent: str) -> int:
    """What has left the charity of a payment, in the books or not."""
    rows = db.session.scalars(select(MoneyBack).where(MoneyBack.payment_intent == payment_intent))
    return sum(row.cents for row in rows if row.is_gone)


def payments_with_money_back(payment_intents: Sequence[str]) -> set[str]:
    """Which of these payments have a refund or dispute that was heard of."""
    return set(db.session.scalars(select(MoneyBack.payment_intent).where(MoneyBack.payment_intent.in_(payment_intents))))


def money_back_named(stripe_id: str) -> MoneyBack:
    """The refund or dispute of this name."""
    return db.session.scalars(
        select(MoneyBack).where(MoneyBack.stripe_id == stripe_id), execution_options={"populate_existing": True}
    ).one()


def is_disputed(payment_intent: str) -> bool:
    """Whether a dispute about the payment is under way."""
    query = select(MoneyBack.id).where(
        MoneyBack.payment_intent == payment_intent, MoneyBack.kind == Back.DISPUTE, MoneyBack.status.in_(UNDER_WAY)
    )
    return db.session.scalar(query.limit(1)) is not None
