"""Every request to Stripe is checked against the types of Stripe's own library: no misspelled, retired or oversized parameters."""

from typing import Any

import pytest
import stripe as library
from flask import Flask
from stripe import params
from stripe.params import billing_portal, checkout

from campaign.campaigns.campaigns import Campaign
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused
from tests.conftest import Stripe
from tests.stripe_calls import METHODS, Call, call_every_method, record_calls, record_methods
from tests.stripe_types import is_expandable, request_faults

TYPES: dict[tuple[str, str], Any] = {
    ("post", "/v1/checkout/sessions"): checkout.SessionCreateParams,
    ("get", "/v1/checkout/sessions"): checkout.SessionListParams,
    ("get", "/v1/checkout/sessions/_"): checkout.SessionRetrieveParams,
    ("post", "/v1/checkout/sessions/_/expire"): checkout.SessionExpireParams,
    ("get", "/v1/payment_intents"): params.PaymentIntentListParams,
    ("get", "/v1/payment_intents/_"): params.PaymentIntentRetrieveParams,
    ("post", "/v1/refunds"): params.RefundCreateParams,
    ("get", "/v1/refunds"): params.RefundListParams,
    ("get", "/v1/refunds/_"): params.RefundRetrieveParams,
    ("get", "/v1/disputes"): params.DisputeListParams,
    ("get", "/v1/disputes/_"): params.DisputeRetrieveParams,
    ("get", "/v1/events"): params.EventListParams,
    ("get", "/v1/balance"): params.BalanceRetrieveParams,
    ("get", "/v1/balance_transactions"): params.BalanceTransactionListParams,
    ("get", "/v1/payouts"): params.PayoutListParams,
    ("get", "/v1/payouts/_"): params.PayoutRetrieveParams,
    ("get", "/v1/billing_portal/configurations"): billing_portal.ConfigurationListParams,
    ("get", "/v1/payment_method_configurations"): params.PaymentMethodConfigurationListParams,
    ("get", "/v1/products"): params.ProductListParams,
    ("get", "/v1/webhook_endpoints"): params.WebhookEndpointListParams,
    ("get", "/v1/invoices"): params.InvoiceListParams,
    ("get", "/v1/invoice_payments"): params.InvoicePaymentListParams,
    ("get", "/v1/invoices/_"): params.InvoiceRetrieveParams,
    ("get", "/v1/products/_"): params.ProductRetrieveParams,
    ("get", "/v1/subscriptions"): params.SubscriptionListParams,
    ("get", "/v1/subscriptions/_"): params.SubscriptionRetrieveParams,
    ("post", "/v1/subscriptions/_"): params.SubscriptionUpdateParams,
    ("delete", "/v1/subscriptions/_"): params.SubscriptionCancelParams,
    ("post", "/v1/billing_portal/sessions"): billing_portal.SessionCreateParams,
}
# https://docs.stripe.com/api/idempotent_requests
MAX_IDEMPOTENCY_KEY = 255


def expansion_faults(call: Call) -> list[str]:
    """The paths that a request expands, but that its answer does not have as an expandable field."""
    if call.status != 200:
        return []
    documents = call.answer["data"] if call.answer["object"] == "list" else [call.answer]
    kinds = {document["object"] for document in documents}
    names = [path.removeprefix("data.") for path in call.sent.get("expand", [])]
    return [f"{kind}.{name}" for kind in kinds for name in names if not is_expandable(kind, name)]


def test_every_request_matches_the_types_of_the_stripe_library(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, called = record_calls(monkeypatch), record_methods(monkeypatch)
    call_every_method(app, campaign, stripe, monkeypatch)
    assert called == METHODS
    ours = [call for call in calls if (call.method, call.path) != ("post", "/v1/payment_intents")]  # The test itself pays this way.
    faults = [(call.method, call.path, request_faults(TYPES[call.endpoint], call.sent)) for call in ours]
    assert [fault for fault in faults if fault[2]] == []
    assert {call.endpoint for call in ours} == set(TYPES)
    assert [fault for call in ours for fault in expansion_faults(call)] == []
    assert {call.status for call in calls} == {200, 404}
    assert any("starting_after" in call.sent for call in calls)


def test_requests_that_create_name_their_version_and_a_short_idempotency_key(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = record_calls(monkeypatch)
    call_every_method(app, campaign, stripe, monkeypatch)
    assert {call.headers["Stripe-Version"] for call in calls} == {library.api_version}
    assert {call.headers["Authorization"] for call in calls} == {"Bearer sk_test_of_the_tests"}
    creating = [call for call in calls if call.path in {"/v1/checkout/sessions", "/v1/refunds"} and call.method == "post"]
    assert creating
    assert all(0 < len(call.headers["Idempotency-Key"]) <= MAX_IDEMPOTENCY_KEY for call in creating)
    assert {call.headers["Content-Type"] for call in creating} == {"application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("endpoint", "sent", "fault"),
    [
        (("post", "/v1/checkout/sessions"), {"payment_method_types": ["cart"]}, ".payment_method_types: unknown"),
        (("post", "/v1/checkout/sessions"), {"line_items": [{"quantity": "many"}]}, ".line_items[].quantity: 'many' is not int"),
        (
            ("post", "/v1/checkout/sessions"),
            {"line_items": [{"quantity": "1", "price_data": {"currency": "cad", "unit_amuont": "5"}}]},
            ".line_items[].price_data.unit_amuont: unknown",
        ),
        (
            ("post", "/v1/checkout/sessions"),
            {"line_items": [{"price_data": {"unit_amount": "5"}}]},
            ".line_items[].price_data.currency: missing",
        ),
        (("post", "/v1/checkout/sessions"), {"mode": "paymet"}, ".mode: 'paymet' is not a known value"),
        (("post", "/v1/checkout/sessions"), {"adaptive_pricing": {"enabled": "no"}}, ".adaptive_pricing.enabled: 'no' is not bool"),
        (("post", "/v1/checkout/sessions"), {"metadata": {"donation": "d" * 501}}, "metadata.donation: too long, or with brackets"),
        (("post", "/v1/checkout/sessions"), {"line_items": [{}] * 101}, ".line_items: 101 is not between 0 and 100"),
        (("get", "/v1/refunds"), {"limit": "101"}, ".limit: 101 is not between 1 and 100"),
        (("get", "/v1/events"), {"types": ["payout.paid"] * 21}, ".types: 21 is not between 0 and 20"),
        (("get", "/v1/events"), {"created": {"since": "5"}}, ".created.since: unknown"),
        (("get", "/v1/balance"), {"idempotency_key": "k"}, ".idempotency_key: unknown"),
    ],
)
def test_control_invalid_parameters_are_detected(endpoint: tuple[str, str], sent: dict[str, Any], fault: str) -> None:
    assert request_faults(TYPES[endpoint], sent) == [fault]


def test_control_a_field_that_cannot_be_expanded_is_detected() -> None:
    assert [is_expandable("payment_intent", name) for name in ("latest_charge", "amount", "charges")] == [True, False, False]


def test_a_missing_object_raises_stripe_refused(app: Flask, stripe: Stripe) -> None:
    for get in (
        services().stripe_payments.get_refund,
        services().stripe_payments.get_dispute,
        services().stripe_payments.get_checkout,
        services().stripe_balance.get_payout,
    ):
        with pytest.raises(StripeRefused, match="No such"):
            get("xx_nobody")
