"""Every request to Stripe is checked against the types of Stripe's own library: no misspelled or retired parameters."""

import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from pydantic import TypeAdapter, ValidationError
from stripe import params
from stripe.params import billing_portal, checkout

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import aftermath, subscriptions
from campaign.devstack.sandbox import payouts as at_stripe
from campaign.devstack.sandbox.answers import parse_params
from campaign.edges.services import services
from campaign.edges.stripe.balance import StripeBalance
from campaign.edges.stripe.client import StripeRefused, Urllib3Client
from campaign.edges.stripe.payments import StripePayments
from campaign.edges.stripe.subscriptions import StripeSubscriptions
from tests.conftest import Stripe
from tests.stripe import charge_of, checkout_request, paid_at_stripe, stored_object

CLIENTS = (StripePayments, StripeBalance, StripeSubscriptions)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TYPES: dict[tuple[str, str], Any] = {
    ("post", "/v1/checkout/sessions"): checkout.SessionCreateParams,
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
    ("get", "/v1/invoices"): params.InvoiceListParams,
    ("get", "/v1/invoices/_"): params.InvoiceRetrieveParams,
    ("get", "/v1/subscriptions/_"): params.SubscriptionRetrieveParams,
    ("post", "/v1/subscriptions/_"): params.SubscriptionUpdateParams,
    ("delete", "/v1/subscriptions/_"): params.SubscriptionCancelParams,
    ("post", "/v1/billing_portal/sessions"): billing_portal.SessionCreateParams,
}
# Names that the annotations of the parameter types use but their modules import only for type checkers.
OPTIONS = {"StripeContext": object, "UntypedStripeObject": list, "Mapping": Mapping, "Any": Any, "Literal": Literal}
NAME = re.compile(r"/(cs_test|pi|re|du|po|in|sub)_\w+")


def check(method: str, path: str, sent: dict[str, Any]) -> None:
    params_type = TYPES[method, NAME.sub("/_", path)]
    vars(sys.modules[params_type.__module__]).update(OPTIONS)
    adapter = TypeAdapter(params_type)
    adapter.rebuild(_types_namespace=vars(sys.modules[params_type.__module__]))
    adapter.validate_python(sent, extra="forbid")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """The requests sent from now on: method, path, parameters."""
    requests: list[tuple[str, str, dict[str, Any]]] = []
    original = Urllib3Client.request

    def record(self: Urllib3Client, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **more: Any) -> Any:
        parts = urlsplit(url)
        requests.append((method.lower(), parts.path, parse_params(parse_qsl(post_data or parts.query, keep_blank_values=True))))
        return original(self, method, url, headers, post_data, **more)

    monkeypatch.setattr(Urllib3Client, "request", record)
    return requests


def call_every_method(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    """Call each method of the three clients at least once."""
    api, balance = services().stripe_payments, services().stripe_balance
    donation = paid_at_stripe(campaign, 100_00)
    intent = donation.payment_intent
    assert intent
    for session in (
        api.open_checkout(checkout_request()),
        api.open_checkout(checkout_request(language="en", takes_bank_debits=False, attempt_key="key-2")),
    ):
        api.get_checkout(session.id)
        api.expire_checkout(session.id)
    refund = api.create_refund(intent, 40_00, key="refund-1")
    api.find_refund(intent, "refund-1")
    api.get_refund(refund.id)
    api.list_refunds(intent)
    api.get_payment(intent)
    list(api.list_events(LONG_AGO, ["payout.paid", "refund.created"]))
    call_subscription_methods(stripe, api.open_checkout(checkout_request(is_monthly=True, attempt_key="key-3")).id)
    other = paid_at_stripe(campaign, 50_00)
    api.get_dispute(aftermath.create_dispute(stripe.account, charge_of(stripe, other))["id"])
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    balance.get_payment(intent)
    balance.get_payout(payout["id"])
    balance.list_payout_transaction_ids(payout["id"])
    balance.get_balance()
    for listing in (
        balance.list_transactions,
        balance.list_payments,
        balance.list_refunds,
        balance.list_disputes,
        balance.list_payouts,
    ):
        list(listing(LONG_AGO))


def call_subscription_methods(stripe: Stripe, session_id: str) -> None:
    session = subscriptions.pay_checkout(stripe.account, stored_object(stripe, session_id), "4242424242424242")
    api = services().stripe_subscriptions
    api.get_invoice(session["invoice"])
    assert [invoice.payment_intent is not None for invoice in api.list_paid_invoices(LONG_AGO)] == [True]
    api.get_subscription(session["subscription"])
    api.create_portal_session(session["customer"], return_url="https://example.org/back")
    changed = api.change_amounts(session["subscription"], [50_00, 0])
    assert list(changed.cents) == [50_00]
    assert api.cancel(session["subscription"]).status == "canceled"


def test_every_request_matches_the_types_of_the_stripe_library(
    app: Flask, campaign: Campaign, stripe: Stripe, sent: list[tuple[str, str, dict[str, Any]]]
) -> None:
    call_every_method(app, campaign, stripe)
    ours = [request for request in sent if request[:2] != ("post", "/v1/payment_intents")]  # The test itself pays this way.
    for request in ours:
        check(*request)
    assert {(method, NAME.sub("/_", path)) for method, path, _ in ours} == set(TYPES)


def test_every_client_method_is_called(app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    called: set[str] = set()

    def recorded(original: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kw: Any) -> Any:
            called.add(name)
            return original(*args, **kw)

        return call

    for client in CLIENTS:
        for name in [n for n in vars(client) if not n.startswith("_")]:
            monkeypatch.setattr(client, name, recorded(getattr(client, name), f"{client.__name__}.{name}"))
    call_every_method(app, campaign, stripe)
    assert called == {f"{c.__name__}.{n}" for c in CLIENTS for n in vars(c) if not n.startswith("_")}


@pytest.mark.parametrize(
    "invalid",
    [
        {"payment_method_types": ["card"]},
        {"line_items": [{"quantity": "many"}]},
        {"line_items": [{"quantity": 1, "price_data": {"currency": "cad", "unit_amuont": 5}}]},
    ],
)
def test_control_misspelled_and_retired_parameters_are_detected(invalid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check("post", "/v1/checkout/sessions", {"mode": "payment", **invalid})


def test_a_missing_object_raises_stripe_refused(app: Flask, stripe: Stripe) -> None:
    for get in (
        services().stripe_payments.get_refund,
        services().stripe_payments.get_dispute,
        services().stripe_payments.get_checkout,
        services().stripe_balance.get_payout,
    ):
        with pytest.raises(StripeRefused, match="No such"):
            get("xx_nobody")
