"""Events about objects with any nullable field null or any optional field absent are stored, and handled at the first attempt."""

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox.errors import public
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs
from campaign.stripe_sync.event import HANDLED_TYPES, NOTED_TYPES
from tests.conftest import Stripe
from tests.factories import pay, start_donation
from tests.stripe import body_of, event, signed, state
from tests.stripe_calls import call_every_method, serve
from tests.stripe_types import Change, Document, changes_of, changes_together

# What events are about. The first type of each kind gets every change, the others all changes together.
TYPES = {
    "checkout.session": [kind for kind in HANDLED_TYPES if kind.startswith("checkout.")],
    "payment_intent": ["payment_intent.succeeded", "payment_intent.processing", *NOTED_TYPES],
    "charge": ["charge.refunded"],
    "refund": [kind for kind in HANDLED_TYPES if kind.startswith("refund.")],
    "dispute": [kind for kind in HANDLED_TYPES if kind.startswith("charge.dispute.")],
    "invoice": [kind for kind in HANDLED_TYPES if kind.startswith("invoice.")],
    "subscription": [kind for kind in HANDLED_TYPES if kind.startswith("customer.subscription.")],
    "payout": [kind for kind in HANDLED_TYPES if kind.startswith("payout.")],
    "invoice_payment": ["invoice_payment.paid"],
}
UNCHANGED = Change(paths=(), is_absent=False)
# The state of a donation after an event about a complete object.
AFTER = dict.fromkeys(TYPES, "paid") | {"payout": "pending"} | dict.fromkeys(("charge", "refund", "dispute"), "partially_refunded")


@dataclass(frozen=True, kw_only=True)
class Example:
    """The object that an event is about, and the other objects that Stripe has with it."""

    document: Document
    others: tuple[Document, ...] = ()


def example_of(document: Document, donation: Donation) -> Example:
    """The object as Stripe would have it for this donation."""
    intent, kind = f"pi_{donation.public_id}", document["object"]
    about = {**document, "id": f"{document['id']}{donation.id}", "metadata": {"donation": donation.public_id}}
    match kind:
        case "checkout.session":
            sums = {"amount_total": donation.charged_cents, "payment_status": "paid", "status": "complete", "mode": "payment"}
            return Example(document={**about, **sums, "client_reference_id": donation.public_id, "payment_intent": intent})
        case "payment_intent":
            return Example(document={**about, "id": intent, "amount_received": donation.charged_cents, "status": "succeeded"})
        case "refund" | "dispute":
            pay(donation)
            status = "lost" if kind == "dispute" else "succeeded"
            lines = (
                {"balance_transactions": [{**line, "amount": -1_00} for line in about["balance_transactions"][:1]]}
                if about.get("balance_transactions")
                else {}
            )
            return Example(document={**about, "metadata": {}, "payment_intent": intent, "amount": 1_00, "status": status, **lines})
        case "charge":
            pay(donation)
            refund = {"id": f"re_{donation.id}", "object": "refund", "amount": 1_00, "currency": "cad", "status": "succeeded"}
            return Example(document={**about, "payment_intent": intent}, others=({**refund, "payment_intent": intent},))
        case "invoice_payment":
            invoice = {
                "id": f"in_{donation.public_id}",
                "object": "invoice",
                "currency": "cad",
                "lines": {"data": [{"id": "il_1", "object": "line_item"}]},
            }
            others = (invoice_of(invoice, donation, intent), subscription_of(donation))
            return Example(document={**document, "invoice": invoice["id"]}, others=others)
        case "invoice":
            return Example(document=invoice_of(about, donation, intent), others=(subscription_of(donation),))
    return Example(document={**about, "id": f"sub_{donation.public_id}"} if kind == "subscription" else {**about, "metadata": {}})


def invoice_of(invoice: Document, donation: Donation, intent: str) -> Document:
    details = {"metadata": {"donation": donation.public_id}, "subscription": f"sub_{donation.public_id}"}
    payment = {"object": "invoice_payment", "status": "paid", "amount_paid": donation.charged_cents}
    payment |= {"payment": {"type": "payment_intent", "payment_intent": intent}}
    lines = [{**line, "amount": 0, "metadata": {"part": "covered_fee"}} for line in invoice["lines"]["data"]]
    lines[0] |= {"amount": donation.charged_cents, "metadata": {"part": "gift"}}
    return {
        **invoice,
        "status": "paid",
        "billing_reason": "subscription_create",
        "total": donation.charged_cents,
        "amount_paid": donation.charged_cents,
        "lines": {"object": "list", "data": lines, "has_more": False, "url": "/v1/invoices/lines"},
        "parent": {"type": "subscription_details", "quote_details": None, "subscription_details": details},
        "payments": {"object": "list", "data": [payment], "has_more": False, "url": "/v1/invoice_payments"},
    }


def subscription_of(donation: Donation) -> Document:
    return {"id": f"sub_{donation.public_id}", "object": "subscription", "status": "active", "metadata": {"donation": donation.public_id}}


def serve_objects(monkeypatch: pytest.MonkeyPatch, objects: dict[str, Document]) -> None:
    """Let Stripe answer with these objects, by their ids, and with the refunds of a payment."""

    refunds = defaultdict(list)
    for document in objects.values():
        refunds[document.get("payment_intent") if document["object"] == "refund" else None].append(document)

    def answer_to(method: str, path: str, sent: dict[str, Any]) -> Document:
        stripe_id = path.rsplit("/", 1)[1]
        if path.startswith("/v1/payment_intents/") and stripe_id not in objects:
            charge = {"id": "ch_1", "object": "charge", "created": int(time.time())}
            return {"id": stripe_id, "object": "payment_intent", "status": "succeeded", "latest_charge": charge}
        if path != "/v1/refunds":
            return objects[stripe_id]
        return {"object": "list", "data": refunds[sent["payment_intent"]], "has_more": False, "url": path}

    serve(monkeypatch, answer_to)


def start_recurring(client: FlaskClient, donations: list[Donation], invoice: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pay the first instalment of each donation, so that its subscription is known."""
    objects: dict[str, Document] = {}
    for donation in donations:
        paid = example_of(invoice, donation)
        objects |= {document["id"]: document for document in (paid.document, *paid.others)}
    db.session.commit()
    serve_objects(monkeypatch, objects)
    for document in [document for document in objects.values() if document["object"] == "invoice"]:
        assert post(client, "invoice.paid", document) == 200
    event_jobs.handle_events()


def post(client: FlaskClient, kind: str, document: Document) -> int:
    body = body_of(event(kind, document))
    return client.post("/stripe/webhook", data=body, headers=signed(body)).status_code


def test_events_about_objects_without_their_optional_fields_are_handled(
    app: Flask, client: FlaskClient, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_every_method(app, campaign, stripe, monkeypatch)
    originals = {kind: public(stripe.store.newest(kind, limit=1)[0]) for kind in TYPES}
    objects: dict[str, Document] = {}
    for kind, original in originals.items():
        outer = [change for change in changes_of(original) if len(change.paths[0]) == 1]  # test_stripe_nulls.py goes deeper.
        sent = [(TYPES[kind][0], change) for change in (UNCHANGED, *outer)]
        sent += [(other, change) for other in TYPES[kind][1:] for change in changes_together(original)]
        frequency = "monthly" if kind in {"invoice", "invoice_payment", "subscription"} else "once"
        donations = [start_donation(campaign, 5_00, frequency=frequency) for _ in sent]
        if kind == "subscription":
            start_recurring(client, donations, originals["invoice"], monkeypatch)
        examples = [example_of(original, donation) for donation in donations]
        db.session.commit()
        for (event_type, change), example in zip(sent, examples, strict=True):
            changed = change.apply(example.document)
            objects |= {document["id"]: document for document in (changed, *example.others)}
            assert post(client, event_type, changed) == 200
        serve_objects(monkeypatch, objects)
        event_jobs.handle_events()
        assert state(donations[0]) == AFTER[kind]
    unhandled = text("SELECT type, last_error FROM stripe_event WHERE done_at IS NULL OR dead_at IS NOT NULL OR attempts <> 1")
    assert db.session.execute(unhandled).all() == []
    assert checker.findings(db.engine) == []
