"""`campaign check-stripe` reports what is wrong with the account's setup, and nothing when all is well."""

import re
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
import stripe as stripe_library
from flask import Flask
from flask.testing import FlaskCliRunner

from campaign.campaigns.campaigns import Campaign
from campaign.cli.main import check_stripe
from campaign.config import ROOT
from campaign.devstack.sandbox import clock
from campaign.edges.db import db
from campaign.edges.links import STRIPE_WEBHOOK
from campaign.edges.services import services
from campaign.edges.stripe import account
from campaign.stripe_sync.event import HANDLED_TYPES, NEEDED_TYPES, NOTED_TYPES
from tests.conftest import Stripe
from tests.stripe import control


@pytest.fixture(autouse=True)
def endpoint(app: Flask, stripe: Stripe) -> Iterator[None]:
    control(stripe, "webhook_endpoint", url=services().links.absolute(STRIPE_WEBHOOK))
    yield
    clock.set_skew(0)


def problems(app: Flask) -> list[str]:
    result = FlaskCliRunner(app).invoke(check_stripe)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found = [line.removeprefix("problem: ") for line in result.output.splitlines() if line.startswith("problem: ")]
    assert result.exit_code == bool(found), result.output
    return found


def test_a_good_setup_has_no_problem(app: Flask, campaign: Campaign) -> None:
    assert problems(app) == []


@pytest.mark.parametrize(
    ("resource", "access", "name"),
    [
        ("refunds", "read", "Charges and refunds: write"),
        ("checkout/sessions", "none", "Checkout sessions: write"),
        ("events", "none", "Events: read"),
        ("subscriptions", "read", "Subscriptions: write"),
        ("billing_portal/sessions", "none", "Customer portal: write"),
        ("balance", "none", "Balance: read"),
        ("balance_transactions", "none", "Balance transaction sources: read"),
        ("disputes", "none", "Disputes: read"),
        ("invoices", "none", "Invoices: read"),
        ("payment_intents", "none", "PaymentIntents: read"),
        ("payment_method_configurations", "none", "Payment method configurations: read"),
        ("payouts", "none", "Payouts: read"),
        ("products", "none", "Products: read"),
        ("webhook_endpoints", "none", "Webhook endpoints: read"),
    ],
)
def test_each_permission_that_the_key_lacks_is_named(
    app: Flask, campaign: Campaign, stripe: Stripe, resource: str, access: str, name: str
) -> None:
    control(stripe, "permissions", resource=resource, access=access)
    found, *unchecked = problems(app)
    assert found.startswith(f"The key lacks the permission “{name}”; edit the key in Stripe's dashboard. Stripe says: ")
    assert "required permissions" in found
    what = {
        "webhook_endpoints": ["The webhook endpoint", "The delivery of events"],
        "events": ["The delivery of events"],
        "payment_method_configurations": ["The payment methods"],
        "balance": ["The clock"],
    }.get(resource, [])
    assert unchecked == [f"{name} could not be checked, as the key lacks the permission." for name in what]


def test_an_endpoint_that_sends_all_types_but_one_is_a_problem_by_that_one(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    control(stripe, "webhook_endpoint", without="invoice.paid")
    assert problems(app) == ["The webhook endpoint does not send these types of events; add them to it: invoice.paid."]


@pytest.mark.parametrize(
    ("endpoint", "form"),
    [
        ("permissions", {"resource": "refund", "access": "none"}),
        ("webhook_endpoint", {"without": "invoice.payed"}),
        ("webhook_endpoint", {"enabled_events": "invoice.paid,no.such.event"}),
    ],
)
def test_the_sandbox_refuses_a_misspelt_setup(app: Flask, campaign: Campaign, stripe: Stripe, endpoint: str, form: dict[str, str]) -> None:
    with pytest.raises(HTTPError, match="400"):
        control(stripe, endpoint, **form)


def test_a_wrong_key_is_said_once(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    control(stripe, "key", key="sk_test_another")
    (found,) = problems(app)
    assert found.startswith("Stripe refuses the key of STRIPE_SECRET_KEY: AuthenticationError 401")


def test_missing_event_types_are_named_and_too_many_are_no_problem(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    types = [kind for kind in NEEDED_TYPES if kind not in {"payout.canceled", "invoice.paid"}]
    control(stripe, "webhook_endpoint", enabled_events=",".join(types))
    assert problems(app) == ["The webhook endpoint does not send these types of events; add them to it: invoice.paid, payout.canceled."]
    control(stripe, "webhook_endpoint", enabled_events=",".join([*HANDLED_TYPES, *NOTED_TYPES, "customer.created"]))
    assert problems(app) == []
    assert "ignores: customer.created." in FlaskCliRunner(app).invoke(check_stripe).output


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"status": "disabled"}, "is disabled"),
        ({"api_version": "2020-08-27"}, "events of the API version 2020-08-27"),
        ({"url": "https://old.example.org/stripe/webhook"}, "No webhook endpoint of the account has the address"),
        ({"remove": "yes"}, "No webhook endpoint of the account has the address"),
    ],
)
def test_a_wrong_endpoint_is_described(app: Flask, campaign: Campaign, stripe: Stripe, form: dict[str, str], problem: str) -> None:
    control(stripe, "webhook_endpoint", **form)
    (found,) = problems(app)
    assert problem in found


def test_events_that_could_not_be_delivered_point_to_the_signing_secret(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    event = stripe.account.emit("payout.paid", {"id": "po_1", "object": "payout"})
    stripe.store.put({**event, "created": event["created"] - 600})
    stripe.store.retry_later(event["id"], last="400: bad signature", delay=60)
    (found,) = problems(app)
    assert found.startswith("Stripe could not deliver 1 events of the last day.")
    assert "STRIPE_WEBHOOK_SECRETS" in found


def test_bank_debits_that_the_account_does_not_take_are_a_problem_of_a_campaign_that_offers_them(
    app: Flask, campaign: Campaign, stripe: Stripe
) -> None:
    control(stripe, "payment_methods", type="acss_debit", state="off")
    (found,) = problems(app)
    assert found.startswith("The campaign takes bank debits, and the account does not: switch on pre-authorized debit")
    campaign.takes_bank_debits = False
    db.session.commit()
    assert problems(app) == []


def test_no_cards_and_a_portal_without_cards_are_problems(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    control(stripe, "payment_methods", type="card", state="off")
    control(stripe, "portal", feature="payment_method_update", state="off")
    assert [sentence.partition(":")[0] for sentence in problems(app)] == [
        "The account does not take cards.",
        "The billing portal does not let donors change their card",
    ]


def test_a_wrong_clock_is_a_problem(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    clock.set_skew(90)
    (found,) = problems(app)
    assert found.startswith("The clock of this machine is ")
    assert found.endswith("seconds behind Stripe's: set it.")


def test_the_documented_event_types_and_permissions_are_those_that_are_needed() -> None:
    document = (ROOT / "docs" / "stripe.md").read_text()
    permissions, types = (document.partition(f"**{name}.**")[2].partition("\n\n")[0] for name in ("Permissions", "Event types"))
    documented: list[str] = []
    for name in re.findall(r"`([\w.]+)`", types):
        documented.append(f"{documented[-1].rpartition('.')[0]}{name}" if name.startswith(".") else name)
    assert sorted(documented) == sorted(NEEDED_TYPES)
    words = " ".join(permissions.split())
    for permission in account._attempts(services_client()):
        assert permission.partition(":")[0].lower() in words.lower(), permission


def services_client() -> stripe_library.StripeClient:
    return stripe_library.StripeClient("sk_test_of_nobody")
