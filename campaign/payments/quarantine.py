"""Quarantine: payments that differ from their checkout, or belong to no donation. They get no match and no receipt (policy.md, section 2).

Staff accept, refund or dismiss each of them. A full refund, requested here or at Stripe, decides the payment; if the refund fails, the
payment is pending again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.payments import reversals
from campaign.rules.payment_moments import PaymentMoments
from campaign.staff import audit
from campaign.texts.action_errors import ActionError, describe_error


class Anomaly(StrEnum):
    """Why a payment is in quarantine."""

    AMOUNT = "amount"
    CURRENCY = "currency"
    MODE = "mode"
    ACCOUNT = "account"
    METADATA = "metadata"
    LINES = "lines"
    SECOND = "second"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    SEALED = "sealed"


class Decision(StrEnum):
    """The decision on a payment in quarantine."""

    ACCEPTED = "accepted"
    REFUNDED = "refunded"
    DISMISSED = "dismissed"


# Staff may record these as donations. The others belong to another currency, mode, account or donation, or to no donation of ours.
ACCEPTABLE = {Anomaly.AMOUNT, Anomaly.SECOND, Anomaly.METADATA, Anomaly.LINES}


class DecisionRefused(Exception):
    """A decision on a payment was refused. The message is one sentence for staff, in English."""

    def __init__(self, error: ActionError) -> None:
        super().__init__(describe_error(error, "en"))
        self._error = error

    def describe(self, language: str) -> str:
        """The message in the language."""
        return describe_error(self._error, language)


@dataclass(frozen=True, kw_only=True)
class SucceededPayment:
    """A payment that has succeeded at Stripe, with its moments by Stripe's clock.

    `is_debit` is whether it is a bank debit, None when what was read does not say; `succeeded_at` is when Stripe reported its success, if that report was
    read. `anomaly` is set when reading it already showed one: another Stripe account, metadata that names two donations, or lines
    of an invoice that do not tell the gift from the covered fee.
    """

    payment_intent: str | None
    amount_cents: int
    currency: str
    livemode: bool
    moments: PaymentMoments
    is_debit: bool | None = None
    succeeded_at: datetime | None = None
    anomaly: Anomaly | None = None


class QuarantinedPayment(Base):
    """One payment in quarantine. `donation_id` is the donation that it names, if that exists; `reason` is the reason of the decision.

    `is_debit` is as in SucceededPayment.
    """

    __tablename__ = "quarantined_payment"

    id: Mapped[int] = mapped_column(primary_key=True)
    payment_intent: Mapped[str] = mapped_column(unique=True)
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    anomaly: Mapped[str]
    amount_cents: Mapped[int]
    currency: Mapped[str]
    livemode: Mapped[bool]
    authorized_at: Mapped[datetime]
    received_at: Mapped[datetime]
    is_debit: Mapped[bool | None]
    quarantined_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decision: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    reason: Mapped[str | None]

    @property
    def may_be_accepted(self) -> bool:
        """Whether staff may record it as a donation."""
        return self.anomaly in ACCEPTABLE and self.amount_cents > 0 and self.donation_id is not None

    @property
    def may_be_refunded(self) -> bool:
        """Whether staff may refund it: not a payment that belongs to another donation, another account or the other mode."""
        return self.anomaly not in {Anomaly.CONFLICT, Anomaly.MODE, Anomaly.ACCOUNT} and self.amount_cents > 0


Index("ix_quarantined_payment_undecided", QuarantinedPayment.id, postgresql_where=QuarantinedPayment.decision.is_(None))


def quarantine_payment(payment: SucceededPayment, donation: Donation | None, anomaly: Anomaly) -> None:
    """Store the payment for staff, unless it is stored. Without a payment intent, nothing is stored until a later event names one."""
    if payment.payment_intent:
        db.session.execute(
            insert(QuarantinedPayment)
            .values(
                payment_intent=payment.payment_intent,
                donation_id=donation.id if donation else None,
                anomaly=anomaly,
                amount_cents=max(0, payment.amount_cents),
                currency=payment.currency.upper()[:8],
                livemode=payment.livemode,
                authorized_at=payment.moments.authorized_at,
                received_at=payment.moments.received_at,
                is_debit=payment.is_debit,
            )
            .on_conflict_do_nothing(index_elements=[QuarantinedPayment.payment_intent])
        )


_needs_decision = QuarantinedPayment.decision.is_(None)


def list_pending(*, limit: int) -> list[QuarantinedPayment]:
    """Payments that staff must decide on, oldest first."""
    pending = select(QuarantinedPayment).where(_needs_decision)
    return list(db.session.scalars(pending.order_by(QuarantinedPayment.id).limit(limit)))


def list_decided(*, limit: int) -> list[QuarantinedPayment]:
    """Payments that are decided, latest decision first."""
    decided = select(QuarantinedPayment).where(QuarantinedPayment.decision.is_not(None))
    return list(db.session.scalars(decided.order_by(QuarantinedPayment.decided_at.desc(), QuarantinedPayment.id.desc()).limit(limit)))


def count_pending() -> int:
    """How many payments staff must decide on."""
    return db.session.scalar(pending_count()) or 0


def pending_count() -> Select[int]:
    """The query of how many payments staff must decide on."""
    return select(func.count()).where(_needs_decision)


def payments_of(donation: Donation) -> list[QuarantinedPayment]:
    """Quarantined payments that name the donation, in the order in which they were quarantined."""
    return list(
        db.session.scalars(select(QuarantinedPayment).where(QuarantinedPayment.donation_id == donation.id).order_by(QuarantinedPayment.id))
    )


def get_payment(payment_id: int) -> QuarantinedPayment:
    """The payment with this row id. Raises DecisionRefused when there is none."""
    payment = db.session.get(QuarantinedPayment, payment_id)
    if payment is None:
        raise DecisionRefused(ActionError.NO_SUCH_PAYMENT)
    return payment


def lock_payment(payment_id: int) -> QuarantinedPayment:
    """Lock the payment, after its donation, until the transaction ends. Raises DecisionRefused when it is decided or unknown."""
    payment = db.session.get(QuarantinedPayment, payment_id, with_for_update=True, populate_existing=True)
    if payment is None:
        raise DecisionRefused(ActionError.NO_SUCH_PAYMENT)
    if payment.decision is not None:
        raise DecisionRefused(ActionError.DECIDED)
    return payment


def decide(payment: QuarantinedPayment, decision: Decision, *, actor: str, reason: str) -> None:
    """Record the decision, with who made it and why."""
    payment.decision, payment.decided_at, payment.decided_by, payment.reason = decision, func.now(), actor, reason
    audit.record(actor, f"quarantine: {decision}", payment.payment_intent, cents=payment.amount_cents, reason=reason)
    db.session.flush()


def refundable_cents(payment: QuarantinedPayment) -> int:
    """What of the payment is still with the charity, in cents; refunds in progress count as reversed."""
    return max(0, payment.amount_cents - reversals.reversed_cents(payment.payment_intent))


def apply_refunds(payment_intents: Collection[str], *, actor: str = "Stripe", reason: str = "refunded") -> None:
    """Decide payments that were reversed in full as refunded, and reopen those whose refund failed, with the donations that they name."""
    for payment in _lock_payments(sorted(set(payment_intents))):
        is_reversed = payment.amount_cents > 0 and refundable_cents(payment) == 0
        if is_reversed and payment.decision is None:
            decide(payment, Decision.REFUNDED, actor=actor, reason=reason)
        elif not is_reversed and payment.decision == Decision.REFUNDED:
            payment.decision = payment.decided_at = payment.decided_by = payment.reason = None
            audit.record("Stripe", "quarantine: the refund failed", payment.payment_intent, cents=payment.amount_cents)
        _end_donation(payment)
    db.session.flush()


def _lock_payments(payment_intents: Sequence[str]) -> list[QuarantinedPayment]:
    rows = select(QuarantinedPayment).where(QuarantinedPayment.payment_intent.in_(payment_intents)).order_by(QuarantinedPayment.id)
    return list(db.session.scalars(rows.with_for_update(), execution_options={"populate_existing": True}))


def _end_donation(payment: QuarantinedPayment) -> None:
    donation = db.session.get(Donation, payment.donation_id) if payment.donation_id else None
    if donation is None or donation.quarantined_at is None or donation.payment_intent != payment.payment_intent:
        return
    if payment.decision == Decision.REFUNDED:
        donation.ended_at, donation.ended_as = donation.ended_at or func.now(), "refunded"
    elif donation.ended_as == "refunded":
        donation.ended_at = donation.ended_as = None
