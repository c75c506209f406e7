"""Refunds and disputes as Stripe has them, as plain values."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import stripe


class ReversalKind(StrEnum):
    """The two kinds of reversal."""

    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, kw_only=True)
class StripeReversal:
    """A refund or dispute as fetched. `cents` is the part of the charged amount; `payment_intent` is None for a charge that has none.

    `status` of a refund is pending, requires_action, succeeded, failed or canceled; of a dispute needs_response, under_review, won, lost,
    prevented, one of an appeal or of a warning. `reason` is the bank's reason for a dispute, `respond_by` until when Stripe takes an answer;
    `withdrawn_cents` and `reinstated_cents` are what the balance transactions of a dispute took and gave back, without fees.
    """

    kind: ReversalKind
    id: str
    payment_intent: str | None
    cents: int
    currency: str
    status: str
    reason: str = ""
    respond_by: datetime | None = None
    withdrawn_cents: int = 0
    reinstated_cents: int = 0


def reversal_from(refund_or_dispute: stripe.Refund | stripe.Dispute) -> StripeReversal:
    """Stripe's object as plain values."""
    data = refund_or_dispute.to_dict()
    intent = data.get("payment_intent")
    respond_by = (data.get("evidence_details") or {}).get("due_by")
    moved = [line.get("amount") or 0 for line in data.get("balance_transactions") or [] if isinstance(line, dict)]
    return StripeReversal(
        kind=ReversalKind(data["object"]),
        id=data["id"],
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        cents=data["amount"],
        currency=str(data.get("currency") or "").upper(),
        status=str(data.get("status") or "pending"),
        reason=str(data.get("reason") or ""),
        respond_by=datetime.fromtimestamp(respond_by, UTC) if respond_by else None,
        withdrawn_cents=-sum(cents for cents in moved if cents < 0),
        reinstated_cents=sum(cents for cents in moved if cents > 0),
    )
