"""What Stripe says of the payment of a donation, and what follows from it in the books. Hearing a thing twice changes nothing.

The caller has locked the funds of the campaign (`lock_funds`) before any verb here; then comes the donation's row, then the totals.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func

from campaign.edges.db import db
from campaign.giving import donations, ledger, outbox
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund, lock_funds
from campaign.giving.ledger import Entry, Move
from campaign.rules.matching import allocate, unmatched_part


@dataclass(frozen=True, kw_only=True)
class PaymentMade:
    """A payment that Stripe says has succeeded. `paid_at` is Stripe's time, which decides about the match, not ours."""

    payment_intent: str | None
    amount_cents: int
    currency: str
    livemode: bool
    paid_at: datetime


def record_payment(donation: Donation, payment: PaymentMade, *, funds: list[Fund], cause: str) -> str:
    """Post the gift and its match and owe the receipt; returns what happened, in a few words.

    A payment that is not as we made it is quarantined: no match, no receipt, staff decide (policy.md, section 2).
    """
    db.session.refresh(donation, with_for_update=True)
    if donation.paid_at or donation.quarantined_at:
        return _heard_again(donation, payment)
    donation.payment_intent = payment.payment_intent
    if reason := _difference(donation, payment):
        donation.quarantined_at = func.now()
        donation.quarantine_reason = reason
        donations.release_held(donation, cause=cause)
        return f"quarantined: {reason}"
    donation.paid_at = payment.paid_at
    db.session.flush()
    ledger.post(_given(donation, Move.DONATION, "donations", donation.amount_cents, cause))
    if donation.covered_fee_cents:
        ledger.post(_given(donation, Move.COVERED_FEE, "covered_fees", donation.covered_fee_cents, cause))
    _match(donation, funds, cause)
    outbox.owe("receipt", donation)
    outbox.owe("fee", donation)
    return "paid"


def _heard_again(donation: Donation, payment: PaymentMade) -> str:
    if payment.payment_intent and donation.payment_intent and payment.payment_intent != donation.payment_intent:
        return f"a second payment of the same donation: {payment.payment_intent}"
    if donation.payment_intent is None:
        donation.payment_intent = payment.payment_intent
    return "known"


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


def _match(donation: Donation, funds: list[Fund], cause: str) -> None:
    """What was held goes with the gift; what the hold did not cover is asked of the funds again."""
    held = ledger.match_of(donation.id).held
    donations.match_held(donation, held, cause=cause)
    uncovered = unmatched_part(donation.amount_cents, held, {fund.id: fund.ratio for fund in funds})
    if uncovered > 0 and funds:
        # The rows were read before this batch moved them: look again, still under the same lock.
        offers = [fund.offer() for fund in lock_funds([donation.campaign_id])]
        donations.match_available(donation, allocate(uncovered, offers), cause=cause)


def record_processing(donation: Donation) -> str:
    """The payment is under way and may take days: the hold stays."""
    db.session.refresh(donation, with_for_update=True)
    if not donation.is_open:
        return "known"
    donation.processing_at = donation.processing_at or func.now()
    return "processing"


def record_end(donation: Donation, *, ended_as: str, cause: str) -> str:
    """Stripe says that the payment can no longer happen: what was held is free."""
    db.session.refresh(donation, with_for_update=True)
    if not donation.is_open:
        return "known"
    donation.ended_at = func.now()
    donation.ended_as = ended_as
    donations.release_held(donation, cause=cause)
    return ended_as


def record_fee(donation: Donation, fee_cents: int, *, cause: str) -> bool:
    """What Stripe kept of the payment; False when it was known."""
    reference = f"{Move.FEE}:{donation.public_id}"
    if fee_cents <= 0 or ledger.is_posted(reference):
        return False
    ledger.post(
        Entry(
            kind=Move.FEE,
            source="stripe",
            target="fees",
            cents=fee_cents,
            campaign_id=donation.campaign_id,
            donation_id=donation.id,
            reference=reference,
            cause=cause,
        )
    )
    return True
