"""What webhooks, Redis and workers lose, the sweep finds: the books end the same, only later."""

import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import kombu.pools
import pytest
from flask import Flask
from sqlalchemy import text

from campaign import create_app
from campaign.edges.db import db, hang_up
from campaign.edges.queue import Waker, celery
from campaign.edges.stripe_api import StripeApi
from campaign.embedded.servers import start_valkey
from campaign.giving import standing, stripe_events
from campaign.giving.campaigns import Campaign
from campaign.giving.donations import Donation
from campaign.giving.funds import Fund
from campaign.reporting import books
from campaign.work import asking, catching_up, handling, sweeps
from tests.conftest import test_settings
from tests.factories import begun, body_of, completed, signed
from tests.test_donate import FORM, SLUG, hidden_fields, send, sessions


def checkout(app: Flask, stripe: object) -> Donation:
    assert send(app.test_client(), "en").status_code == 303
    return db.session.query(Donation).order_by(Donation.id.desc()).first()


def pay_at_stripe(stripe: object, donation: Donation) -> None:
    data = b"card=4242424242424242&expiry=12/34&cvc=123"
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        opener.open(urllib.request.Request(donation.checkout_url, data=data)).close()
    except urllib.error.HTTPError as answer:
        assert answer.code == 303
        answer.close()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


def state(donation: Donation) -> str:
    db.session.expire_all()
    return standing.standing(donation).state.value


def test_a_lost_webhook_is_found_by_the_sweep(app: Flask, stripe: object, fund: Fund) -> None:
    donation = checkout(app, stripe)
    pay_at_stripe(stripe, donation)
    assert state(donation) == "pending"
    assert sweeps.sweep_outside()
    db.session.refresh(fund)
    assert (state(donation), fund.matched_cents) == ("paid", 100_00)
    assert db.session.execute(text("SELECT DISTINCT source FROM stripe_event")).scalars().all() == ["poll"]
    assert books.findings(db.engine) == []


def test_the_same_event_by_webhook_and_by_poll_counts_once(app: Flask, stripe: object) -> None:
    donation = checkout(app, stripe)
    pay_at_stripe(stripe, donation)
    made = next(e for e in stripe.store.newest("event", limit=50) if e["type"] == "checkout.session.completed")
    body = body_of(made)
    assert app.test_client().post("/stripe/webhook", data=body, headers=signed(body)).status_code == 200
    catching_up.read_stripe_events()
    handling.handle_events()
    assert db.session.execute(text("SELECT count(*) FROM stripe_event WHERE event_id = :e"), {"e": made["id"]}).scalar_one() == 1
    assert state(donation) == "paid"
    assert books.findings(db.engine) == []


def test_the_donors_own_page_asks_stripe_when_the_webhook_is_late(app: Flask, stripe: object) -> None:
    donation = checkout(app, stripe)
    pay_at_stripe(stripe, donation)
    page = app.test_client().get(f"/en/donations/{donation.token}")
    assert "Thank you, Sanâa Œuvré." in page.text
    assert state(donation) == "paid"


def test_many_reloads_of_one_page_are_one_question(app: Flask, stripe: object, monkeypatch: pytest.MonkeyPatch) -> None:
    donation = checkout(app, stripe)
    asked = []
    monkeypatch.setattr(asking, "ask_stripe", asked.append)
    for _ in range(5):
        app.test_client().get(f"/en/donations/{donation.token}.json")
    assert len(asked) == 1


def test_a_checkout_that_ended_unheard_of_frees_its_hold(app: Flask, stripe: object, fund: Fund) -> None:
    donation = checkout(app, stripe)
    session = sessions(stripe)[0]
    stripe.store.put({**session, "status": "expired", "url": None})
    _move_to_the_past(donation)
    assert asking.end_checkouts() == 1
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("expired", 0)
    assert books.findings(db.engine) == []


def test_a_checkout_that_stripe_still_has_open_keeps_its_hold(app: Flask, stripe: object, fund: Fund) -> None:
    donation = checkout(app, stripe)
    _move_to_the_past(donation)
    asking.end_checkouts()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("pending", 100_00)


def test_a_hold_without_a_checkout_is_freed_when_its_time_is_over(app: Flask, campaign: Campaign, fund: Fund) -> None:
    donation = begun(campaign, 100_00)
    db.session.commit()
    _move_to_the_past(donation)
    asking.end_checkouts()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("expired", 0)


def _move_to_the_past(donation: Donation) -> None:
    donation.checkout_expires_at = datetime.now(UTC) - timedelta(minutes=5)
    donation.begun_at = datetime.now(UTC) - timedelta(minutes=40)
    donation.asked_stripe_at = None
    db.session.commit()


def test_stripe_away_does_not_stop_the_rest_of_the_sweep(app: Flask, campaign: Campaign, stripe: object) -> None:
    there = app.extensions["outside"]
    away = StripeApi(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["outside"] = replace(there, stripe=away)
    donation = begun(campaign)
    stripe_events.keep(stripe_events.read_event(body_of(completed(donation))), source="webhook")
    db.session.commit()
    sweeps.sweep_outside()
    assert state(donation) == "paid"


def test_one_worker_sweeps_at_a_time(app: Flask) -> None:
    inside, leave = threading.Event(), threading.Event()
    results = []

    def slow() -> int:
        inside.set()
        leave.wait(5)
        return 0

    def first() -> None:
        with app.app_context():
            results.append(sweeps._alone(sweeps.SWEEP_DUE_LOCK, slow))

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(5)
    assert sweeps.sweep_due() is False
    leave.set()
    thread.join()
    assert results == [True]
    assert sweeps.sweep_due() is True


@pytest.fixture
def mortal_redis(tmp_path: Path, database: str, stripe: object, post: object) -> Iterator[tuple[Flask, subprocess.Popen]]:
    server, url = start_valkey(tmp_path / "valkey", tmp_path / "log")
    forget_brokers()
    app = create_app(test_settings(database, redis_url=url, stripe_api_base=stripe.url, mail_url=post.url))
    with app.app_context():
        yield app, server
        hang_up()
        app.extensions["outside"].waker.close()
    forget_brokers()
    server.send_signal(signal.SIGCONT)
    server.kill()
    server.wait(5)


def forget_brokers() -> None:
    """A process of the service has one broker for life; this one has several, and Celery would send to the first of them for ever."""
    kombu.pools.reset()
    celery.__dict__.pop("amqp", None)
    celery._pool = None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_i19_redis_killed_or_frozen_in_the_middle_loses_nothing(mortal_redis: tuple[Flask, subprocess.Popen], how: signal.Signals) -> None:
    app, server = mortal_redis
    client = app.test_client()
    campaign = db.session.query(Campaign).one()
    given = [begun(campaign, 50_00) for _ in range(6)]
    db.session.commit()
    longest = 0.0
    for number, donation in enumerate(given):
        if number == 3:
            server.send_signal(how)
        body, started = body_of(completed(donation)), time.monotonic()
        assert client.post("/stripe/webhook", data=body, headers=signed(body)).status_code == 200
        longest = max(longest, time.monotonic() - started)
    sweeps.sweep_due()
    assert {state(d) for d in given} == {"paid"}
    assert longest < 5
    fields = hidden_fields(client.get(f"/en/{SLUG}"))
    assert client.post(f"/en/{SLUG}/donations", data={**FORM, **fields}).status_code == 303
    assert client.get("/readyz").json["degraded"] == ["redis"]
    assert books.findings(db.engine) == []


def test_with_redis_away_the_webhook_does_the_work_itself(mortal_redis: tuple[Flask, subprocess.Popen]) -> None:
    app, server = mortal_redis
    server.kill()
    server.wait(5)
    donation = begun(db.session.query(Campaign).one())
    db.session.commit()
    body = body_of(completed(donation))
    assert app.test_client().post("/stripe/webhook", data=body, headers=signed(body)).status_code == 200
    assert state(donation) == "paid"


def test_a_dead_redis_is_felt_once_and_then_left_alone(tmp_path: Path) -> None:
    waker = Waker("redis+socket:///nowhere/at-all.sock")
    assert waker.wake("money") is False
    started = time.monotonic()
    assert [waker.wake("money") for _ in range(100)] == [False] * 100
    assert time.monotonic() - started < 0.1
    waker.close()


def test_a_burst_of_wakes_is_one_message(app: Flask) -> None:
    waker = app.extensions["outside"].waker
    assert all(waker.wake("money") for _ in range(50))
    assert waker._client.llen("money") == 1
    waker.begun("money")
    assert waker.wake("money")
    assert waker._client.llen("money") == 2
