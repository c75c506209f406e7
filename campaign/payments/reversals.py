"""Reversals: refunds and disputes as Stripe has them, and what they do to the donation and its match.

An event only says that something changed. What counts is the object’s state, fetched after it (stripe_sync/fetch.py). The books follow the
total that is reversed, so that repeated, late or reordered events lead to the same sums. A refund counts from its creation until
it fails; a dispute counts when it is lost, until the money is reinstated (policy.md, section 2).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.edges.stripe.reversals import ReversalKind, StripeReversal
from campaign.ledger.entries import Entry
from campaign.ledger.moves import Move
from campaign.matching.effects import Effects
from campaign.matching.holds import FreedBy
from campaign.matching.rematching import RematchingSession
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.payments import after_seal
from campaign.payments.alerts import Alert, AlertKind, raise_alert, remove_alert

FAILED_REFUND_STATUSES = {"failed", "canceled"}
REFUND_STATUSES = {"pending", "requires_action", "succeeded", *FAILED_REFUND_STATUSES}
OPEN_DISPUTE_STATUSES = {"needs_response", "under_review"}
APPEAL_STATUSES = {"appeal_needs_response", "appeal_under_review"}
INQUIRY_STATUSES = {"warning_needs_response", "warning_under_review", "warning_closed"}
DISPUTE_STATUSES = {*OPEN_DISPUTE_STATUSES, *APPEAL_STATUSES, *INQUIRY_STATUSES, "prevented", "won", "lost"}

# A refund or dispute that has one of these may still change, however old it is.
CHANGING_STATUSES = {"pending", "requires_action", *OPEN_DISPUTE_STATUSES, *APPEAL_STATUSES, *INQUIRY_STATUSES}


class Reversal(Base):
    """One refund or dispute. `cents` is of what was charged, covered fee included; `snapshot_number` that of the snapshot it was read in.

    `reversed_cents` is what of it has left the charity at Stripe, `posted_cents` what of it is in effect in the ledger; `postings` counts how
    often it was posted or reinstated. `reason` is the bank's reason for a dispute, `respond_by` until when Stripe takes an answer to it.
    `returned_at` is when the money went back, by Stripe: when a refund was created, when a dispute was withdrawn from the balance.
    """

    __tablename__ = "reversal"

    id: Mapped[int] = mapped_column(primary_key=True)
    stripe_id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    payment_intent: Mapped[str] = mapped_column(index=True)
    cents: Mapped[int]
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="", default="")
    respond_by: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    snapshot_number: Mapped[int]
    reversed_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    posted_cents: Mapped[int] = mapped_column(server_default="0", default=0)
    postings: Mapped[int] = mapped_column(server_default="0", default=0)


@dataclass(frozen=True, kw_only=True)
class ReversalSnapshot:
    """A refund or dispute of a payment as it was read from Stripe.

    `withdrawn_cents` and `reinstated_cents` are what the balance transactions of a dispute took and gave back; zero for a refund.
    """

    stripe_id: str
    kind: ReversalKind
    payment_intent: str
    cents: int
    status: str
    snapshot_number: int
    reason: str = ""
    respond_by: datetime | None = None
    returned_at: datetime | None = None
    withdrawn_cents: int = 0
    reinstated_cents: int = 0

    @property
    def is_known(self) -> bool:
        """Whether the status is one that we know. An unknown one changes nothing."""
        return self.status in (REFUND_STATUSES if self.kind is ReversalKind.REFUND else DISPUTE_STATUSES)

    def reversed_cents(self, before: int) -> int:
        """What has left the charity at Stripe, in cents, when it was `before` at the last snapshot.

        A refund counts until it fails. A dispute counts from `lost` on, whatever follows, until its balance transactions return the money:
        an appeal means that it was lost, and a dispute that was won may have returned a part (policy.md, section 2).
        """
        if not self.is_known:
            return before
        if self.kind is ReversalKind.REFUND:
            return 0 if self.status in FAILED_REFUND_STATUSES else self.cents
        if self.status == "prevented":  # Nothing is decided any more: what has moved is all there is.
            return max(0, self.withdrawn_cents - self.reinstated_cents)
        lost = max(0, (self.withdrawn_cents or self.cents) - self.reinstated_cents)
        if self.status == "won" and not self.reinstated_cents:
            return before if self.withdrawn_cents else 0  # Without any balance transaction the status is all there is.
        return lost if self.status in {"lost", "won", *APPEAL_STATUSES} else min(before, lost)

    @classmethod
    def of(cls, reversal: StripeReversal, *, snapshot_number: int) -> "ReversalSnapshot | None":
        """The snapshot of a reversal; None if it has no payment intent or no positive amount, and so is not of a payment of ours."""
        if not reversal.payment_intent or reversal.cents <= 0:
            return None
        return cls(
            stripe_id=reversal.id,
            kind=reversal.kind,
            payment_intent=reversal.payment_intent,
            cents=reversal.cents,
            status=reversal.status,
            snapshot_number=snapshot_number,
            reason=reversal.reason,
            respond_by=reversal.respond_by,
            returned_at=reversal.returned_at,
            withdrawn_cents=reversal.withdrawn_cents,
            reinstated_cents=reversal.reinstated_cents,
        )


def record(snapshot: ReversalSnapshot, donation: Donation | None, session: RematchingSession, *, cause: str) -> Effects:
    """Store the snapshot and update the donation and its match. A reversal of an unknown payment is posted when the payment is recorded."""
    reversal = store_snapshot(snapshot)
    if donation and not snapshot.is_known:
        detail = {"status": snapshot.status}
        raise_alert(Alert(kind=AlertKind.UNKNOWN_STATUS, object_id=snapshot.stripe_id, donation_id=donation.id, detail=detail))
    if donation is None or donation.received_at is None:
        return Effects(outcome=f"{snapshot.kind} stored: its payment is not known")
    return post_pending(donation, session, cause=cause) or Effects(outcome=f"{snapshot.kind}: {reversal.status}")


def store_snapshot(snapshot: ReversalSnapshot) -> Reversal:
    """Store the snapshot unless a later one is stored."""
    row = {"stripe_id": snapshot.stripe_id, "kind": snapshot.kind, "payment_intent": snapshot.payment_intent, "cents": snapshot.cents}
    new = insert(Reversal).values(**row, status=snapshot.status, snapshot_number=0)
    db.session.execute(new.on_conflict_do_nothing(index_elements=[Reversal.stripe_id]))
    stored = select(Reversal).where(Reversal.stripe_id == snapshot.stripe_id).with_for_update()
    reversal = db.session.scalars(stored, execution_options={"populate_existing": True}).one()
    if reversal.snapshot_number < snapshot.snapshot_number:
        reversal.status, reversal.cents, reversal.snapshot_number = snapshot.status, snapshot.cents, snapshot.snapshot_number
        reversal.reason, reversal.respond_by = snapshot.reason, snapshot.respond_by
        reversal.returned_at = snapshot.returned_at or reversal.returned_at
        reversal.reversed_cents = snapshot.reversed_cents(reversal.reversed_cents)
        db.session.flush()
    return reversal


def post_pending(donation: Donation, session: RematchingSession, *, cause: str) -> Effects | None:
    """Post what stored reversals of a paid donation have taken or returned since they were last posted; None when that is nothing."""
    reversals = list(db.session.scalars(select(Reversal).where(Reversal.payment_intent == donation.payment_intent).order_by(Reversal.id)))
    if donation.campaign.sealed_at:
        return after_seal.raise_alerts(
            donation, {reversal.stripe_id: reversal.posted_cents - reversal.reversed_cents for reversal in reversals}
        )
    before, effects = _posted_cents(donation, reversals), None
    for reversal in reversals:
        if reversal.reversed_cents != reversal.posted_cents:
            reversal.posted_cents, reversal.postings = reversal.reversed_cents, reversal.postings + 1
            after = _posted_cents(donation, reversals)
            posted = _post(donation, reversal, before, after, session, cause)
            effects, before = effects.combined_with(posted) if effects else posted, after
    if effects:
        _raise_alert_of_excess(donation, reversals)
    return effects


def _raise_alert_of_excess(donation: Donation, reversals: Sequence[Reversal]) -> None:
    """Tell staff when more was taken than the donor was charged, as long as it is; the books go down to zero and no further."""
    assert donation.payment_intent
    taken = sum(reversal.posted_cents for reversal in reversals)
    if taken > donation.charged_cents:
        detail = {"taken_cents": taken, "charged_cents": donation.charged_cents}
        raise_alert(Alert(kind=AlertKind.LOSS_BEYOND_CHARGE, object_id=donation.payment_intent, donation_id=donation.id, detail=detail))
    else:
        remove_alert(AlertKind.LOSS_BEYOND_CHARGE, donation.payment_intent)


def lock_payments(payment_intents: Collection[str]) -> None:
    """Take an advisory lock for each payment, in a fixed order, so that a refund and its payment are never processed at the same time."""
    keys = sorted(int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True) for name in set(payment_intents))
    if keys:
        db.session.execute(select(func.pg_advisory_xact_lock(func.unnest(cast(keys, ARRAY(BigInteger))))))


def post_after_payment(paid: Effects, donation: Donation, session: RematchingSession, *, cause: str) -> Effects:
    """The effects of a payment, and those of reversals that were stored before it."""
    if donation.payment_intent:
        lock_payments([donation.payment_intent])
    posted = post_pending(donation, session, cause=cause) if donation.received_at else None
    return paid.combined_with(posted) if posted else paid


def _posted_cents(donation: Donation, reversals: Sequence[Reversal]) -> int:
    """What of the charge is reversed in the ledger, in cents."""
    return min(donation.charged_cents, sum(reversal.posted_cents for reversal in reversals))


def _covered_fee_part(donation: Donation, reversed_cents: int) -> int:
    """The part of a reversed sum that is covered fee: in proportion, rounded down (contract.md, section 7)."""
    return reversed_cents * donation.covered_fee_cents // donation.charged_cents


def _post(
    donation: Donation, reversal: Reversal, reversed_before: int, reversed_after: int, session: RematchingSession, cause: str
) -> Effects:
    """The effects of moving the reversed total of the charge from `reversed_before` to `reversed_after`, in cents."""
    fee_before, fee_after = _covered_fee_part(donation, reversed_before), _covered_fee_part(donation, reversed_after)
    net_before, net = session.net_of(donation), donation.amount_cents - (reversed_after - fee_after)
    fee_moves = (Move.COVERED_FEE_REFUND, Move.COVERED_FEE_REINSTATEMENT)
    entries = [
        *_entries(donation, reversal, net - net_before, (Move(reversal.kind), Move.REINSTATEMENT), "donations", cause),
        *_entries(donation, reversal, fee_before - fee_after, fee_moves, "covered_fees", cause),
    ]
    is_reinstatement = reversed_after < reversed_before
    messages = [_message(donation, reversal, reversed_after - reversed_before)] if entries else []
    session.set_net(donation, net)
    session.mark_changed(donation)
    if is_reinstatement:
        entries += session.match_more(donation, session.offers(donation.campaign_id), cause=cause)
        session.join_queue(donation)
        return Effects(outcome=f"{reversal.kind} reinstated", entries=entries, messages=messages)
    entries += session.reduce(donation, cause=cause)
    rematched = session.rematch_freed(donation.campaign_id, FreedBy(reversal.kind), of_donor=donation.donor_id)
    return Effects(outcome=f"{reversal.kind}: {reversal.status}", entries=entries, messages=messages).with_rematched(rematched)


def _message(donation: Donation, reversal: Reversal, change: int) -> NewMessage:
    """News of the change of the reversed total, in cents: by the time it is sent, the reversal may have changed again."""
    about = f"{reversal.stripe_id}:{reversal.postings}"
    return NewMessage(MessageKind.REVERSAL, donation, about, reversal_id=reversal.id, is_reinstatement=change < 0, cents=abs(change))


def _entries(donation: Donation, reversal: Reversal, change: int, moves: tuple[Move, Move], account: str, cause: str) -> list[Entry]:
    """The entry for a change of the account, in cents; none when nothing changes."""
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
            reference=f"{kind}:{reversal.stripe_id}:{reversal.postings}",
            cause=cause,
        )
    ]


def retained_cents(donation: Donation) -> int:
    """What of the charge the charity retains by the ledger, covered fee included, in cents; zero while the donation is not paid."""
    if donation.received_at is None:
        return 0
    if donation.payment_intent is None:
        return donation.net_cents + donation.covered_fee_cents
    posted = select(func.coalesce(func.sum(Reversal.posted_cents), 0))
    reversed_total = db.session.scalars(posted.where(Reversal.payment_intent == donation.payment_intent)).one()
    return donation.charged_cents - min(donation.charged_cents, int(reversed_total))


def returned_fee_cents(donation: Donation) -> int:
    """Which part of the covered fee was returned, in cents."""
    return _covered_fee_part(donation, donation.charged_cents - retained_cents(donation))


def refundable_cents(donation: Donation) -> int:
    """What of the charge can still be refunded, in cents; refunds in progress count as reversed."""
    assert donation.payment_intent
    return max(0, donation.charged_cents - reversed_cents(donation.payment_intent))


def reversed_cents(payment_intent: str) -> int:
    """What of a payment is reversed at Stripe, posted or not, in cents."""
    reversed_total = select(func.coalesce(func.sum(Reversal.reversed_cents), 0)).where(Reversal.payment_intent == payment_intent)
    return int(db.session.scalars(reversed_total).one())


def payments_with_reversals(payment_intents: Sequence[str]) -> set[str]:
    """Which of these payments have a stored refund or dispute."""
    return set(db.session.scalars(select(Reversal.payment_intent).where(Reversal.payment_intent.in_(payment_intents))))


def kinds_in_effect(donation: Donation) -> set[ReversalKind]:
    """The kinds of reversals that have returned money of the donation's payment."""
    in_effect = select(Reversal.kind).where(Reversal.payment_intent == donation.payment_intent, Reversal.reversed_cents > 0)
    return {ReversalKind(kind) for kind in db.session.scalars(in_effect)}
