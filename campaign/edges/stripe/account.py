"""How the Stripe account and its key are set up: permissions, webhook endpoints, payment methods, the billing portal. Nothing is changed.

Each call raises StripeUnavailable, StripeKeyRefused or StripeRefused (client.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import stripe

from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused, Urllib3Client, make_client, translated_errors

TIMEOUTS = (2.0, 10.0)
NOTHING = "campaign_check"  # The end of ids that no object has: a call that needs to write is refused as soon as it is permitted.


@dataclass(frozen=True, kw_only=True)
class WebhookEndpoint:
    """A webhook endpoint. `event_types` may be `*`, all types; `api_version` is None when it is that of the account."""

    url: str
    is_enabled: bool
    event_types: Sequence[str]
    api_version: str | None


class StripeAccount:
    """A client for the setup of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = make_client(secret_key, api_base, http=Urllib3Client(TIMEOUTS), retries=1)

    def list_missing_permissions(self) -> dict[str, str]:
        """The permissions that the key lacks, by their names on Stripe's page for restricted keys, with Stripe's message.

        Each is tried with a call that reads one object, or writes to one that does not exist. Raises StripeKeyRefused for an unknown key.
        """
        missing: dict[str, str] = {}
        for name, attempt in _attempts(self._client).items():
            try:
                with translated_errors():
                    attempt()
            except StripeKeyRefused as error:
                if not error.is_permission_missing:
                    raise
                missing[name] = str(error)
            except StripeRefused:
                continue  # It is permitted; there is only nothing to do it with.
        return missing

    def list_webhook_endpoints(self) -> list[WebhookEndpoint]:
        """The webhook endpoints of the account."""
        with translated_errors():
            listed = [endpoint.to_dict() for endpoint in self._client.v1.webhook_endpoints.list({"limit": 100}).auto_paging_iter()]
        return [
            WebhookEndpoint(
                url=data["url"],
                is_enabled=data["status"] == "enabled",
                event_types=data["enabled_events"],
                api_version=data.get("api_version"),
            )
            for data in listed
        ]

    def count_undelivered_events(self, since: datetime, until: datetime, *, limit: int) -> int:
        """How many events of this period a webhook endpoint has not accepted, up to `limit`."""
        with translated_errors():
            first, last = int(since.timestamp()), int(until.timestamp())
            listed = self._client.v1.events.list({"created": {"gte": first, "lte": last}, "delivery_success": False, "limit": limit})
            return len(listed.data)

    def list_payment_methods(self) -> list[str]:
        """The payment methods that the account's default configuration offers, such as card, acss_debit, link or apple_pay."""
        with translated_errors():
            configurations = self._client.v1.payment_method_configurations.list({"limit": 100})
            active = [data for data in (found.to_dict() for found in configurations.auto_paging_iter()) if data.get("active")]
        default = [data for data in active if data.get("is_default") or len(active) == 1]
        return sorted({name for data in default for name, method in data.items() if _is_on(method)})

    def can_donors_change_cards(self) -> bool:
        """Whether the default configuration of the billing portal lets donors change their card."""
        with translated_errors():
            listed = self._client.v1.billing_portal.configurations.list({"is_default": True, "limit": 1})
            configurations = [configuration.to_dict() for configuration in listed.data]
        return any(data.get("active") and data["features"]["payment_method_update"]["enabled"] for data in configurations)


def _is_on(method: Any) -> bool:
    return isinstance(method, Mapping) and bool(method.get("available")) and (method.get("display_preference") or {}).get("value") == "on"


def _attempts(client: stripe.StripeClient) -> dict[str, Callable[[], object]]:
    """One harmless call for each permission that the service needs."""
    v1, one, intent = client.v1, 1, f"pi_{NOTHING}"
    return {
        "Balance: read": v1.balance.retrieve,
        "Balance transaction sources: read": lambda: v1.balance_transactions.list({"limit": one}),
        "Charges and refunds: write": lambda: v1.refunds.create({"payment_intent": intent, "amount": 100}),
        "Checkout sessions: write": lambda: v1.checkout.sessions.expire(f"cs_test_{NOTHING}"),
        "Customer portal: write": lambda: v1.billing_portal.sessions.create({"customer": f"cus_{NOTHING}"}),
        "Disputes: read": lambda: v1.disputes.list({"limit": one}),
        "Events: read": lambda: v1.events.list({"limit": one}),
        "Invoices: read": lambda: v1.invoices.list({"limit": one}),
        "PaymentIntents: read": lambda: v1.payment_intents.list({"limit": one}),
        "Payment method configurations: read": lambda: v1.payment_method_configurations.list({"limit": one}),
        "Payouts: read": lambda: v1.payouts.list({"limit": one}),
        "Products: read": lambda: v1.products.list({"limit": one}),
        "Subscriptions: write": lambda: v1.subscriptions.cancel(f"sub_{NOTHING}"),
        "Webhook endpoints: read": lambda: v1.webhook_endpoints.list({"limit": one}),
    }
