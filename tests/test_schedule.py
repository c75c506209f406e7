"""What webhooks, Redis and workers lose is recovered by polling and the schedule: the books end the same, only later."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import kombu.pools
import pytest
from flask import Flask
from sqlalchemy import text

from campaign import create_app
from campaign.campaigns.campaigns import Campaign
from campaign.devstack.servers import start_valkey
from campaign.donations.donations import Donation
from campaign.edges.db import close_connections, db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused
from campaign.edges.stripe.payments import StripePayments
from campaign.edges.wakeups import Waker, celery
from campaign.matching.funds import Fund
from campaign.payments import checkouts
from campaign.payments.status import status_of
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import event_jobs, inbox, poll_checkout_jobs, poll_event_jobs
from tests.conftest import Post, Stripe, make_settings
from tests.factories import start_donation
from tests.patience import PATIENCE_SECONDS
from tests.stripe import body_of, completed, pay_at_stripe, sessions, signed
from tests.web import FORM, SLUG, hidden_fields, send


def start_checkout(app: Flask) -> Donation:
    assert send(app.test_client(), "en").status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    return donation


def state(donation: Donation) -> str:
    db.session.expire_all()
    return status_of(donation).state.value


def test_a_lost_webhook_is_recovered_by_polling(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_checkout(app)
    pay_at_stripe(stripe, donation)
    assert state(donation) == "pending"
    assert schedule_jobs.poll_stripe()
    db.session.refresh(fund)
    assert (state(donation), fund.matched_cents) == ("paid", 100_00)
    assert db.session.execute(text("SELECT DISTINCT source FROM stripe_event")).scalars().all() == ["poll"]
    assert checker.findings(db.engine) == []


def test_the_same_event_by_webhook_and_by_poll_counts_once(app: Flask, stripe: Stripe) -> None:
    donation = start_checkout(app)
    pay_at_stripe(stripe, donation)
    sent = next(e for e in stripe.store.newest("event", limit=50) if e["type"] == "checkout.session.completed")
    body = body_of(sent)
    assert app.test_client().post("/stripe/webhook", data=body, headers=signed(body)).status_code == 200
    poll_event_jobs.poll_events()
    event_jobs.handle_events()
    assert db.session.execute(text("SELECT count(*) FROM stripe_event WHERE event_id = :e"), {"e": sent["id"]}).scalar_one() == 1
    assert state(donation) == "paid"
    assert checker.findings(db.engine) == []


def test_the_donation_page_polls_stripe_when_the_webhook_is_late(app: Flask, stripe: Stripe) -> None:
    donation = start_checkout(app)
    pay_at_stripe(stripe, donation)
    page = app.test_client().get(f"/en/donations/{donation.token}")
    assert "Thank you, Sanâa Œuvré<" in page.text
    assert state(donation) == "paid"


def test_many_reloads_of_one_page_poll_stripe_once(app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    donation = start_checkout(app)
    polled: list[Donation] = []
    monkeypatch.setattr(poll_checkout_jobs, "poll_checkout", polled.append)
    for _ in range(5):
        app.test_client().get(f"/en/donations/{donation.token}.json")
    assert len(polled) == 1


def test_a_checkout_that_expired_without_an_event_releases_its_hold(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_checkout(app)
    session = sessions(stripe)[0]
    stripe.store.put({**session, "status": "expired", "url": None})
    _move_to_the_past(donation)
    assert poll_checkout_jobs.poll_overdue_checkouts() == 1
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("expired", 0)
    assert checker.findings(db.engine) == []


def test_a_checkout_that_stripe_still_has_open_keeps_its_hold(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = start_checkout(app)
    _move_to_the_past(donation)
    poll_checkout_jobs.poll_overdue_checkouts()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("pending", 100_00)


def test_a_hold_without_a_checkout_is_released_when_it_expires(app: Flask, campaign: Campaign, fund: Fund) -> None:
    donation = start_donation(campaign, 100_00)
    db.session.commit()
    _move_to_the_past(donation)
    poll_checkout_jobs.poll_overdue_checkouts()
    db.session.refresh(fund)
    assert (state(donation), fund.held_cents) == ("expired", 0)


def _move_to_the_past(donation: Donation) -> None:
    donation.checkout_expires_at = datetime.now(UTC) - timedelta(minutes=5)
    donation.started_at = datetime.now(UTC) - timedelta(minutes=40)
    donation.polled_at = None
    db.session.commit()


def test_an_unavailable_stripe_does_not_stop_the_handling_of_events(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    services = app.extensions["services"]
    unavailable = StripePayments(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["services"] = replace(services, stripe_payments=unavailable)
    donation = start_donation(campaign)
    inbox.store_events(inbox.parse_event(body_of(completed(donation))), source="webhook")
    db.session.commit()
    schedule_jobs.poll_stripe()
    assert state(donation) == "paid"


def test_one_worker_at_a_time_runs_the_schedule(app: Flask) -> None:
    inside, may_leave = threading.Event(), threading.Event()
    results = []

    def slow() -> int:
        inside.set()
        may_leave.wait(PATIENCE_SECONDS)
        return 0

    def first() -> None:
        with app.app_context():
            results.append(schedule_jobs._run_exclusively(schedule_jobs.DUE_WORK_LOCK, slow))

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(PATIENCE_SECONDS)
    assert schedule_jobs.run_due_work() is False
    may_leave.set()
    thread.join()
    assert results == [True]
    assert schedule_jobs.run_due_work() is True


@pytest.fixture
def killable_redis(tmp_path: Path, database: str, stripe: Stripe, post: Post) -> Iterator[tuple[Flask, subprocess.Popen[bytes]]]:
    server, url = start_valkey(tmp_path / "valkey", tmp_path / "log")
    forget_brokers()
    app = create_app(make_settings(database, redis_url=url, stripe_api_base=stripe.url, mail_url=post.url))
    with app.app_context():
        yield app, server
        close_connections()
        app.extensions["services"].waker.close()
    forget_brokers()
    server.send_signal(signal.SIGCONT)
    server.kill()
    server.wait(PATIENCE_SECONDS)


def forget_brokers() -> None:
    """Celery caches the connection to its first broker; a process of the service has only one, but these tests have several."""
    kombu.pools.reset()
    celery.__dict__.pop("amqp", None)
    celery._pool = None


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_i19_redis_killed_or_frozen_between_events_loses_nothing(
    killable_redis: tuple[Flask, subprocess.Popen[bytes]], how: signal.Signals
) -> None:
    app, server = killable_redis
    client = app.test_client()
    campaign = db.session.query(Campaign).one()
    donations = [start_donation(campaign, 50_00) for _ in range(6)]
    db.session.commit()
    slowest = 0.0
    for number, donation in enumerate(donations):
        if number == 3:
            server.send_signal(how)
        body, started = body_of(completed(donation)), time.monotonic()
        assert client.post("/stripe/webhook", data=body, headers=signed(body)).status_code == 200
        slowest = max(slowest, time.monotonic() - started)
    schedule_jobs.run_due_work()
    assert {state(d) for d in donations} == {"paid"}
    assert slowest < 5
    fields = hidden_fields(client.get(f"/en/{SLUG}"))
    assert client.post(f"/en/{SLUG}/donations", data={**FORM, **fields}).status_code == 303
    assert client.get("/readyz").get_json()["degraded"] == ["redis"]
    assert checker.findings(db.engine) == []


def test_while_redis_is_unavailable_the_webhook_handles_the_event_itself(killable_redis: tuple[Flask, subprocess.Popen[bytes]]) -> None:
    app, server = killable_redis
    server.kill()
    server.wait(PATIENCE_SECONDS)
    donation = start_donation(db.session.query(Campaign).one())
    db.session.commit()
    body = body_of(completed(donation))
    assert app.test_client().post("/stripe/webhook", data=body, headers=signed(body)).status_code == 200
    assert state(donation) == "paid"


def test_an_unreachable_redis_is_tried_once_and_then_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    waker = Waker("redis+socket:///nowhere/at-all.sock")
    attempts = Mock(wraps=waker._client.set)
    monkeypatch.setattr(waker._client, "set", attempts)
    assert [waker.wake("money") for _ in range(100)] == [False] * 100
    assert attempts.call_count == 1
    waker.close()


def test_a_burst_of_wakeups_is_one_message(app: Flask) -> None:
    waker = app.extensions["services"].waker
    assert all(waker.wake("money") for _ in range(50))
    assert waker._client.llen("money") == 1
    waker.started("money")
    assert waker.wake("money")
    assert waker._client.llen("money") == 2


def test_checkouts_that_stripe_does_not_know_never_keep_others_from_being_polled(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkouts, "OVERDUE_AT_A_TIME", 2)
    unknown = [start_donation(campaign, 10_00) for _ in range(3)]
    for number, donation in enumerate(unknown):
        donation.checkout_id = f"cs_test_unknown_{number}"
    known = start_checkout(app)
    services().stripe_payments.expire_checkout(str(known.checkout_id))
    db.session.execute(text("UPDATE donation SET checkout_expires_at = now() - interval '1 hour' - interval '1 minute' * (100 - id)"))
    db.session.commit()
    for _ in range(3):
        db.session.execute(
            text("UPDATE donation SET polled_at = polled_at - interval '2 minutes', started_at = started_at - interval '2 minutes'")
        )
        db.session.commit()
        with pytest.raises(StripeRefused, match=r"checkout of d_.*No such"):
            poll_checkout_jobs.poll_overdue_checkouts()
        db.session.rollback()
    assert state(known) == "expired"
