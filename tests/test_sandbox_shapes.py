"""No object of the Stripe sandbox has a field that the classes of Stripe's own library do not name: the service could come to read it."""

import json
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import stripe as library

from campaign.devstack.sandbox.errors import public
from campaign.devstack.sandbox.expansion import fields_of
from tests.conftest import Stripe

KINDS: dict[str, type] = {"checkout.session": library.checkout.Session, "billing_portal.session": library.billing_portal.Session}
SETUP: dict[str, type] = {
    "webhook_endpoints": library.WebhookEndpoint,
    "payment_method_configurations": library.PaymentMethodConfiguration,
    "billing_portal/configurations": library.billing_portal.Configuration,
}


def control(stripe: Stripe, endpoint: str, **form: object) -> Any:
    sent = Request(f"{stripe.url}/control/{endpoint}", data=urlencode(form).encode(), headers={"Accept": "application/json"})
    with urlopen(sent) as answer:
        return json.load(answer)


def unknown_fields(doc: dict[str, Any], kind: type, path: str) -> list[str]:
    """The fields of an object, and of those in it, that its class does not have."""
    fields = fields_of(kind)
    found = [f"{path}.{name}" for name in doc if name not in fields]
    for name in doc.keys() & fields.keys():
        value = doc[name]
        is_list_object = isinstance(value, dict) and value.get("object") == "list"
        inner = value["data"] if is_list_object else value if isinstance(value, list) else [value]
        if name != "metadata" and len(fields[name]) == 1:
            found += [
                field for part in inner if isinstance(part, dict) for field in unknown_fields(part, fields[name][0], f"{path}.{name}")
            ]
    return found


def fill_account(stripe: Stripe, client: library.StripeClient) -> None:
    """Create objects of every kind."""
    card: Any = {"amount": 100_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}
    intent = client.v1.payment_intents.create(card)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 1_00})
    control(stripe, "disputes", payment_intent=client.v1.payment_intents.create(card).id)
    control(stripe, "payouts", method="standard", amount=5_00)
    subscription = control(stripe, "shop", kind="subscription")
    control(stripe, f"subscriptions/{subscription['id']}/months", outcome="cheque")
    control(stripe, f"subscriptions/{subscription['id']}/months", outcome="forgiven")
    line: Any = {"quantity": 1, "price_data": {"currency": "cad", "unit_amount": 100_00, "product_data": {"name": "Gift"}}}
    client.v1.checkout.sessions.create({"mode": "payment", "line_items": [line], "success_url": "https://a.example/s"})
    client.v1.billing_portal.sessions.create({"customer": subscription["customer"]})
    control(stripe, "webhook_endpoint", url="https://a.example/stripe")


def test_no_object_has_a_field_that_its_class_does_not_have(stripe: Stripe) -> None:
    client = library.StripeClient("sk_test_of_the_tests", base_addresses={"api": stripe.url})
    fill_account(stripe, client)
    names = [
        "checkout.session",
        "payment_intent",
        "payment_method",
        "charge",
        "refund",
        "dispute",
        "balance_transaction",
        "event",
        "subscription",
        "invoice",
        "invoice_payment",
        "payment_record",
        "credit_note",
        "payout",
        "customer",
        "product",
        "price",
        "billing_portal.session",
    ]
    for name in names:
        stored = stripe.store.newest(name, limit=100)
        assert stored, name
        kind = KINDS.get(name) or getattr(library, "".join(part.title() for part in name.split("_")))
        for doc in stored:
            shown = public(doc) if name != "event" else {k: v for k, v in doc.items() if k != "data"}
            assert unknown_fields(shown, kind, name) == []
    for path, kind in SETUP.items():
        (found,) = json.loads(json.dumps(client.raw_request("get", f"/v1/{path}").data))["data"]
        assert unknown_fields(found, kind, path) == []


def test_a_credit_note_has_every_field_of_its_class(stripe: Stripe) -> None:
    subscription = control(stripe, "shop", kind="subscription")
    control(stripe, f"subscriptions/{subscription['id']}/months", outcome="forgiven")
    (note,) = stripe.store.newest("credit_note", limit=1)
    (line,) = note["lines"]["data"]
    for doc, kind in ((public(note), library.CreditNote), (line, library.CreditNoteLineItem)):
        assert {name for name in kind.__annotations__ if name.islower()} - doc.keys() == set()
