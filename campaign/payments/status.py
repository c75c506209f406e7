"""The status of a donation, derived from its timestamps and the ledger. The values are those of contract.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaign.donations.donations import Donation
from campaign.matching.holds import match_of
from campaign.payments import disputes, offline_gifts
from campaign.payments.offline_gifts import OfflineReversal
from campaign.rules.offline_gifts import OfflineReversalKind

# `Donation.ended_as` of a donation whose payment in quarantine was refunded.
REFUNDED = "refunded"


class Status(StrEnum):
    """The public status of a donation, for pages and the API."""

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    DISPUTED = "disputed"
    FAILED = "failed"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"


class NoGift(StrEnum):
    """Why a payment without Stripe turned out to be no gift. Its status is `refunded`, but pages do not say so: nobody refunded it, or not all of it."""

    RETURNED = "returned"
    RETURNED_AFTER_PART = "returned_after_part"
    MISTAKE = "mistake"


# What pages show of a donation: its status, or why it is none.
ShownState = Status | NoGift


@dataclass(frozen=True, kw_only=True)
class DonationStatus:
    """The status and sums of a donation. `net_cents` is net of reversals; the whole amount while the donation is not paid."""

    state: Status
    net_cents: int
    held_cents: int
    matched_cents: int


def status_of(donation: Donation) -> DonationStatus:
    """The current status of the donation, with its match."""
    match = match_of(donation.id)
    return DonationStatus(
        state=statuses_of([donation])[donation.id],
        net_cents=donation.net_cents if donation.received_at or donation.ended_as == REFUNDED else donation.amount_cents,
        held_cents=match.held_cents,
        matched_cents=match.matched_cents,
    )


def statuses_of(donations: Sequence[Donation]) -> dict[int, Status]:
    """The public status of each donation, by its id, in one query."""
    disputed = disputes.disputed_among([donation.payment_intent for donation in donations if donation.payment_intent])
    return {donation.id: _status(donation, is_disputed=donation.payment_intent in disputed) for donation in donations}


def shown_state_of(donation: Donation, state: Status) -> ShownState:
    """What pages show of the donation, which has this status."""
    return _shown([donation], {donation.id: state})[donation.id]


def shown_states_of(donations: Sequence[Donation]) -> dict[int, ShownState]:
    """What pages show of each donation, by its id."""
    return _shown(donations, statuses_of(donations))


def _shown(donations: Sequence[Donation], statuses: Mapping[int, Status]) -> dict[int, ShownState]:
    cents = {donation.id: donation.amount_cents for donation in donations if statuses[donation.id] is Status.REFUNDED}
    reversals = offline_gifts.no_gift_reversals(cents) if cents else []
    return {**statuses, **{one.donation_id: _no_gift(one, cents[one.donation_id]) for one in reversals}}


def _no_gift(reversal: OfflineReversal, amount_cents: int) -> NoGift:
    if reversal.kind == OfflineReversalKind.MISTAKE:
        return NoGift.MISTAKE
    return NoGift.RETURNED if reversal.cents == amount_cents else NoGift.RETURNED_AFTER_PART


def _status(donation: Donation, *, is_disputed: bool) -> Status:
    if donation.quarantined_at:
        return Status.REFUNDED if donation.ended_as == REFUNDED else Status.QUARANTINED
    if donation.received_at:
        return Status.DISPUTED if is_disputed else _status_of_paid(donation)
    if donation.ended_at:
        return Status.EXPIRED if donation.ended_as == "expired" else Status.FAILED
    return Status.PROCESSING if donation.is_debit or donation.unverified_at else Status.PENDING


def _status_of_paid(donation: Donation) -> Status:
    if donation.net_cents == donation.amount_cents:
        return Status.PAID
    return Status.PARTIALLY_REFUNDED if donation.net_cents else Status.REFUNDED
