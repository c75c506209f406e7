"""The Stripe webhook: requests without a valid signature and malformed bodies are 400; every other event is stored first and handled later."""

import json
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.servers import Postgres
from campaign.edges.db import db
from campaign.edges.stripe.client import InvalidSignature, verify_signature
from campaign.stripe_sync import event_jobs
from campaign.stripe_sync.event import HANDLED_TYPES, NOTED_TYPES
from campaign.stripe_sync.inbox import InvalidEvent, parse_event
from tests.factories import start_donation
from tests.scale import examples
from tests.stripe import body_of, completed, event, signed

GOOD = event("checkout.session.completed", {"id": "cs_1", "object": "checkout.session"})


def post(client: FlaskClient, body: bytes, headers: dict[str, str] | None = None) -> int:
    return client.post("/stripe/webhook", data=body, headers=signed(body) if headers is None else headers).status_code


def count_stored() -> int:
    return int(db.session.execute(text("SELECT count(*) FROM stripe_event")).scalar_one())


def now(offset: int = 0) -> int:
    return int(time.time()) + offset


BODY = body_of(GOOD)
MAC = signed(BODY)["Stripe-Signature"].partition("v1=")[2]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Stripe-Signature": ""},
        {"Stripe-Signature": "nonsense"},
        {"Stripe-Signature": "t=,v1="},
        {"Stripe-Signature": f"t=now,v1={MAC}"},
        {"Stripe-Signature": f"v1={MAC}"},
        {"Stripe-Signature": f"t={now()},v0={MAC}"},
        {"Stripe-Signature": f"t={now()},v1=é"},
        {"Stripe-Signature": f"t={'9' * 400},v1={MAC}"},
        signed(BODY, secret="whsec_another"),
        signed(BODY, at=now(-86_400)),
        signed(BODY, at=now(86_400)),
        signed(BODY + b" "),
        {"Stripe-Signature": signed(BODY, at=now(-86_400))["Stripe-Signature"] + f",t={now()}"},
    ],
)
def test_i28_a_missing_invalid_or_expired_signature_is_400_and_nothing_is_stored(client: FlaskClient, header: dict[str, str]) -> None:
    assert post(client, BODY, header) == 400
    assert count_stored() == 0


def test_both_secrets_are_valid_during_a_rotation() -> None:
    for secret in ("whsec_old", "whsec_new"):
        verify_signature(BODY, signed(BODY, secret=secret)["Stripe-Signature"], ["whsec_new", "whsec_old"])
    with pytest.raises(InvalidSignature):
        verify_signature(BODY, signed(BODY)["Stripe-Signature"], [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"event"',
        b"123",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 40_000,
        body_of({**GOOD, "object": "charge"}),
        body_of({**GOOD, "id": None}),
        body_of({**GOOD, "id": ""}),
        body_of({**GOOD, "id": "e" * 256}),
        body_of({**GOOD, "type": ["x"]}),
        body_of({**GOOD, "livemode": "false"}),
        body_of({**GOOD, "data": []}),
        body_of({**GOOD, "data": {"object": "x"}}),
        body_of({**GOOD, "id": "evt_\x00"}),
        json.dumps({**GOOD, "id": "evt_\ud800"}).encode(),
        body_of({**GOOD, "livemode": True}),
    ],
)
def test_a_signed_body_that_is_not_a_valid_event_is_400(client: FlaskClient, body: bytes) -> None:
    assert post(client, body) == 400
    assert count_stored() == 0


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_an_event_or_refused(body: bytes) -> None:
    try:
        parse_event(body)
    except InvalidEvent:
        pass


def test_a_body_over_256_kilobytes_is_413(client: FlaskClient) -> None:
    body = body_of({**GOOD, "padding": "x" * 263_000})
    assert post(client, body) == 413
    assert post(client, body_of({**GOOD, "padding": "x" * 200_000})) == 200


@pytest.mark.parametrize("kind", ["customer.created", "some.future.type", "invoice.created"])
def test_an_unhandled_event_type_is_stored_and_ignored_with_a_reason(client: FlaskClient, kind: str) -> None:
    assert post(client, body_of(event(kind, {"id": "x_1", "object": "x", "new": {"shape": [1, 2, {}]}}))) == 200
    event_jobs.handle_events()
    assert db.session.execute(text("SELECT outcome FROM stripe_event")).scalar_one().startswith("ignored: ")


@pytest.mark.parametrize("kind", NOTED_TYPES)
def test_a_noted_event_type_is_stored_and_changes_nothing(client: FlaskClient, campaign: Campaign, kind: str) -> None:
    donation = start_donation(campaign)
    intent = {"id": f"pi_{donation.public_id}", "object": "payment_intent", "metadata": {"donation": donation.public_id}}
    db.session.commit()
    assert post(client, body_of(event(kind, intent))) == 200
    event_jobs.handle_events()
    assert db.session.execute(text("SELECT outcome FROM stripe_event")).scalar_one().startswith("noted: ")
    db.session.expire_all()
    assert donation.is_open


JUNK = st.sampled_from(
    [None, True, False, 0, -1, 1, 50_00, 2**31, 2**63, 10**300, float("nan"), float("inf"), 1e308]
    + ["", "\x00", "\ud800", "x" * 300, "paid", "failed", "lost", "won", "cad", "NaN", [], {}, [[]], {"id": {}}]
)
FIELDS = ("id", "object", "amount", "amount_total", "amount_received", "currency", "status", "payment_status", "payment_intent")


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    kind=st.sampled_from([*HANDLED_TYPES, *NOTED_TYPES]),
    changed=st.dictionaries(st.sampled_from([*FIELDS, "metadata", "client_reference_id", "livemode"]), JUNK, max_size=6),
    object_type=st.sampled_from(["checkout.session", "payment_intent", "refund", "dispute", "charge"]),
    created=JUNK,
)
def test_no_invalid_field_makes_an_event_fail(
    client: FlaskClient, campaign: Campaign, kind: str, changed: dict[str, Any], object_type: str, created: object
) -> None:
    """A signed event with arbitrary fields is stored or refused; a stored event is handled at the first attempt, unless Stripe does not
    know its object.
    """
    donation = start_donation(campaign, 5_00)
    db.session.commit()
    intent = {
        "object": object_type,
        "id": f"x_{donation.public_id}",
        "payment_intent": f"pi_{donation.public_id}",
        "livemode": False,
        "amount": 5_00,
        "amount_total": 5_00,
        "amount_received": 5_00,
        "currency": "cad",
        "status": "succeeded",
        "payment_status": "paid",
        "metadata": {"donation": donation.public_id},
    }
    # First what differs: long ids are cut, and an event waits for an earlier one with the same subject.
    unique_ids = {name: f"{donation.id}_{changed[name]}" for name in ("id", "payment_intent") if isinstance(changed.get(name), str)}
    sent = event(kind, {**intent, **changed, **unique_ids}, created=created)
    assert post(client, json.dumps(sent).encode()) in {200, 400}
    event_jobs.handle_events()
    unhandled = text("SELECT last_error FROM stripe_event WHERE event_id = :id AND done_at IS NULL")
    assert all("No such" in error for error in db.session.execute(unhandled, {"id": sent["id"]}).scalars())


def test_i9_a_200_means_a_durable_row_and_duplicates_are_stored_once(client: FlaskClient, campaign: Campaign) -> None:
    body = body_of(completed(start_donation(campaign)))
    db.session.commit()
    assert [post(client, body) for _ in range(3)] == [200, 200, 200]
    assert count_stored() == 1
    assert db.session.execute(text("SELECT body FROM stripe_event")).scalar_one() == body


def test_an_event_is_stored_although_every_connection_was_closed_since_the_last(client: FlaskClient, cluster: Postgres) -> None:
    another = event("customer.created", {"id": "cus_1", "object": "customer"})
    assert post(client, BODY) == 200
    with cluster.connect() as admin:
        admin.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{db.engine.url.database}'")
    assert post(client, body_of(another)) == 200
    db.session.rollback()
    assert count_stored() == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_post_is_allowed(client: FlaskClient, method: str) -> None:
    answer = client.open("/stripe/webhook", method=method, data=BODY, headers=signed(BODY))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert count_stored() == 0


def test_while_the_database_is_unavailable_the_webhook_responds_503(app: Flask, client: FlaskClient, cluster: Postgres) -> None:
    name = db.engine.url.database
    db.session.remove()
    with cluster.connect() as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        assert post(client, BODY) == 503
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/en/vision-sanaa-richard").status_code == 503
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert post(client, BODY) == 200
