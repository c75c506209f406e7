"""What Stripe says of the payment of a donation, and what follows from it. Hearing a thing twice changes nothing.

Each `record_` decides on a desk: it marks the donation and returns what is to be written (consequences.py).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func

from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation
from campaign.giving.healing import Healed, HealingDesk
from campaign.giving.ledger import Entry, Move
from campaign.giving.matches import Freed

SECOND_PAYMENT = "a second payment of the same donation"


@dataclass(frozen=True, kw_only=True)
class PaymentMade:
    """A payment that Stripe says has succeeded. `paid_at` is Stripe's time, which decides about the match, not ours."""

    payment_intent: str | None
    amount_cents: int
    currency: str
    livemode: bool
    paid_at: datetime


def record_payment(donation: Donation, payment: PaymentMade, desk: HealingDesk, *, cause: str) -> Consequence:
    """The gift and its match, and a receipt owed.

    A payment that is not as we made it is quarantined: no match, no receipt, staff decide (policy.md, section 2).
    """
    if donation.paid_at or donation.quarantined_at:
        return _heard_again(donation, payment)
    donation.payment_intent = payment.payment_intent
    if reason := _difference(donation, payment):
        donation.quarantined_at = func.now()
        donation.quarantine_reason = reason
        return _freed(donation, desk, f"quarantined: {reason}", Freed.QUARANTINE, cause)
    donation.paid_at = payment.paid_at
    desk.now_nets(donation, donation.amount_cents)
    entries = [_given(donation, Move.DONATION, "donations", donation.amount_cents, cause)]
    if donation.covered_fee_cents:
        entries.append(_given(donation, Move.COVERED_FEE, "covered_fees", donation.covered_fee_cents, cause))
    entries += desk.settle(donation, cause=cause)
    desk.settled(donation)
    return Consequence(outcome="paid", entries=entries, owed=[("receipt", donation)])


def _heard_again(donation: Donation, payment: PaymentMade) -> Consequence:
    if payment.payment_intent and donation.payment_intent and payment.payment_intent != donation.payment_intent:
        return Consequence(outcome=f"{SECOND_PAYMENT}: {payment.payment_intent}")
    if donation.payment_intent is None:
        donation.payment_intent = payment.payment_intent
    return Consequence(outcome="known")


def _difference(donation: Donation, payment: PaymentMade) -> str | None:
    if payment.livemode != donation.livemode:
        return "the payment is of the other mode"
    if payment.currency.upper() != donation.currency:
        return f"paid in {payment.currency.upper()[:8]}, not {donation.currency}"
    if payment.amount_cents != donation.charged_cents:
        return f"paid {payment.amount_cents} cents, not {donation.charged_cents}"
    return None


def _given(donation: Donation, kind: Move, source: str, cents: int, cause: str) -> Entry:
    return Entry(
        kind=kind,
        source=source,
        target="stripe",
        cents=cents,
        campaign_id=donation.campaign_id,
        donation_id=donation.id,
        reference=f"{kind}:{donation.public_id}",
        cause=cause,
    )


def _freed(donation: Donation, desk: HealingDesk, outcome: str, freed: Freed, cause: str) -> Consequence:
    """What was held for it is free, and goes to those who wait."""
    entries = desk.release(donation, cause=cause)
    return Consequence(outcome=outcome, entries=entries).with_healed(
        desk.heal_waiting(donation.campaign_id, freed, of_donor=donation.donor_id) if entries else Healed()
    )


def record_processing(donation: Donation) -> Consequence:
    """The payment is under way and may take days: the hold stays."""
    if not donation.is_open:
        return Consequence(outcome="known")
    donation.processing_at = donation.processing_at or func.now()
    return Consequence(outcome="processing")


def record_end(donation: Donation, desk: HealingDesk, *, ended_as: str, cause: str) -> Consequence:
    """Stripe says that the payment can no longer happen: what was held is free."""
    if not donation.is_open:
        return Consequence(outcome="known")
    donation.ended_at = func.now()
    donation.ended_as = ended_as
    return _freed(donation, desk, ended_as, Freed.RELEASE, cause)
