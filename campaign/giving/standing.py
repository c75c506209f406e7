"""Where a donation stands, derived from its moments and from the books; the words are contract.md's."""

from dataclasses import dataclass
from enum import StrEnum

from campaign.giving import matches, money_back
from campaign.giving.donations import Donation

# How a payment in quarantine ends when it is given back.
REFUNDED = "refunded"


class State(StrEnum):
    """One word for donors, staff and programs."""

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    DISPUTED = "disputed"
    FAILED = "failed"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A donation as of now, in sums: `net_cents` is the gift without what was returned, the whole gift while it is not paid."""

    state: State
    net_cents: int
    held_cents: int
    matched_cents: int


def standing(donation: Donation) -> Standing:
    """Where the donation stands."""
    match = matches.match_of(donation.id)
    return Standing(
        state=_state(donation),
        net_cents=donation.net_cents if donation.paid_at or donation.ended_as == REFUNDED else donation.amount_cents,
        held_cents=match.held_cents,
        matched_cents=match.matched_cents,
    )


def _state(donation: Donation) -> State:
    if donation.quarantined_at:
        return State.REFUNDED if donation.ended_as == REFUNDED else State.QUARANTINED
    if donation.paid_at:
        return _state_of_paid(donation)
    if donation.ended_at:
        return State.EXPIRED if donation.ended_as == "expired" else State.FAILED
    return State.PROCESSING if donation.processing_at else State.PENDING


def _state_of_paid(donation: Donation) -> State:
    if donation.payment_intent and money_back.is_disputed(donation.payment_intent):
        return State.DISPUTED
    if donation.net_cents == donation.amount_cents:
        return State.PAID
    return State.PARTIALLY_REFUNDED if donation.net_cents else State.REFUNDED
