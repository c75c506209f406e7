"""Stripe as the service uses it: checkouts, payments, refunds, disputes, events. Plain values in and out.

What makes something has an idempotency key, so that asking twice is harmless; failures are those of stripe_wire.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import stripe
from stripe.params.checkout import (
    SessionCreateParams,
    SessionCreateParamsLineItem,
    SessionCreateParamsLineItemPriceData,
    SessionCreateParamsPaymentMethodOptionsAcssDebit,
)

from campaign.edges.stripe_wire import StripeRefused, client_of, plain_errors

API_VERSION = stripe.api_version
CHECKOUT_MINUTES = 31
TO_OPEN_SECONDS = (2.0, 5.0)
TO_LOOK_SECONDS = (2.0, 3.0)
# A debit is allowed once, by a person.
BANK_DEBIT: SessionCreateParamsPaymentMethodOptionsAcssDebit = {
    "mandate_options": {"payment_schedule": "sporadic", "transaction_type": "personal"}
}
# Where a refund at Stripe keeps the name of our request for it.
REQUEST = "request"


@dataclass(frozen=True, kw_only=True)
class CheckoutLine:
    """One line of what the donor sees at Stripe."""

    name: str
    cents: int


@dataclass(frozen=True, kw_only=True)
class CheckoutOrder:
    """What a checkout is opened for. `attempt_key` makes asking twice harmless."""

    donation: str
    attempt_key: str
    currency: str
    lines: Sequence[CheckoutLine]
    email: str
    language: str
    return_url: str
    cancel_url: str
    description: str
    expires_at: datetime
    takes_bank_debits: bool
    is_monthly: bool = False


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A Checkout Session as Stripe has it now. `status` is open, complete or expired; `payment_status` paid, unpaid or no_payment_required.

    That of a monthly gift has no payment of its own: the `invoice` of the first month was paid.
    """

    id: str
    url: str | None
    status: str
    payment_status: str
    payment_intent: str | None
    donation: str | None
    amount_cents: int
    currency: str
    livemode: bool
    invoice: str | None


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A payment intent: `paid_at` is when its charge was made, in seconds since 1970."""

    id: str
    status: str
    paid_at: int | None


class Back(StrEnum):
    """How money goes back."""

    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, kw_only=True)
class GoneBack:
    """A refund or dispute as Stripe has it now. `cents` is of what was charged; `payment_intent` None for a charge that has none.

    `status` of a refund is pending, requires_action, succeeded, failed or canceled; of a dispute needs_response, under_review, won, lost,
    prevented, or one of a warning.
    """

    kind: Back
    id: str
    payment_intent: str | None
    cents: int
    currency: str
    status: str


class StripeApi:
    """A client of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = client_of(secret_key, api_base, seconds=TO_OPEN_SECONDS, retries=2)
        # Looking can wait for the next look: a silent Stripe must not hold the threads that serve other donors.
        self._glance = client_of(secret_key, api_base, seconds=TO_LOOK_SECONDS, retries=0)

    def open_checkout(self, order: CheckoutOrder) -> Checkout:
        """A Checkout Session to pay a donation; with the same `attempt_key` always the same one.

        An account that may not take bank debits is asked for cards alone, so that no donor is turned away for that.
        """
        try:
            return self._open(order)
        except StripeRefused:
            if not order.takes_bank_debits:
                raise
            return self._open(replace(order, takes_bank_debits=False, attempt_key=f"{order.attempt_key}:card"))

    def _open(self, order: CheckoutOrder) -> Checkout:
        with plain_errors():
            return _checkout(self._client.v1.checkout.sessions.create(_asked_for(order), {"idempotency_key": order.attempt_key}))

    def expire_checkout(self, session_id: str) -> None:
        """End an open session, so that it cannot be paid any more; StripeRefused when it is not open."""
        with plain_errors():
            self._glance.v1.checkout.sessions.expire(session_id)

    def checkout(self, session_id: str) -> Checkout:
        """The session as it is now."""
        with plain_errors():
            return _checkout(self._glance.v1.checkout.sessions.retrieve(session_id))

    def payment(self, payment_intent_id: str) -> Payment:
        """The payment as it is now."""
        with plain_errors():
            intent = self._glance.v1.payment_intents.retrieve(payment_intent_id, {"expand": ["latest_charge"]}).to_dict()
        charge = intent.get("latest_charge")
        return Payment(
            id=intent["id"],
            status=intent["status"],
            paid_at=charge.get("created") if isinstance(charge, dict) else None,
        )

    def give_back(self, payment_intent_id: str, cents: int, *, key: str) -> GoneBack:
        """Refund part or all of a payment; asked again with the same key, it is the same refund."""
        with plain_errors():
            made = self._client.v1.refunds.create(
                {"payment_intent": payment_intent_id, "amount": cents, "metadata": {REQUEST: key}}, {"idempotency_key": key}
            )
            return gone_back(made)

    def refund_made_for(self, payment_intent_id: str, key: str) -> GoneBack | None:
        """The refund of the payment that was made under this key, however long ago."""
        with plain_errors():
            listed = self._client.v1.refunds.list({"payment_intent": payment_intent_id, "limit": 100})
            ours = (one for one in listed.auto_paging_iter() if (one.to_dict().get("metadata") or {}).get(REQUEST) == key)
            return next((gone_back(one) for one in ours), None)

    def refunds_of(self, payment_intent_id: str) -> list[GoneBack]:
        """All refunds of a payment as they are now."""
        with plain_errors():
            listed = self._glance.v1.refunds.list({"payment_intent": payment_intent_id, "limit": 100})
            return [gone_back(one) for one in listed.auto_paging_iter()]

    def refund(self, refund_id: str) -> GoneBack:
        """The refund as it is now."""
        with plain_errors():
            return gone_back(self._glance.v1.refunds.retrieve(refund_id))

    def dispute(self, dispute_id: str) -> GoneBack:
        """The dispute as it is now."""
        with plain_errors():
            return gone_back(self._glance.v1.disputes.retrieve(dispute_id))

    def events_since(self, moment: datetime, types: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Stripe's own list of events made at or after the moment, newest first."""
        with plain_errors():
            listed = self._client.v1.events.list({"created": {"gte": int(moment.timestamp())}, "types": list(types), "limit": 100})
            for event in listed.auto_paging_iter():
                yield event.to_dict()


def _asked_for(order: CheckoutOrder) -> SessionCreateParams:
    metadata = {"donation": order.donation}
    asked: SessionCreateParams = {
        "client_reference_id": order.donation,
        "customer_email": order.email,
        "locale": "fr-CA" if order.language == "fr" else "en",
        "success_url": order.return_url,
        "cancel_url": order.cancel_url,
        "expires_at": int(order.expires_at.timestamp()),
        "allowed_payment_method_types": ["card"],
        "adaptive_pricing": {"enabled": False},
        "line_items": [_line(line, order) for line in order.lines],
        "metadata": metadata,
    }
    if order.is_monthly:  # By card alone: a debit of each month would need another permission of the donor's bank.
        asked |= {"mode": "subscription", "subscription_data": {"metadata": metadata, "description": order.description}}
        return asked
    asked |= {"mode": "payment", "submit_type": "donate", "payment_intent_data": {"metadata": metadata, "description": order.description}}
    if order.takes_bank_debits:
        asked |= {"allowed_payment_method_types": ["card", "acss_debit"], "payment_method_options": {"acss_debit": BANK_DEBIT}}
    return asked


def _line(line: CheckoutLine, order: CheckoutOrder) -> SessionCreateParamsLineItem:
    price: SessionCreateParamsLineItemPriceData = {
        "currency": order.currency.lower(),
        "unit_amount": line.cents,
        "product_data": {"name": line.name},
    }
    if order.is_monthly:
        price["recurring"] = {"interval": "month"}
    return {"quantity": 1, "price_data": price}


def gone_back(found: stripe.Refund | stripe.Dispute) -> GoneBack:
    """Stripe's object as plain values."""
    about = found.to_dict()
    intent = about.get("payment_intent")
    return GoneBack(
        kind=Back(about["object"]),
        id=about["id"],
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        cents=about["amount"],
        currency=str(about.get("currency") or "").upper(),
        status=str(about.get("status") or "pending"),
    )


def _checkout(session: stripe.checkout.Session) -> Checkout:
    found = session.to_dict()
    intent = found.get("payment_intent")
    return Checkout(
        id=found["id"],
        url=found.get("url"),
        status=found.get("status") or "open",
        payment_status=found.get("payment_status") or "unpaid",
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        donation=(found.get("metadata") or {}).get("donation") or found.get("client_reference_id"),
        amount_cents=found.get("amount_total") or 0,
        currency=(found.get("currency") or "").upper(),
        livemode=bool(found.get("livemode")),
        invoice=_named(found.get("invoice")),
    )


def _named(value: Any) -> str | None:
    name = value.get("id") if isinstance(value, dict) else value
    return str(name) if name else None
