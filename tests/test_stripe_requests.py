"""Every request that we send to Stripe, held against the types of Stripe's own library: no parameter that is misspelt, or retired."""

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from pydantic import TypeAdapter, ValidationError
from stripe import params
from stripe.params import billing_portal, checkout

from campaign.edges.outside import outside
from campaign.edges.stripe_api import CheckoutLine, CheckoutOrder, StripeApi
from campaign.edges.stripe_books import StripeBooks
from campaign.edges.stripe_monthly import StripeMonthly
from campaign.edges.stripe_wire import StripeRefused, Wire
from campaign.giving.campaigns import Campaign
from campaign.sandbox import aftermath, subscriptions
from campaign.sandbox import payouts as at_stripe
from campaign.sandbox.answers import nested
from tests.conftest import Stripe
from tests.test_payouts import charge_of, paid_at_stripe

CLIENTS = (StripeApi, StripeBooks, StripeMonthly)
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
# What the options of a request are made of, which are no parameters, and an answer of the library used as one, which we never do.
OPTIONS = {"StripeContext": object, "UntypedStripeObject": list, "Mapping": Mapping, "Any": Any, "Literal": Literal}
NAME = re.compile(r"/(cs_test|pi|re|du|po|in|sub)_\w+")


def check(method: str, path: str, sent: dict[str, Any]) -> None:
    typed = TYPES[method, NAME.sub("/_", path)]
    vars(sys.modules[typed.__module__]).update(OPTIONS)
    adapter = TypeAdapter(typed)
    adapter.rebuild(_types_namespace=vars(sys.modules[typed.__module__]))
    adapter.validate_python(sent, extra="forbid")


def order(**changed: Any) -> CheckoutOrder:
    given = {
        "donation": "d_1",
        "attempt_key": "key-1",
        "currency": "CAD",
        "lines": [CheckoutLine(name="Gift", cents=100_00), CheckoutLine(name="Fee", cents=3_30)],
        "email": "donor@example.org",
        "language": "fr",
        "return_url": "https://example.org/x",
        "cancel_url": "https://example.org/x?return=cancel",
        "description": "Gift",
        "expires_at": datetime.now(UTC) + timedelta(minutes=31),
        "takes_bank_debits": True,
    }
    return CheckoutOrder(**{**given, **changed})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """What goes over the wire from now on: method, path, parameters."""
    heard: list[tuple[str, str, dict[str, Any]]] = []
    really = Wire.request

    def listen(self: Wire, method: str, url: str, headers: object, post_data: Any = None, **more: Any) -> Any:
        at = urlsplit(url)
        heard.append((method.lower(), at.path, nested(parse_qsl(post_data or at.query, keep_blank_values=True))))
        return really(self, method, url, headers, post_data, **more)

    monkeypatch.setattr(Wire, "request", listen)
    return heard


def ask_everything(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    """Each method of both clients, once at least."""
    api, its_books = outside().stripe, outside().stripe_books
    donation = paid_at_stripe(campaign, 100_00)
    intent = donation.payment_intent
    assert intent
    for session in (api.open_checkout(order()), api.open_checkout(order(language="en", takes_bank_debits=False, attempt_key="key-2"))):
        api.checkout(session.id)
        api.expire_checkout(session.id)
    made = api.give_back(intent, 40_00, key="refund-1")
    api.refund_made_for(intent, "refund-1")
    api.refund(made.id)
    api.refunds_of(intent)
    api.payment(intent)
    list(api.events_since(LONG_AGO, ["payout.paid", "refund.created"]))
    ask_about_months(stripe, api.open_checkout(order(is_monthly=True, attempt_key="key-3")).id)
    other = paid_at_stripe(campaign, 50_00)
    api.dispute(aftermath.dispute(stripe.account, charge_of(stripe, other))["id"])
    payout = at_stripe.pay_out(stripe.account, all_of_it=True)
    its_books.payment(intent)
    its_books.payout(payout["id"])
    its_books.moves_in_payout(payout["id"])
    its_books.balance()
    for listing in (
        its_books.moves_since,
        its_books.payments_since,
        its_books.refunds_since,
        its_books.disputes_since,
        its_books.payouts_since,
    ):
        list(listing(LONG_AGO))


def ask_about_months(stripe: Stripe, session_id: str) -> None:
    session = subscriptions.pay(stripe.account, stripe.store.get(session_id), "4242424242424242")
    its_months = outside().stripe_monthly
    its_months.invoice(session["invoice"])
    assert [invoice.payment_intent is not None for invoice in its_months.paid_since(LONG_AGO)] == [True]
    its_months.subscription(session["subscription"])
    its_months.portal(session["customer"], return_url="https://example.org/back")
    changed = its_months.change(session["subscription"], [50_00, 0])
    assert list(changed.cents) == [50_00]
    assert its_months.stop(session["subscription"]).status == "canceled"


def test_every_request_is_as_stripes_own_library_has_it(
    app: Flask, campaign: Campaign, stripe: Stripe, sent: list[tuple[str, str, dict[str, Any]]]
) -> None:
    ask_everything(app, campaign, stripe)
    ours = [one for one in sent if one[:2] != ("post", "/v1/payment_intents")]  # That is the test's own way to pay.
    for one in ours:
        check(*one)
    assert {(method, NAME.sub("/_", path)) for method, path, _ in ours} == set(TYPES)


def test_every_method_of_both_clients_was_asked(app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()
    for client in CLIENTS:
        for name in [n for n in vars(client) if not n.startswith("_")]:
            really = getattr(client, name)
            monkeypatch.setattr(client, name, lambda *a, _r=really, _n=f"{client.__name__}.{name}", **k: asked.add(_n) or _r(*a, **k))
    ask_everything(app, campaign, stripe)
    assert asked == {f"{c.__name__}.{n}" for c in CLIENTS for n in vars(c) if not n.startswith("_")}


@pytest.mark.parametrize(
    "wrong",
    [
        {"payment_method_types": ["card"]},
        {"line_items": [{"quantity": "many"}]},
        {"line_items": [{"quantity": 1, "price_data": {"currency": "cad", "unit_amuont": 5}}]},
    ],
)
def test_control_what_is_misspelt_or_retired_is_noticed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check("post", "/v1/checkout/sessions", {"mode": "payment", **wrong})


def test_an_object_that_is_not_there_is_refused_plainly(app: Flask, stripe: Stripe) -> None:
    for ask in (outside().stripe.refund, outside().stripe.dispute, outside().stripe.checkout, outside().stripe_books.payout):
        with pytest.raises(StripeRefused, match="No such"):
            ask("xx_nobody")
