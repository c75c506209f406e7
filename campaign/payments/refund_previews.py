"""What a refund would do to the donation and to matches, decided as the refund itself is, and not written."""

from dataclasses import dataclass
from datetime import UTC, datetime

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.reversals import ReversalKind
from campaign.ledger.moves import Move
from campaign.matching.holds import NO_MATCH, matches_of
from campaign.matching.rematching import lock_match_session
from campaign.payments import refunds, reversals, snapshot_numbers
from campaign.payments.reversals import ReversalSnapshot

# Stripe's ids of refunds begin with re_, so that none can have this one.
_PREVIEW_ID = "preview"


@dataclass(frozen=True, kw_only=True)
class RefundPreview:
    """In cents: `cents` of the charge, of which `fee_cents` are covered fee; the donation loses `freed_cents` of match and has `matched_cents` left.

    `rematched` are the other donations that would be matched at once, with how much more; what is left of the freed match is for later gifts.
    """

    cents: int
    fee_cents: int
    freed_cents: int
    matched_cents: int
    rematched: tuple[tuple[Donation, int], ...]

    @property
    def rematched_cents(self) -> int:
        """What of the freed match goes to other donations at once."""
        return sum(cents for _, cents in self.rematched)


def decide_refund_preview(donation: Donation, cents: int | None) -> RefundPreview:
    """What a refund of `cents` of the charge would do now, all that is left when None. Raises RefundRefused.

    Locks the donation and the funds, and writes what the caller rolls back (refund_jobs.decide_preview).
    """
    session = lock_match_session([donation.campaign_id], [donation.id])  # First, as every refund that is posted locks.
    request = refunds.request_refund(donation, cents, actor="preview", reason="preview")
    matched_before = matches_of([donation.id]).get(donation.id, NO_MATCH).matched_cents
    snapshot = ReversalSnapshot(
        stripe_id=_PREVIEW_ID,
        kind=ReversalKind.REFUND,
        payment_intent=request.payment_intent,
        cents=request.cents,
        status="succeeded",
        snapshot_number=snapshot_numbers.take_snapshot_number(),
        returned_at=datetime.now(UTC),
    )
    fee_before = reversals.returned_fee_cents(donation)
    decided = reversals.record(snapshot, donation, session, cause=_PREVIEW_ID)
    freed = 0
    matched_more: dict[int, int] = {}
    for entry in decided.entries:
        if entry.donation_id is None:
            continue
        if entry.kind is Move.UNMATCH and entry.donation_id == donation.id:
            freed += entry.cents
        elif entry.kind is Move.MATCH:
            matched_more[entry.donation_id] = matched_more.get(entry.donation_id, 0) + entry.cents
    db.session.flush()
    return RefundPreview(
        cents=request.cents,
        fee_cents=reversals.returned_fee_cents(donation) - fee_before,
        freed_cents=freed,
        matched_cents=matched_before - freed + matched_more.pop(donation.id, 0),
        rematched=tuple((db.session.get_one(Donation, donation_id), more) for donation_id, more in matched_more.items()),
    )
