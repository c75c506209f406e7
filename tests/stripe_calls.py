"""Every call of the service to Stripe: a driver that makes each of them in the sandbox, and a record of requests and answers."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import aftermath, subscriptions
from campaign.devstack.sandbox import payouts as at_stripe
from campaign.devstack.sandbox.answers import parse_params
from campaign.edges.services import services
from campaign.edges.stripe import balance
from campaign.edges.stripe.account import StripeAccount
from campaign.edges.stripe.balance import StripeBalance
from campaign.edges.stripe.client import Urllib3Client
from campaign.edges.stripe.payments import StripePayments
from campaign.edges.stripe.subscriptions import StripeSubscriptions
from tests.conftest import Stripe
from tests.stripe import charge_of, checkout_request, control, paid_at_stripe, stored_object
from tests.web import send

CLIENTS = (StripePayments, StripeBalance, StripeSubscriptions, StripeAccount)
METHODS = {
    f"{client.__name__}.{name}"
    for client in CLIENTS
    for name in vars(client)
    if callable(getattr(client, name)) and not name.startswith("_")
}
NAME = re.compile(r"/(cs_test|pi|prod|re|du|po|in|sub)_\w+")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request over HTTP and its answer. `sent` are the decoded parameters."""

    method: str
    path: str
    headers: Mapping[str, str]
    sent: dict[str, Any]
    status: int
    answer: dict[str, Any]

    @property
    def endpoint(self) -> tuple[str, str]:
        """Its method and path, without the name of an object."""
        return endpoint_of(self.method, self.path)


def endpoint_of(method: str, path: str) -> tuple[str, str]:
    """The method and path, with `_` for the name of an object."""
    return method, NAME.sub("/_", path)


def record_calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The calls from now on."""
    calls: list[Call] = []
    original = Urllib3Client.request

    def request(self: Urllib3Client, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **more: Any) -> Any:
        parts = urlsplit(url)
        sent = parse_params(parse_qsl(post_data or parts.query, keep_blank_values=True))
        body, status, answered = original(self, method, url, headers, post_data, **more)
        calls.append(Call(method=method.lower(), path=parts.path, headers=headers or {}, sent=sent, status=status, answer=json.loads(body)))
        return body, status, answered

    monkeypatch.setattr(Urllib3Client, "request", request)
    return calls


def serve(monkeypatch: pytest.MonkeyPatch, answer_to: Callable[[str, str, dict[str, Any]], dict[str, Any]]) -> None:
    """Answer every request from now on with what `answer_to` returns for its method, path and parameters."""

    def request(self: Urllib3Client, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **more: Any) -> Any:
        parts = urlsplit(url)
        sent = parse_params(parse_qsl(post_data or parts.query, keep_blank_values=True))
        return json.dumps(answer_to(method.lower(), parts.path, sent)), 200, {"Request-Id": "req_1"}

    monkeypatch.setattr(Urllib3Client, "request", request)


def record_methods(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the client methods that are called from now on."""
    called: set[str] = set()

    def recorded(original: Any, name: str) -> Any:
        def call(*args: Any, **kw: Any) -> Any:
            called.add(name)
            return original(*args, **kw)

        return call

    for client in CLIENTS:
        for name in [name for name in vars(client) if callable(getattr(client, name)) and not name.startswith("_")]:
            monkeypatch.setattr(client, name, recorded(getattr(client, name), f"{client.__name__}.{name}"))
    return called


def call_every_method(app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call each method of the three clients at least once, with lists of more than one page."""
    monkeypatch.setattr(balance, "PAGE_SIZE", 1)
    for frequency in ("once", "monthly"):
        for language in ("en", "fr"):
            with app.app_context():  # A language and a form token of its own.
                assert send(app.test_client(), language, frequency=frequency, cover_fee="1").status_code == 303
    donation = paid_at_stripe(campaign, 100_00)
    assert donation.payment_intent
    _call_payment_methods(donation.payment_intent)
    api = services().stripe_payments
    _call_subscription_methods(stripe, api.open_checkout(checkout_request(is_monthly=True, attempt_key="key-3")).id)
    for _ in range(2):
        charge = charge_of(stripe, paid_at_stripe(campaign, 50_00))
        api.get_dispute(aftermath.create_dispute(stripe.account, charge)["id"])
    _call_balance_methods(stripe, donation.payment_intent)
    _call_account_methods(stripe)


def _call_payment_methods(intent: str) -> None:
    api = services().stripe_payments
    for session in (
        api.open_checkout(checkout_request()),
        api.open_checkout(checkout_request(language="en", takes_bank_debits=False, attempt_key="key-2")),
    ):
        api.get_checkout(session.id)
        api.find_checkout_of("pi_unknown")
        api.expire_checkout(session.id)
    refund = api.create_refund(intent, 40_00, key="refund-1")
    api.create_refund(intent, 10_00, key="refund-2")
    api.find_refund(intent, "refund-1")
    api.get_refund(refund.id)
    api.list_refunds(intent)
    api.get_payment(intent)
    assert intent in dict(api.list_successes(LONG_AGO))
    list(api.list_events(LONG_AGO, ["payout.paid", "refund.created"]))


def _call_subscription_methods(stripe: Stripe, session_id: str) -> None:
    session = subscriptions.pay_checkout(stripe.account, stored_object(stripe, session_id), "4242424242424242")
    api = services().stripe_subscriptions
    services().stripe_payments.get_checkout(session_id)
    api.get_invoice(session["invoice"])
    assert [invoice.taken_cents for invoice in api.list_settled_invoices(LONG_AGO)] == [103_30]
    first_payment = stored_object(stripe, session["invoice"])["sandbox_intent"]
    assert services().stripe_payments.find_donation_of_first_payment(first_payment) == checkout_request().donation
    api.get_subscription(session["subscription"])
    api.create_portal_session(session["customer"], return_url="https://example.org/back")
    assert [(found.gift_cents, found.covered_fee_cents) for found in api.list_subscriptions()] == [(100_00, 3_30)]
    for amounts in ({"gift_cents": 60_00, "covered_fee_cents": 2_00}, {"gift_cents": 50_00, "covered_fee_cents": 0}):
        changed = api.change_amounts(session["subscription"], **amounts)
        assert {"gift_cents": changed.gift_cents, "covered_fee_cents": changed.covered_fee_cents} == amounts
    assert api.cancel(session["subscription"]).status == "canceled"


def _call_account_methods(stripe: Stripe) -> None:
    api = services().stripe_account
    control(stripe, "webhook_endpoint", url="https://example.org/stripe/webhook")
    assert api.list_missing_permissions() == {}
    assert api.list_webhook_endpoints() != []
    api.count_undelivered_events(LONG_AGO, datetime.now(UTC), limit=5)
    assert "card" in api.list_payment_methods()
    assert api.can_donors_change_cards()


def _call_balance_methods(stripe: Stripe, intent: str) -> None:
    api = services().stripe_balance
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    api.get_payment(intent)
    api.get_payout(payout["id"])
    assert len(api.list_payout_transaction_ids(payout["id"])) > 1
    api.get_balance()
    list(api.list_transactions(None))
    for listing in (api.list_transactions, api.list_payments, api.list_refunds, api.list_disputes, api.list_payouts):
        list(listing(LONG_AGO))
