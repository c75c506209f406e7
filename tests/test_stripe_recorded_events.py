"""Events as others recorded them (data/stripe_events) are stored and handled: none fails, and none of a stranger becomes a donation."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.reporting.integrity import checker
from campaign.stripe_sync import event_jobs
from campaign.stripe_sync.event import HANDLED_TYPES, NOTED_TYPES
from tests.conftest import Stripe
from tests.factories import pay, start_donation
from tests.stripe import body_of, signed, state
from tests.stripe_calls import serve
from tests.stripe_types import Document

RECORDED: list[Document] = [
    {**recorded, "source": path.stem}
    for path in sorted((Path(__file__).parent / "data" / "stripe_events").glob("*.json"))
    for recorded in json.loads(path.read_text())
]
# What the objects of events of these types are: a recorded object is sent with every type of its kind.
KINDS = {"charge.refunded": "charge", "charge.dispute": "dispute", "customer.subscription": "subscription", "checkout.session": "checkout"}
_numbers = itertools.count(1)


def kind_of(event_type: str) -> str:
    return next((kind for start, kind in KINDS.items() if event_type.startswith(start)), event_type.partition(".")[0])


def types_like(event_type: str) -> list[str]:
    return [other for other in (*HANDLED_TYPES, *NOTED_TYPES) if kind_of(other) == kind_of(event_type)]


def deliver(client: FlaskClient, recorded: Document, **changed: Any) -> int:
    """Post the event with an id of its own; the fixtures share theirs."""
    body = body_of({**recorded, "id": f"{recorded['id']}_{next(_numbers)}", **changed})
    return client.post("/stripe/webhook", data=body, headers=signed(body)).status_code


def renamed(document: Document) -> Document:
    """The object with ids of its own."""
    number = next(_numbers)
    new = {name: f"{document[name]}_{number}" for name in ("id", "payment_intent", "subscription") if isinstance(document.get(name), str)}
    return {**document, **new}


def with_our_metadata(document: Document, donation: Donation) -> Document:
    """The object as if our checkout had created it, or as if it were about the donation's payment."""
    ours, metadata = renamed(document), {"donation": donation.public_id}
    if parent := document.get("parent"):
        details = {**parent["subscription_details"], "metadata": metadata, "subscription": f"sub_{donation.public_id}"}
        ours["parent"] = {**parent, "subscription_details": details}
    if "payment_intent" in document or document.get("object") in {"dispute", "refund", "charge", None}:
        ours["payment_intent"] = f"pi_{donation.public_id}"
    if "client_reference_id" in document:
        ours["client_reference_id"] = donation.public_id
    return {**ours, "metadata": metadata}


def serve_today(monkeypatch: pytest.MonkeyPatch, sent: list[Document]) -> None:
    """Let Stripe answer with the objects that were sent, as the API version that we request shows them: its items have prices."""
    objects = {document["id"]: json.loads(json.dumps(document)) for document in sent}
    for document in objects.values():
        for item in (document.get("items") or {}).get("data", []):
            item.setdefault("price", item.get("plan"))

    def answer_to(method: str, path: str, asked: dict[str, Any]) -> Document:
        if path == "/v1/checkout/sessions":
            return {"object": "list", "data": [], "has_more": False, "url": path}
        if path != "/v1/refunds":
            name = path.rsplit("/", 1)[1]
            kind = path.split("/")[2].removesuffix("s")
            return objects.get(name) or {"id": name, "object": kind, "status": "past_due" if kind == "subscription" else "open"}
        refund = {"id": f"re_{asked['payment_intent']}", "object": "refund", "amount": 10_00, "currency": "usd", "status": "succeeded"}
        return {"object": "list", "data": [{**refund, **asked}], "has_more": False, "url": path}

    serve(monkeypatch, answer_to)


def assert_handled() -> None:
    db.session.commit()  # The time of a transaction is when it began.
    event_jobs.handle_events()
    failed = text(
        "SELECT type, last_error, attempts, done_at FROM stripe_event WHERE done_at IS NULL OR dead_at IS NOT NULL OR attempts <> 1"
    )
    assert db.session.execute(failed).all() == []
    assert checker.findings(db.engine) == []


def count_rows(query: str) -> int:
    return int(db.session.execute(text(f"SELECT count(*) FROM {query}")).scalar_one())


def test_the_recorded_events_are_of_types_that_are_handled() -> None:
    assert len(RECORDED) >= 25
    assert {recorded["type"] for recorded in RECORDED} <= {*HANDLED_TYPES, *NOTED_TYPES}
    sent = {other for recorded in RECORDED for other in types_like(recorded["type"])}
    assert sent == {*HANDLED_TYPES, *NOTED_TYPES}


def test_recorded_events_of_strangers_are_handled_and_become_no_donation(
    app: Flask, client: FlaskClient, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Document] = []
    for recorded in RECORDED:
        assert deliver(client, recorded) == (400 if recorded["livemode"] else 200)
        sent.append(recorded["data"]["object"])
        for event_type in types_like(recorded["type"]):
            document = renamed(recorded["data"]["object"])
            assert deliver(client, recorded, type=event_type, livemode=False, data={"object": document}) == 200
            sent.append(document)
    serve_today(monkeypatch, sent)
    assert_handled()
    assert count_rows("donation") == count_rows("recurring_gift") == count_rows("ledger_entry WHERE kind = 'donation'") == 0
    assert count_rows("quarantined_payment") == 0


def test_recorded_events_with_our_metadata_are_handled_and_pay_no_other_sum(
    app: Flask, client: FlaskClient, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [(recorded, event_type) for recorded in RECORDED for event_type in types_like(recorded["type"])]
    donations = [start_donation(campaign, 77_00) for _ in sent]
    is_paid = [kind_of(event_type) in {"charge", "dispute", "refund"} for _, event_type in sent]
    for donation in itertools.compress(donations, is_paid):
        pay(donation)
    db.session.commit()
    documents = [with_our_metadata(recorded["data"]["object"], donation) for (recorded, _), donation in zip(sent, donations, strict=True)]
    serve_today(monkeypatch, documents)
    for (recorded, event_type), document in zip(sent, documents, strict=True):
        assert deliver(client, recorded, type=event_type, livemode=False, data={"object": document}) == 200
    assert_handled()
    db.session.expire_all()
    # Recorded sums and currencies are not those of our donations: nothing is paid by them.
    assert [donation.received_at is not None for donation in donations] == is_paid
    assert {"disputed", "quarantined", "partially_refunded", "processing", "failed", "expired"} <= {
        state(donation) for donation in donations
    }
