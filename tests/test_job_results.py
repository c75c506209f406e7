"""A job that keeps failing is reported on /readyz, to staff and in the log; a rejected key, a silent Stripe and a wrong clock by name."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any

import pytest
import stripe as stripe_library
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused, StripeUnavailable, Urllib3Client, translate
from campaign.edges.stripe.payments import MAX_EVENT_TYPES, StripePayments
from campaign.operations import heartbeats, job_results
from campaign.operations.job_results import FailureReason
from campaign.reporting import staff_todo
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import poll_event_jobs, reconcile_jobs, reconciliations
from campaign.stripe_sync.event import HANDLED_TYPES
from tests.conftest import Stripe
from tests.stripe import control
from tests.web import send, signed_in


def degraded(app: Flask) -> list[str]:
    with app.app_context():  # Of its own, as the context of a test keeps who is signed in.
        heartbeats.beat("worker")
        db.session.commit()
        answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    return list(answer.json["degraded"]) if answer.json else []


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_there_are_more_event_types_than_stripe_lists_in_one_call_and_every_one_is_polled(
    app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    client = services().stripe_payments._client.v1.events
    listing = type(client).list

    def list_some(self: Any, params: Any, *more: Any) -> Any:
        asked.append(params["types"])
        return listing(self, params, *more)

    monkeypatch.setattr(type(client), "list", list_some)
    poll_event_jobs.poll_events()
    assert len(HANDLED_TYPES) > MAX_EVENT_TYPES
    assert max(map(len, asked)) <= MAX_EVENT_TYPES
    assert [event_type for types in asked for event_type in types] == list(HANDLED_TYPES)


@pytest.mark.parametrize(
    ("error", "runs", "name"),
    [
        (StripeUnavailable("APIConnectionError"), 1, "stripe"),
        (StripeKeyRefused("PermissionError 403: the key lacks rak_event_read"), 1, "stripe: key refused"),
        (StripeRefused("InvalidRequestError 400: too many types"), 2, "job: poll_events"),
        (RuntimeError("a fault of our own"), 2, "job: poll_events"),
    ],
)
def test_a_poll_that_keeps_failing_is_degraded_reported_to_staff_and_logged_as_an_error(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch, error: Exception, runs: int, name: str
) -> None:
    logged: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(schedule_jobs.log, "error", lambda event, **values: logged.append((event, values)), raising=False)
    with monkeypatch.context() as patched:
        patched.setattr(StripePayments, "list_events", failing(error))
        for run in range(1, runs + 1):
            assert degraded(app) == [], f"before run {run}"
            schedule_jobs.poll_stripe()
        assert degraded(app) == [name]
        schedule_jobs.poll_stripe()
    assert staff_todo.todo_of(campaign).failing_jobs == 1
    assert str(error) in signed_in(app, "viewer").get("/staff/").text
    assert ("job.failing", "poll_events") in [(event, values["job"]) for event, values in logged]
    recovered: list[str] = []
    monkeypatch.setattr(schedule_jobs.log, "info", lambda event, **values: recovered.append(f"{event}: {values['job']}"), raising=False)
    for _ in range(2):
        schedule_jobs.poll_stripe()
    assert recovered == ["job.recovered: poll_events"], "once"
    assert (degraded(app), staff_todo.todo_of(campaign).failing_jobs) == ([], 0)


def test_jobs_that_fail_because_the_key_is_refused_are_one_item_for_staff(app: Flask, campaign: Campaign) -> None:
    for name, reason, error in (
        ("a_poll", FailureReason.KEY_REFUSED, "the key has expired"),
        ("b_poll", FailureReason.KEY_REFUSED, "the key has expired"),
        ("c_poll", FailureReason.KEY_REFUSED, "the key lacks checkout sessions"),
        ("send_due", FailureReason.ERROR, "KeyError"),
        ("rematch", FailureReason.ERROR, "KeyError"),
    ):
        for _ in range(2):
            job_results.record_failure(name, reason, error)
    db.session.commit()
    page = signed_in(app, "viewer").get("/staff/").text
    assert page.count("Stripe refuses our key") == 1
    assert "<code>the key has expired; the key lacks checkout sessions</code>" in page
    assert page.count("A job in the background keeps failing") == 2


@pytest.mark.parametrize("what", ["key", "outage"])
def test_a_reconciliation_that_stripe_refused_is_done_as_soon_as_stripe_answers(
    app: Flask, campaign: Campaign, stripe: Stripe, what: str
) -> None:
    control(
        stripe,
        *(["key"] if what == "key" else ["faults"]),
        **({"key": "sk_test_x"} if what == "key" else {"kind": "500", "path": "/v1/", "times": 500}),
    )
    schedule_jobs.reconcile_daily()
    assert degraded(app) == ["stripe: key refused" if what == "key" else "stripe"]
    control(stripe, *(["key"] if what == "key" else ["faults"]), **({"key": ""} if what == "key" else {"kind": "none"}))
    schedule_jobs.reconcile_daily()
    assert degraded(app) == []
    assert [run.ended_at is not None for run in reconciliations.list_latest(limit=5)] == [True]


def test_a_reconciliation_that_was_killed_is_due_again_after_an_hour(app: Flask, campaign: Campaign) -> None:
    for minutes, is_due in ((5, False), (61, True)):
        run = reconciliations.start(since=datetime.now(UTC), actor="test")
        run.started_at = datetime.now(UTC) - timedelta(minutes=minutes)
        db.session.flush()
        assert reconciliations.is_due(every=timedelta(days=1)) is is_due
        db.session.rollback()


def test_a_list_that_the_key_may_not_read_is_an_open_difference_and_the_others_are_compared(
    app: Flask, campaign: Campaign, stripe: Stripe
) -> None:
    control(stripe, "permissions", resource="disputes", access="none")
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert [(finding.kind, finding.state) for finding in reconciliations.findings_of(run)] == [("not listed", "open")]
    assert run.compared["balances"] == 1


def test_a_page_that_could_not_act_is_no_longer_reported_once_the_key_is_mended(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    control(stripe, "permissions", resource="checkout/sessions", access="none")
    with app.app_context():
        assert send(app.test_client(), "en").status_code == 503
    schedule_jobs.poll_stripe()
    assert degraded(app) == ["stripe: key refused"]
    control(stripe, "permissions", resource="checkout/sessions", access="write")
    schedule_jobs.poll_stripe()
    assert degraded(app) == []


def test_a_job_that_is_not_due_does_not_end_the_report_of_its_failure(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(reconcile_jobs, "reconcile", failing(StripeUnavailable("down")))
        schedule_jobs.reconcile_daily()
    monkeypatch.setattr(reconciliations, "is_due", lambda **_: False)
    schedule_jobs.reconcile_daily()
    assert degraded(app) == ["stripe"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_checkout_refused_for_the_key_is_reported_until_one_opens(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with monkeypatch.context() as patched:
        answer = f'{{"error": {{"type": "invalid_request_error", "message": "The key lacks a permission ({status})."}}}}'
        patched.setattr(Urllib3Client, "request", lambda *_, **__: (answer, status, {}))
        with app.app_context():
            assert send(app.test_client(), "en").status_code == 503
    is_reported = status == 403  # An unknown key is reported by each poll, and no longer than it lasts.
    assert degraded(app) == ["stripe: key refused"] * is_reported
    page = signed_in(app, "viewer").get("/staff/?lang=fr").text
    assert ("The key lacks a permission" in page) is is_reported
    with app.app_context():
        assert send(app.test_client(), "en").status_code == 303
    assert degraded(app) == []


def test_a_refusal_carries_the_code_and_the_parameter_of_stripe(app: Flask, stripe: Stripe) -> None:
    with pytest.raises(StripeRefused) as refused:
        services().stripe_payments.get_refund("re_unknown")
    assert (refused.value.code, refused.value.parameter) == ("resource_missing", "id")


@pytest.mark.parametrize(("ahead", "expected"), [(0, []), (20, []), (-20, []), (90, ["clock"]), (-90, ["clock"])])
def test_a_clock_that_differs_from_stripes_is_reported(
    app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch, ahead: int, expected: list[str]
) -> None:
    original = Urllib3Client._measure_clock_skew
    monkeypatch.setattr(Urllib3Client, "_measure_clock_skew", lambda self, _: original(self, formatdate(time.time() - ahead, usegmt=True)))
    schedule_jobs.poll_stripe()
    assert degraded(app) == expected


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_missing_or_unreadable_date_says_nothing_about_the_clock(date: str | None) -> None:
    client = Urllib3Client((1.0, 1.0))
    client._measure_clock_skew(date)
    assert client.clock_skew_seconds == 0
    client.close()


def test_one_failure_of_our_own_is_not_reported_yet(app: Flask) -> None:
    job_results.record_failure("a_job", job_results.FailureReason.ERROR, "once")
    assert job_results.list_failing() == []
    assert job_results.record_failure("a_job", job_results.FailureReason.ERROR, "twice").failures == 2
    assert [job.error for job in job_results.list_failing()] == ["twice"]
    job_results.record_success("a_job")
    assert job_results.list_failing() == []


def test_a_rejected_key_is_no_reason_to_give_up_work() -> None:
    error = translate(stripe_library.PermissionError("no", http_status=403))
    assert isinstance(error, StripeKeyRefused)
    assert isinstance(error, StripeUnavailable)
