"""Stripe's subscriptions for recurring donations: invoices, amounts, the billing portal. Plain values in and out.

Each call raises StripeUnavailable or StripeRefused (client.py).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from stripe.params import InvoiceListParams, SubscriptionUpdateParamsItem, SubscriptionUpdateParamsItemPriceDataRecurring

from campaign.edges.stripe.client import StripeRefused, Urllib3Client, make_client, translated_errors

TIMEOUTS = (2.0, 5.0)
MAX_PRODUCTS = 4096
# The metadata key of a checkout's line and of its product; its value is a Part.
PART = "part"


class Part(StrEnum):
    """What a line of a monthly checkout, and so of each of its invoices, pays for. It is in the metadata of the line and of its product."""

    GIFT = "gift"
    COVERED_FEE = "covered_fee"


@dataclass(frozen=True, kw_only=True)
class InvoicePayment:
    """A payment of an invoice that Stripe took: its payment intent, and how much of it the invoice received, in cents."""

    payment_intent: str
    cents: int
    paid_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StripeInvoice:
    """The invoice of one month as fetched. `status` is draft, open, paid, uncollectible or void.

    `donation` is the public id of the subscription's first donation, `is_first` whether this is its first invoice. `payments` are those that
    Stripe took: an invoice may be paid without any, when it was forgiven or paid out of band, and stay open when they are less than the
    invoice. `total_cents` is what was invoiced.
    `gift_cents` and `covered_fee_cents` are the sums of its lines; `unknown_cents` that of lines that name neither part.
    """

    stripe_id: str
    status: str
    subscription: str | None
    customer: str | None
    donation: str | None
    is_first: bool
    total_cents: int
    gift_cents: int
    covered_fee_cents: int
    unknown_cents: int
    currency: str
    livemode: bool
    payments: Sequence[InvoicePayment]

    @property
    def is_paid(self) -> bool:
        """Whether nothing of the invoice is due any more."""
        return self.status == "paid"

    @property
    def taken_cents(self) -> int:
        """What Stripe took for the invoice, in cents."""
        return sum(payment.cents for payment in self.payments)


@dataclass(frozen=True, kw_only=True)
class StripeSubscription:
    """A subscription as fetched. `gift_cents` and `covered_fee_cents` are monthly, None when its items do not tell them apart.

    `status` is active, past_due, unpaid, canceled, incomplete, incomplete_expired, trialing or paused; `next_payment_at` is the end of the
    current period, `cancels_at` when it will end as scheduled; `cancellation_reason` is the reason that Stripe records for a cancellation.
    """

    stripe_id: str
    status: str
    customer: str | None
    donation: str | None
    gift_cents: int | None
    covered_fee_cents: int | None
    next_payment_at: datetime | None
    cancels_at: datetime | None
    ended_at: datetime | None
    cancellation_reason: str | None


class StripeSubscriptions:
    """A client for the subscriptions of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = make_client(secret_key, api_base, http=Urllib3Client(TIMEOUTS), retries=1)
        # The part that each product pays for. It is set when the product is created, and never changes.
        self._parts: dict[str, Part | None] = {}

    def get_invoice(self, invoice_id: str) -> StripeInvoice:
        """Fetch an invoice with its payments."""
        with translated_errors():
            return self._invoice(self._client.v1.invoices.retrieve(invoice_id, {"expand": ["payments"]}).to_dict())

    def list_settled_invoices(self, moment: datetime | None, *, customer: str | None = None) -> Iterator[StripeInvoice]:
        """Invoices of recurring donations that are paid, or for which Stripe took money, newest first.

        Those created at or after the moment, or all when it is None; of one customer, or of all.
        """
        params: InvoiceListParams = {"limit": 100, "expand": ["data.payments"]}
        if moment:
            params["created"] = {"gte": int(moment.timestamp())}
        if customer:
            params["customer"] = customer
        with translated_errors():
            listed = self._client.v1.invoices.list(params)
            for listed_invoice in listed.auto_paging_iter():
                data = listed_invoice.to_dict()
                invoice = self._invoice(data) if _donation_of(data) else None
                if invoice and (invoice.is_paid or invoice.payments):
                    yield invoice

    def get_subscription(self, subscription_id: str) -> StripeSubscription:
        """Fetch a subscription."""
        with translated_errors():
            return self._subscription(self._client.v1.subscriptions.retrieve(subscription_id).to_dict())

    def list_subscriptions(self) -> Iterator[StripeSubscription]:
        """All subscriptions of recurring donations, ended ones too, newest first."""
        with translated_errors():
            for subscription in self._client.v1.subscriptions.list({"status": "all", "limit": 100}).auto_paging_iter():
                data = subscription.to_dict()
                if (data.get("metadata") or {}).get("donation"):
                    yield self._subscription(data)

    def change_amounts(self, subscription_id: str, *, gift_cents: int, covered_fee_cents: int) -> StripeSubscription:
        """Change the monthly amounts from the next period on. An item with 0 cents is deleted, one of another part stays as it is.

        Raises StripeRefused when the items do not say which of them is the gift.
        """
        amounts = {Part.GIFT: gift_cents, Part.COVERED_FEE: covered_fee_cents}
        with translated_errors():
            items = _data(self._client.v1.subscriptions.retrieve(subscription_id).to_dict().get("items"))
            parts = self._parts_of(items)
            if Part.GIFT not in parts:
                raise StripeRefused(f"no item of {subscription_id} is known to be the gift")
            changes = [_changed_item(item, amounts[part]) for item, part in zip(items, parts, strict=True) if part]
            changed = self._client.v1.subscriptions.update(subscription_id, {"proration_behavior": "none", "items": changes})
            return self._subscription(changed.to_dict())

    def cancel(self, subscription_id: str) -> StripeSubscription:
        """Cancel a subscription now. Raises StripeRefused when it has ended already."""
        with translated_errors():
            return self._subscription(self._client.v1.subscriptions.cancel(subscription_id).to_dict())

    def create_portal_session(self, customer_id: str, *, return_url: str) -> str:
        """Create a session of Stripe's billing portal, where the donor changes their card. Returns its URL, valid for some minutes."""
        with translated_errors():
            return self._client.v1.billing_portal.sessions.create({"customer": customer_id, "return_url": return_url}).url

    def _invoice(self, data: dict[str, Any]) -> StripeInvoice:
        details = ((data.get("parent") or {}).get("subscription_details")) or {}
        payments = data.get("payments") or {}
        if payments.get("has_more"):
            listed = self._client.v1.invoice_payments.list({"invoice": data["id"], "limit": 100})
            payments = {"data": [payment.to_dict() for payment in listed.auto_paging_iter()]}
        taken = _payments_taken(_data(payments), paid_at=(data.get("status_transitions") or {}).get("paid_at"))
        sums = self._sums(self._lines_of(data)) if details and taken else Counter[Part | None]()
        return StripeInvoice(
            stripe_id=data["id"],
            status=str(data.get("status")),
            subscription=_id_of(details.get("subscription")),
            customer=_id_of(data.get("customer")),
            donation=_donation_of(data),
            is_first=data.get("billing_reason") == "subscription_create",
            total_cents=data.get("total") or 0,
            gift_cents=sums[Part.GIFT],
            covered_fee_cents=sums[Part.COVERED_FEE],
            unknown_cents=sums[None],
            currency=str(data.get("currency") or "").upper(),
            livemode=bool(data.get("livemode")),
            payments=taken,
        )

    def _subscription(self, data: dict[str, Any]) -> StripeSubscription:
        items = _data(data.get("items"))
        sums = self._sums([{**item, "amount": (item["price"].get("unit_amount") or 0) * (item.get("quantity") or 1)} for item in items])
        ends = [item["current_period_end"] for item in items if item.get("current_period_end")]
        period_end = min(ends) if ends else None
        is_clear = sums[Part.GIFT] > 0 and not sums[None]
        return StripeSubscription(
            stripe_id=data["id"],
            status=str(data["status"]),
            customer=_id_of(data.get("customer")),
            donation=(data.get("metadata") or {}).get("donation"),
            gift_cents=sums[Part.GIFT] if is_clear else None,
            covered_fee_cents=sums[Part.COVERED_FEE] if is_clear else None,
            next_payment_at=_moment(period_end),
            cancels_at=_moment(data.get("cancel_at") or (period_end if data.get("cancel_at_period_end") else None)),
            ended_at=_moment(data.get("ended_at")),
            cancellation_reason=(data.get("cancellation_details") or {}).get("reason"),
        )

    def _lines_of(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        lines = data.get("lines") or {}
        if not lines.get("has_more"):
            return _data(lines)
        return [line.to_dict() for line in self._client.v1.invoices.line_items.list(data["id"], {"limit": 100}).auto_paging_iter()]

    def _sums(self, lines: Sequence[dict[str, Any]]) -> Counter[Part | None]:
        """What these lines or items sum to, by part, in cents."""
        sums = Counter[Part | None]()
        for line, part in zip(lines, self._parts_of(lines), strict=True):
            sums[part] += line.get("amount") or 0
        return sums

    def _parts_of(self, lines: Sequence[dict[str, Any]]) -> list[Part | None]:
        """The part of each line or item, from its own metadata or its product's. Position says nothing: Stripe promises no order."""
        return [_part_in(line.get("metadata")) or self._part_of_product(_product_of(line)) for line in lines]

    def _part_of_product(self, product: str | None) -> Part | None:
        if product is None:
            return None
        if product not in self._parts:
            try:
                with translated_errors():
                    part = _part_in(self._client.v1.products.retrieve(product).to_dict().get("metadata"))
            except StripeRefused:  # It does not exist.
                return None
            if len(self._parts) >= MAX_PRODUCTS:
                self._parts.clear()
            self._parts[product] = part
        return self._parts[product]


def _id_of(value: Any) -> str | None:
    stripe_id = value.get("id") if isinstance(value, dict) else value
    return str(stripe_id) if stripe_id else None


def _data(listed: dict[str, Any] | None) -> list[dict[str, Any]]:
    return (listed or {}).get("data") or []


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def first_donation_of(invoice: dict[str, Any]) -> str | None:
    """The donation that the first invoice of a subscription names; None for a later one."""
    return _donation_of(invoice) if invoice.get("billing_reason") == "subscription_create" else None


def _donation_of(invoice: dict[str, Any]) -> str | None:
    details = ((invoice.get("parent") or {}).get("subscription_details")) or {}
    return (details.get("metadata") or {}).get("donation")


def _payments_taken(payments: Sequence[dict[str, Any]], *, paid_at: int | None) -> list[InvoicePayment]:
    """The payments that succeeded at Stripe, in order. A payment record, or a canceled or open payment, is no money that Stripe took."""
    taken = []
    for payment in payments:
        intent = _id_of((payment.get("payment") or {}).get("payment_intent"))
        amount_paid = payment.get("amount_paid")
        cents = (payment.get("amount_requested") or 0) if amount_paid is None else amount_paid
        if payment.get("status") == "paid" and intent and cents > 0:
            moment = (payment.get("status_transitions") or {}).get("paid_at") or paid_at
            taken.append(InvoicePayment(payment_intent=intent, cents=cents, paid_at=_moment(moment)))
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(taken, key=lambda payment: (payment.paid_at or latest, -payment.cents, payment.payment_intent))


def _part_in(metadata: Any) -> Part | None:
    part = metadata.get(PART) if isinstance(metadata, dict) else None
    return Part(part) if part in set(Part) else None


def _product_of(line: dict[str, Any]) -> str | None:
    """The product of an invoice's line or of a subscription's item."""
    details = (line.get("pricing") or {}).get("price_details") or {}
    price = line.get("price")
    return _id_of(details.get("product") or (price.get("product") if isinstance(price, dict) else None))


def _changed_item(item: dict[str, Any], cents: int) -> SubscriptionUpdateParamsItem:
    if not cents:
        return {"id": item["id"], "deleted": True}
    price = item["price"]
    recurring: SubscriptionUpdateParamsItemPriceDataRecurring = {"interval": "month"}
    return {
        "id": item["id"],
        "price_data": {
            "currency": price["currency"],
            "product": _id_of(price["product"]) or "",
            "recurring": recurring,
            "unit_amount": cents,
        },
    }
