"""Stripe's subscriptions for recurring donations: invoices, amounts, the billing portal. Plain values in and out.

Each call raises StripeUnavailable or StripeRefused (client.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from campaign.edges.stripe.client import make_client, translated_errors

TIMEOUTS = (2.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class StripeInvoice:
    """The invoice of one month as fetched. `status` is draft, open, paid, uncollectible or void.

    `donation` is the public id of the subscription's first donation, `is_first` whether this is its first invoice. `payment_intent` is the
    payment that paid it or, while none has, the first one that tried.
    """

    stripe_id: str
    status: str
    subscription: str | None
    customer: str | None
    donation: str | None
    is_first: bool
    cents: int
    currency: str
    livemode: bool
    payment_intent: str | None
    paid_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StripeSubscription:
    """A subscription as fetched. `cents` are the monthly amounts of its items in order, `next_payment_at` the end of the current period.

    `status` is active, past_due, unpaid, canceled, incomplete, incomplete_expired, trialing or paused; `cancellation_reason` is the reason
    that Stripe records for a cancellation.
    """

    stripe_id: str
    status: str
    customer: str | None
    donation: str | None
    cents: Sequence[int]
    next_payment_at: datetime | None
    cancel_at_period_end: bool
    ended_at: datetime | None
    cancellation_reason: str | None


class StripeSubscriptions:
    """A client for the subscriptions of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = make_client(secret_key, api_base, seconds=TIMEOUTS, retries=1)

    def get_invoice(self, invoice_id: str) -> StripeInvoice:
        """Fetch an invoice with its payments."""
        with translated_errors():
            return _invoice(self._client.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]}).to_dict())

    def list_paid_invoices(self, moment: datetime) -> Iterator[StripeInvoice]:
        """Paid invoices that were created at or after the moment, newest first."""
        with translated_errors():
            listed = self._client.v1.invoices.list(
                {"created": {"gte": int(moment.timestamp())}, "status": "paid", "limit": 100, "expand": ["data.payments"]}
            )
            for invoice in listed.auto_paging_iter():
                yield _invoice(invoice.to_dict())

    def get_subscription(self, subscription_id: str) -> StripeSubscription:
        """Fetch a subscription."""
        with translated_errors():
            return _subscription(self._client.v1.subscriptions.retrieve(subscription_id).to_dict())

    def change_amounts(self, subscription_id: str, cents: Sequence[int]) -> StripeSubscription:
        """Change the monthly amounts from the next period on, in the order of the items. An item with 0 cents is deleted."""
        with translated_errors():
            items = self._client.v1.subscriptions.retrieve(subscription_id).to_dict()["items"]["data"]
            changed = self._client.v1.subscriptions.update(
                subscription_id,
                {
                    "proration_behavior": "none",
                    "items": [
                        {
                            "id": item["id"],
                            "price_data": {
                                "currency": item["price"]["currency"],
                                "product": item["price"]["product"],
                                "recurring": {"interval": "month"},
                                "unit_amount": amount,
                            },
                        }
                        if amount
                        else {"id": item["id"], "deleted": True}
                        for item, amount in zip(items, cents, strict=False)
                    ],
                },
            )
            return _subscription(changed.to_dict())

    def cancel(self, subscription_id: str) -> StripeSubscription:
        """Cancel a subscription now. Raises StripeRefused when it has ended already."""
        with translated_errors():
            return _subscription(self._client.v1.subscriptions.cancel(subscription_id).to_dict())

    def create_portal_session(self, customer_id: str, *, return_url: str) -> str:
        """Create a session of Stripe's billing portal, where the donor changes their card. Returns its URL, valid for some minutes."""
        with translated_errors():
            return self._client.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}).url


def _id_of(value: Any) -> str | None:
    stripe_id = value.get("id") if isinstance(value, dict) else value
    return str(stripe_id) if stripe_id else None


def _invoice(data: dict[str, Any]) -> StripeInvoice:
    details = ((data.get("parent") or {}).get("subscription_details")) or {}
    payments = (data.get("payments") or {}).get("data") or []
    attempts = [payment for payment in payments if (payment.get("payment") or {}).get("payment_intent")]
    relevant = [payment for payment in attempts if payment.get("status") == "paid"] or attempts
    paid_at = (data.get("status_transitions") or {}).get("paid_at")
    return StripeInvoice(
        stripe_id=data["id"],
        status=str(data.get("status")),
        subscription=_id_of(details.get("subscription")),
        customer=_id_of(data.get("customer")),
        donation=(details.get("metadata") or {}).get("donation"),
        is_first=data.get("billing_reason") == "subscription_create",
        cents=data.get("amount_paid") or 0,
        currency=str(data.get("currency") or "").upper(),
        livemode=bool(data.get("livemode")),
        payment_intent=_id_of(relevant[0]["payment"]["payment_intent"]) if relevant else None,
        paid_at=datetime.fromtimestamp(paid_at, UTC) if paid_at else None,
    )


def _subscription(data: dict[str, Any]) -> StripeSubscription:
    items = (data.get("items") or {}).get("data") or []
    ends = [item["current_period_end"] for item in items if item.get("current_period_end")]
    ended_at = data.get("ended_at")
    return StripeSubscription(
        stripe_id=data["id"],
        status=str(data["status"]),
        customer=_id_of(data.get("customer")),
        donation=(data.get("metadata") or {}).get("donation"),
        cents=[(item["price"].get("unit_amount") or 0) * (item.get("quantity") or 1) for item in items],
        next_payment_at=datetime.fromtimestamp(min(ends), UTC) if ends else None,
        cancel_at_period_end=bool(data.get("cancel_at_period_end")),
        ended_at=datetime.fromtimestamp(ended_at, UTC) if ended_at else None,
        cancellation_reason=(data.get("cancellation_details") or {}).get("reason"),
    )
