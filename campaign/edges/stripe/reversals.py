"""Refunds and disputes as Stripe has them, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

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
    `withdrawn_cents` and `reinstated_cents` are what the balance transactions of a dispute took and gave back, without fees. `returned_at` is
    when the money went back: when a refund was created, when a dispute was withdrawn from the balance. None when Stripe does not say.
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
    returned_at: datetime | None = None


def reversal_from(refund_or_dispute: stripe.Refund | stripe.Dispute) -> StripeReversal:
    """Stripe's object as plain values."""
    data = refund_or_dispute.to_dict()
    intent = data.get("payment_intent")
    lines = [line for line in data.get("balance_transactions") or [] if isinstance(line, dict)]
    moved = [line.get("amount") or 0 for line in lines]
    return StripeReversal(
        kind=ReversalKind(data["object"]),
        id=data["id"],
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        cents=data["amount"],
        currency=str(data.get("currency") or "").upper(),
        status=str(data.get("status") or "pending"),
        reason=str(data.get("reason") or ""),
        respond_by=_moment((data.get("evidence_details") or {}).get("due_by")),
        withdrawn_cents=-sum(cents for cents in moved if cents < 0),
        reinstated_cents=sum(cents for cents in moved if cents > 0),
        returned_at=_withdrawn_at(lines) or _moment(data.get("created")),
    )


def _withdrawn_at(lines: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When the balance transactions of a dispute last began to take money, those that gave all of it back set aside; None without any."""
    withdrawn_at, sum_cents = None, 0
    for line in sorted(lines, key=lambda line: line.get("created") or 0):
        before, sum_cents = sum_cents, sum_cents + (line.get("amount") or 0)
        if before >= 0 > sum_cents:
            withdrawn_at = _moment(line.get("created"))
    return withdrawn_at


def _moment(timestamp: int | None) -> datetime | None:
    return datetime.fromtimestamp(timestamp, UTC) if timestamp else None
