"""Stripe's subscriptions, as gifts that are given month after month: invoices, sums, the billing portal. Plain values in and out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from campaign.edges.stripe_wire import client_of, plain_errors

SECONDS = (2.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class InvoiceNow:
    """One month's invoice as Stripe has it now: `status` is draft, open, paid, uncollectible or void.

    `donation` is the first donation of its subscription, `is_first` whether this invoice began it; `payment_intent` paid it, or tried to.
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
class SubscriptionNow:
    """A subscription as Stripe has it now. `cents` are its lines in order, `next_at` when the next month begins.

    `status` is active, past_due, unpaid, canceled, incomplete, incomplete_expired, trialing or paused; `ended_because` what Stripe gives as
    reason for an end.
    """

    stripe_id: str
    status: str
    customer: str | None
    donation: str | None
    cents: Sequence[int]
    next_at: datetime | None
    ends_at_next: bool
    ended_at: datetime | None
    ended_because: str | None


class StripeMonthly:
    """Gifts each month, at one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = client_of(secret_key, api_base, seconds=SECONDS, retries=1)

    def invoice(self, invoice_id: str) -> InvoiceNow:
        """The invoice as it is now, with what paid it."""
        with plain_errors():
            return _invoice(self._client.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]}).to_dict())

    def paid_since(self, moment: datetime) -> Iterator[InvoiceNow]:
        """Invoices made at or after the moment that were paid, newest first."""
        with plain_errors():
            listed = self._client.v1.invoices.list(
                {"created": {"gte": int(moment.timestamp())}, "status": "paid", "limit": 100, "expand": ["data.payments"]}
            )
            for one in listed.auto_paging_iter():
                yield _invoice(one.to_dict())

    def subscription(self, subscription_id: str) -> SubscriptionNow:
        """The subscription as it is now."""
        with plain_errors():
            return _subscription(self._client.v1.subscriptions.retrieve(subscription_id).to_dict())

    def change(self, subscription_id: str, cents: Sequence[int]) -> SubscriptionNow:
        """Give these sums from the next month on, one a line in the order of the lines; a line of nothing ends."""
        with plain_errors():
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
                                "unit_amount": sum_,
                            },
                        }
                        if sum_
                        else {"id": item["id"], "deleted": True}
                        for item, sum_ in zip(items, cents, strict=False)
                    ],
                },
            )
            return _subscription(changed.to_dict())

    def stop(self, subscription_id: str) -> SubscriptionNow:
        """No further month is charged; StripeRefused when it has ended already."""
        with plain_errors():
            return _subscription(self._client.v1.subscriptions.cancel(subscription_id).to_dict())

    def portal(self, customer_id: str, *, return_url: str) -> str:
        """The address of Stripe's page where the donor changes their card; good for some minutes."""
        with plain_errors():
            return self._client.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}).url


def _name(value: Any) -> str | None:
    name = value.get("id") if isinstance(value, dict) else value
    return str(name) if name else None


def _invoice(found: dict[str, Any]) -> InvoiceNow:
    details = ((found.get("parent") or {}).get("subscription_details")) or {}
    payments = (found.get("payments") or {}).get("data") or []
    tried = [one for one in payments if (one.get("payment") or {}).get("payment_intent")]
    paid = [one for one in tried if one.get("status") == "paid"] or tried
    paid_at = (found.get("status_transitions") or {}).get("paid_at")
    return InvoiceNow(
        stripe_id=found["id"],
        status=str(found.get("status")),
        subscription=_name(details.get("subscription")),
        customer=_name(found.get("customer")),
        donation=(details.get("metadata") or {}).get("donation"),
        is_first=found.get("billing_reason") == "subscription_create",
        cents=found.get("amount_paid") or 0,
        currency=str(found.get("currency") or "").upper(),
        livemode=bool(found.get("livemode")),
        payment_intent=_name(paid[0]["payment"]["payment_intent"]) if paid else None,
        paid_at=datetime.fromtimestamp(paid_at, UTC) if paid_at else None,
    )


def _subscription(found: dict[str, Any]) -> SubscriptionNow:
    items = (found.get("items") or {}).get("data") or []
    ends = [item["current_period_end"] for item in items if item.get("current_period_end")]
    ended_at = found.get("ended_at")
    return SubscriptionNow(
        stripe_id=found["id"],
        status=str(found["status"]),
        customer=_name(found.get("customer")),
        donation=(found.get("metadata") or {}).get("donation"),
        cents=[(item["price"].get("unit_amount") or 0) * (item.get("quantity") or 1) for item in items],
        next_at=datetime.fromtimestamp(min(ends), UTC) if ends else None,
        ends_at_next=bool(found.get("cancel_at_period_end")),
        ended_at=datetime.fromtimestamp(ended_at, UTC) if ended_at else None,
        ended_because=(found.get("cancellation_details") or {}).get("reason"),
    )
