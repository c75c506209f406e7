"""What Stripe says of the payment of a donation, and what follows from it. Hearing a thing twice changes nothing.

Each `record_` decides: it marks the donation and returns what is to be written. `carry_out` writes it, for one donation or for a batch.
Before either, the funds are locked, then the donations; the totals come last, by the ledger's trigger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func

from campaign.edges.db import db
from campaign.giving import ledger, outbox
from campaign.giving.donations import Donation, lock_donations, match_entry
from campaign.giving.funds import FundsAtHand, lock_funds
from campaign.giving.ledger import Entry, MatchOfDonation, Move
from campaign.rules.matching import allocate, unmatched_part

SECOND_PAYMENT = "a second payment of the same donation"


@dataclass(frozen=True, kw_only=True)
class PaymentMade:
    """A payment that Stripe says has succeeded. `paid_at` is Stripe's time, which decides about the match, not ours."""

    payment_intent: str | None
    amount_cents: int
    currency: str
    livemode: bool
    paid_at: datetime


@dataclass(frozen=True, kw_only=True)
class Consequence:
    """What follows: what happened in a few words, the entries to post, the kinds of work owed to the outside."""

    outcome: str
    entries: Sequence[Entry] = ()
    owed: Sequence[str] = ()


def record_payment(donation: Donation, payment: PaymentMade, *, match: MatchOfDonation, at_hand: FundsAtHand, cause: str) -> Consequence:
    """The gift and its match, and a receipt owed.

    A payment that is not as we made it is quarantined: no match, no receipt, staff decide (policy.md, section 2).
    """
    if donation.paid_at or donation.quarantined_at:
        return _heard_again(donation, payment)
    donation.payment_intent = payment.payment_intent
    if reason := _difference(donation, payment):
        donation.quarantined_at = func.now()
        donation.quarantine_reason = reason
        return Consequence(outcome=f"quarantined: {reason}", entries=_released(donation, match, at_hand, cause))
    donation.paid_at = payment.paid_at
    entries = [_given(donation, Move.DONATION, "donations", donation.amount_cents, cause)]
    if donation.covered_fee_cents:
        entries.append(_given(donation, Move.COVERED_FEE, "covered_fees", donation.covered_fee_cents, cause))
    return Consequence(outcome="paid", entries=entries + _matched(donation, match, at_hand, cause), owed=("receipt", "fee"))


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


def _matched(donation: Donation, match: MatchOfDonation, at_hand: FundsAtHand, cause: str) -> list[Entry]:
    """What was held goes with the gift; what the hold did not cover is asked of the funds again."""
    more = allocate(unmatched_part(donation.amount_cents, match.held, at_hand.ratios), at_hand.offers(donation.campaign_id))
    at_hand.take(more)
    return [
        *(match_entry(donation, Move.MATCH, "held", "matched", part, cause=cause) for part in match.held),
        *(match_entry(donation, Move.MATCH, "available", "matched", part, cause=cause) for part in more),
    ]


def _released(donation: Donation, match: MatchOfDonation, at_hand: FundsAtHand, cause: str) -> list[Entry]:
    at_hand.put_back(match.held)
    return [match_entry(donation, Move.RELEASE, "held", "available", part, cause=cause) for part in match.held]


def record_processing(donation: Donation) -> Consequence:
    """The payment is under way and may take days: the hold stays."""
    if not donation.is_open:
        return Consequence(outcome="known")
    donation.processing_at = donation.processing_at or func.now()
    return Consequence(outcome="processing")


def record_end(donation: Donation, *, ended_as: str, match: MatchOfDonation, at_hand: FundsAtHand, cause: str) -> Consequence:
    """Stripe says that the payment can no longer happen: what was held is free."""
    if not donation.is_open:
        return Consequence(outcome="known")
    donation.ended_at = func.now()
    donation.ended_as = ended_as
    return Consequence(outcome=ended_as, entries=_released(donation, match, at_hand, cause))


def carry_out(decided: Sequence[tuple[Donation, Consequence]]) -> None:
    """Write what follows, in the order in which it was decided."""
    db.session.flush()
    ledger.post(*(entry for _, consequence in decided for entry in consequence.entries))
    outbox.owe(*((kind, donation) for donation, consequence in decided for kind in consequence.owed))


def apply(donation: Donation, decide: Callable[[MatchOfDonation, FundsAtHand], Consequence]) -> str:
    """Lock, decide and write for one donation; returns what happened."""
    at_hand = FundsAtHand(lock_funds([donation.campaign_id]))
    lock_donations([donation.id])
    consequence = decide(ledger.match_of(donation.id), at_hand)
    carry_out([(donation, consequence)])
    return consequence.outcome


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
