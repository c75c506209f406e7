"""What one of Stripe's events tells: its type, its moment, and the few fields of its object that we read.

Only what is needed is read from a body, so that new fields at Stripe break nothing. Of a payment the event itself tells enough; that of
anything else is a reason to look at Stripe how it stands now.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from campaign.giving.quarantine import PaymentMade, Why

# These are answered by a look at Stripe.
LOOKED_AT = (
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "invoice.paid",
    "invoice.payment_failed",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "payout.paid",
    "payout.failed",
)
ACTED_ON = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.processing",
    *LOOKED_AT,
)
# What these tell is told by others as well, which say more.
NOTED = {
    "payment_intent.payment_failed": "noted: the checkout stays open, or says itself how it ended",
    "payment_intent.canceled": "noted: the checkout says itself how it ended",
}
LONGEST_NAME = 255
LATEST_SECOND = 2**33
MOST_CENTS = 10**12


class About(StrEnum):
    """What is to be looked at: one refund, all refunds of a payment, one dispute, one payout, a month's invoice, what is given each month."""

    REFUND = "refund"
    REFUNDS_OF = "refunds of"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    INVOICE = "invoice"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True)
class Question:
    """What an event makes us ask Stripe."""

    about: About
    name: str


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A kept event as it is handled: only what is needed is read from its body."""

    event_row: int
    event_id: str
    type: str
    at: datetime
    about: dict[str, Any]
    account: str | None = None

    @classmethod
    def of(cls, event_row: int, event_id: str, kind: str, kept: bytes, received_at: datetime) -> "Happened":
        """Read the body that was kept. The time is Stripe's; ours when it gave none."""
        body = json.loads(kept)
        created = _number(body.get("created"), below=LATEST_SECOND)
        at = received_at if created is None else datetime.fromtimestamp(created, UTC)
        return cls(
            event_row=event_row, event_id=event_id, type=kind, at=at, about=body["data"]["object"], account=name_in(body.get("account"))
        )

    @property
    def donation_name(self) -> str | None:
        """The public id of the donation that the object names, if it names one."""
        metadata = self.about.get("metadata")
        name = metadata.get("donation") if isinstance(metadata, dict) else None
        return name_in(name) or name_in(self.about.get("client_reference_id"))

    @property
    def payment_name(self) -> str | None:
        """The payment that the object is, or names."""
        return name_in(self.about.get("id") if self.about.get("object") == "payment_intent" else self.about.get("payment_intent"))

    @property
    def question(self) -> Question | None:
        """What to look at because of the event; None when it tells all, or names nothing that could be looked at."""
        if self.type not in LOOKED_AT:
            return None
        kind, name = str(self.about.get("object")), name_in(self.about.get("id"))
        if kind == "charge":
            kind, name = About.REFUNDS_OF, self.payment_name
        return Question(About(kind), name) if name and kind in set(About) else None

    @property
    def payment_made(self) -> PaymentMade | None:
        """The payment that the event says has succeeded; what it does not tell of it cannot be as we made it."""
        about = self.about
        if about.get("mode") == "subscription":
            return None  # What was paid is told by the invoice.
        match self.type:
            case "checkout.session.completed" if about.get("payment_status") == "paid":
                amount, intent = about.get("amount_total"), about.get("payment_intent")
            case "checkout.session.async_payment_succeeded":
                amount, intent = about.get("amount_total"), about.get("payment_intent")
            case "payment_intent.succeeded":
                amount, intent = about.get("amount_received"), about.get("id")
            case _:
                return None
        cents = _number(amount, below=MOST_CENTS)
        return PaymentMade(
            payment_intent=name_in(intent),
            amount_cents=-1 if cents is None else cents,
            currency=name_in(about.get("currency")) or "",
            livemode=about.get("livemode") is True,
            paid_at=self.at,
            odd=self._odd,
        )

    @property
    def _odd(self) -> Why | None:
        """Events of our own account name none; what we make names one donation, wherever it names it."""
        if self.account:
            return Why.ACCOUNT
        reference = name_in(self.about.get("client_reference_id"))
        return Why.METADATA if reference and self.donation_name not in {None, reference} else None


def name_in(value: object) -> str | None:
    """A name that the database can hold; None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or "\x00" in value:
        return None
    return None if any("\ud800" <= c <= "\udfff" for c in value) else value


def _number(value: object, *, below: int) -> int | None:
    """A whole number that is not negative, nor beyond all reason."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below else None
