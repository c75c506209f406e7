"""Quarantine: payments that are not as we made them, or that nobody here asked for. No match and no receipt: staff decide (policy.md, section 2).

A payment is accepted, given back, or set aside as none of ours. One that was given back, by us or at Stripe, is decided by that; should the
refund fail, it waits for staff again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving import audit, money_back
from campaign.giving.donations import Donation
from campaign.rules.refusals import Refusal, say


class Why(StrEnum):
    """Why a payment was not taken as it came."""

    AMOUNT = "amount"
    CURRENCY = "currency"
    MODE = "mode"
    ACCOUNT = "account"
    METADATA = "metadata"
    SECOND = "second"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class Decision(StrEnum):
    """What became of it."""

    ACCEPTED = "accepted"
    GIVEN_BACK = "given_back"
    SET_ASIDE = "set_aside"


# What the books can hold when staff say so: the sum that was paid, in our currency, of a donation that we know.
ACCEPTABLE = {Why.AMOUNT, Why.SECOND, Why.METADATA}


class CannotDecide(Exception):
    """Why not; its text is one sentence for staff, in English."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(say(refusal, "en"))
        self._refusal = refusal

    def in_words(self, language: str) -> str:
        """The sentence in a language."""
        return say(self._refusal, language)


@dataclass(frozen=True, kw_only=True)
class PaymentMade:
    """A payment that Stripe says has succeeded. `paid_at` is Stripe's time, which decides about the match, not ours.

    `odd` is what whoever read it found: that it is of another Stripe account, or names two donations.
    """

    payment_intent: str | None
    amount_cents: int
    currency: str
    livemode: bool
    paid_at: datetime
    odd: Why | None = None


class QuarantinedPayment(Base):
    """One payment, with what it was and why it waits. `donation_id` is the donation that it names, if we know it."""

    __tablename__ = "quarantined_payment"

    id: Mapped[int] = mapped_column(primary_key=True)
    payment_intent: Mapped[str] = mapped_column(unique=True)
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    why: Mapped[str]
    amount_cents: Mapped[int]
    currency: Mapped[str]
    livemode: Mapped[bool]
    paid_at: Mapped[datetime]
    kept_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    reason: Mapped[str | None]

    @property
    def may_be_accepted(self) -> bool:
        """Whether the books could hold it."""
        return self.why in ACCEPTABLE and self.amount_cents > 0 and self.donation_id is not None

    @property
    def may_be_given_back(self) -> bool:
        """Whether it is ours to give back: a payment of another donation, of another account or of the other mode is not."""
        return self.why not in {Why.TAKEN, Why.MODE, Why.ACCOUNT} and self.amount_cents > 0


Index("ix_quarantined_payment_undecided", QuarantinedPayment.id, postgresql_where=QuarantinedPayment.decision.is_(None))


def keep(payment: PaymentMade, donation: Donation | None, why: Why) -> None:
    """Keep the payment for staff; hearing of it again changes nothing. One that Stripe gave no name waits until it has one."""
    if payment.payment_intent:
        db.session.execute(
            insert(QuarantinedPayment)
            .values(
                payment_intent=payment.payment_intent,
                donation_id=donation.id if donation else None,
                why=why,
                amount_cents=max(0, payment.amount_cents),
                currency=payment.currency.upper()[:8],
                livemode=payment.livemode,
                paid_at=payment.paid_at,
            )
            .on_conflict_do_nothing(index_elements=[QuarantinedPayment.payment_intent])
        )


def claimed(payment: PaymentMade, donation: Donation) -> None:
    """A payment that nobody seemed to have asked for is that of a month of the donation's: it was never odd."""
    for kept in _kept([payment.payment_intent or ""]):
        if kept.decision is None and kept.why == Why.UNKNOWN and donation.payment_intent == kept.payment_intent:
            kept.donation_id = donation.id
            decide(kept, Decision.ACCEPTED, actor="Stripe", reason="a month of a monthly gift")


# A payment of nobody may be that of a month whose invoice is on its way: staff are not asked at once.
_waits_for_staff = QuarantinedPayment.decision.is_(None) & (
    (QuarantinedPayment.why != Why.UNKNOWN) | (QuarantinedPayment.kept_at < func.now() - timedelta(minutes=10))
)


def undecided(*, limit: int) -> list[QuarantinedPayment]:
    """What waits for staff, the oldest first."""
    waiting = select(QuarantinedPayment).where(_waits_for_staff)
    return list(db.session.scalars(waiting.order_by(QuarantinedPayment.id).limit(limit)))


def decided(*, limit: int) -> list[QuarantinedPayment]:
    """What was decided last."""
    done = select(QuarantinedPayment).where(QuarantinedPayment.decision.is_not(None))
    return list(db.session.scalars(done.order_by(QuarantinedPayment.decided_at.desc(), QuarantinedPayment.id.desc()).limit(limit)))


def count_undecided() -> int:
    """How many wait for staff."""
    return db.session.scalar(select(func.count()).where(_waits_for_staff)) or 0


def of_donation(donation: Donation) -> list[QuarantinedPayment]:
    """Payments in quarantine that name the donation, in the order they came."""
    return list(
        db.session.scalars(select(QuarantinedPayment).where(QuarantinedPayment.donation_id == donation.id).order_by(QuarantinedPayment.id))
    )


def payment_in(row: int) -> QuarantinedPayment:
    """The payment of this row; raises CannotDecide when there is none."""
    found = db.session.get(QuarantinedPayment, row)
    if found is None:
        raise CannotDecide(Refusal.NO_SUCH_PAYMENT)
    return found


def locked(row: int) -> QuarantinedPayment:
    """The payment, to be decided on by nobody else until the commit; raises CannotDecide when it is decided. Locked after its donation."""
    found = db.session.get(QuarantinedPayment, row, with_for_update=True, populate_existing=True)
    if found is None:
        raise CannotDecide(Refusal.NO_SUCH_PAYMENT)
    if found.decision is not None:
        raise CannotDecide(Refusal.DECIDED)
    return found


def decide(payment: QuarantinedPayment, decision: Decision, *, actor: str, reason: str) -> None:
    """Write down what became of it, who said so, and why."""
    payment.decision, payment.decided_at, payment.decided_by, payment.reason = decision, func.now(), actor, reason
    audit.record(actor, f"quarantine: {decision}", payment.payment_intent, cents=payment.amount_cents, reason=reason)
    db.session.flush()


def left_of(payment: QuarantinedPayment) -> int:
    """What of it is still with the charity: refunds that are under way count as gone."""
    return max(0, payment.amount_cents - money_back.gone_of(payment.payment_intent))


def follow_refunds(payment_intents: Collection[str], *, actor: str = "Stripe", reason: str = "refunded") -> None:
    """What went back in full needs nobody any more; what came back again does. The donation that it names ends, or waits again, with it."""
    for payment in _kept(sorted(set(payment_intents))):
        is_back = payment.amount_cents > 0 and left_of(payment) == 0
        if is_back and payment.decision is None:
            decide(payment, Decision.GIVEN_BACK, actor=actor, reason=reason)
        elif not is_back and payment.decision == Decision.GIVEN_BACK:
            payment.decision = payment.decided_at = payment.decided_by = payment.reason = None
            audit.record("Stripe", "quarantine: the refund failed", payment.payment_intent, cents=payment.amount_cents)
        _end_donation(payment)
    db.session.flush()


def _kept(payment_intents: Sequence[str]) -> list[QuarantinedPayment]:
    rows = select(QuarantinedPayment).where(QuarantinedPayment.payment_intent.in_(payment_intents)).order_by(QuarantinedPayment.id)
    return list(db.session.scalars(rows.with_for_update(), execution_options={"populate_existing": True}))


def _end_donation(payment: QuarantinedPayment) -> None:
    donation = db.session.get(Donation, payment.donation_id) if payment.donation_id else None
    if donation is None or donation.quarantined_at is None or donation.payment_intent != payment.payment_intent:
        return
    if payment.decision == Decision.GIVEN_BACK:
        donation.ended_at, donation.ended_as = donation.ended_at or func.now(), "refunded"
    elif donation.ended_as == "refunded":
        donation.ended_at = donation.ended_as = None
