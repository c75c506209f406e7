"""Limits on what one network, one email address and all clients together may do; they hold with Redis away, and Redis has no address."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import receipt_actions
from campaign.web.networks import client_key
from campaign.web.public.donation_form import new_attempt
from campaign.web.security import DONATIONS_PER_EMAIL, DONATIONS_PER_EMAIL_AND_CLIENT, limiter
from tests.conftest import Stripe
from tests.factories import issue_receipt, paid, run_concurrently
from tests.web import FORM, SLUG, hidden_fields, send

PER_EMAIL, PER_EMAIL_AND_CLIENT = int(DONATIONS_PER_EMAIL.split()[0]), int(DONATIONS_PER_EMAIL_AND_CLIENT.split()[0])


@pytest.fixture(autouse=True)
def redis_is_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The limiter remembers for a while that Redis was away in another test."""
    limiter._storage_dead = False
    yield
    monkeypatch.undo()
    limiter._storage_dead = False


def begin(client: FlaskClient, email: str, address: str) -> int:
    """The status of the posted form, with the attempt that the page would have had."""
    fields = {**FORM, "attempt": new_attempt(), "email": email, "amount": "5", "expected_match": "0"}
    return client.post(f"/en/{SLUG}/donations", data=fields, environ_overrides={"REMOTE_ADDR": address}).status_code


def test_one_email_address_begins_only_so_many_checkouts_from_whatever_networks(app: Flask, stripe: Stripe) -> None:
    client = app.test_client()
    statuses = [begin(client, "Jane@Example.org" if n % 2 else "jane@example.org", f"10.0.{n}.1") for n in range(PER_EMAIL + 5)]
    assert statuses == [303] * PER_EMAIL + [429] * 5
    assert begin(client, "zoe@example.org", "10.0.0.1") == 303
    assert db.session.query(Donation).count() == PER_EMAIL + 1


def test_what_a_stranger_types_on_one_network_leaves_enough_for_the_owner_of_the_address(app: Flask, stripe: Stripe) -> None:
    client = app.test_client()
    strangers = [begin(client, "owner@exam\u200bple.org", "10.0.0.1") for _ in range(PER_EMAIL_AND_CLIENT + 3)]
    assert strangers == [303] * PER_EMAIL_AND_CLIENT + [429] * 3
    assert begin(client, "Owner@example.org", "10.0.0.2") == 303


def test_a_form_that_is_too_large_does_not_let_the_limiter_forget_redis(client: FlaskClient) -> None:
    assert client.post(f"/en/{SLUG}/donations", data={"message": "x" * 70_000}).status_code == 413
    assert client.post(f"/en/{SLUG}/donations", data={f"field{n}": "x" for n in range(200)}).status_code == 413
    assert not limiter._storage_dead


def test_a_double_click_counts_once(client: FlaskClient, stripe: Stripe) -> None:
    fields = {**FORM, **hidden_fields(client.get(f"/en/{SLUG}"))}
    assert {client.post(f"/en/{SLUG}/donations", data=fields).status_code for _ in range(PER_EMAIL_AND_CLIENT + 10)} == {303}
    assert send(client, "en").status_code == 303


def test_without_redis_the_limits_hold(app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    limiter._fallback_storage.reset()
    monkeypatch.setattr("redis.connection.UnixDomainSocketConnection.connect", lambda _: (_ for _ in ()).throw(ConnectionError))
    test_one_email_address_begins_only_so_many_checkouts_from_whatever_networks(app, stripe)


def test_redis_has_neither_the_address_nor_the_email_of_anybody(app: Flask, stripe: Stripe) -> None:
    begin(app.test_client(), "jane@example.org", "203.0.113.77")
    redis = app.extensions["services"].waker._client
    keys = [key.decode() for key in redis.scan_iter("LIMIT*")]
    assert len(keys) >= 3
    assert [key for key in keys if "203.0.113" in key or "jane" in key or "@" in key] == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("10.0.0.1:4711", "10.0.0.1:9", True),
        ("[2001:db8::1]:80", "2001:db8::2", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_a_client_is_a_network(app: Flask, first: str, second: str, same: bool) -> None:
    keys = []
    for address in (first, second):
        with app.test_request_context("/", environ_overrides={"REMOTE_ADDR": address}):
            keys.append(client_key())
    assert (keys[0] == keys[1]) is same


def test_copies_asked_for_at_the_same_time_do_not_pass_the_bound(app: Flask, campaign: Campaign) -> None:
    donation = paid(campaign)
    issue_receipt(donation)
    db.session.commit()
    ask = lambda: receipt_actions.request_copy(db.session.get_one(Donation, donation.id))  # noqa: E731  # the same for each thread
    results = run_concurrently(app, [ask] * 12)
    assert results.count(True) == receipt_actions.MAX_COPIES_PER_DAY
    assert db.session.query(OutboxMessage).filter_by(kind=MessageKind.RECEIPT_COPY).count() == receipt_actions.MAX_COPIES_PER_DAY
