"""Refunds that we request: never more than is left, never twice, even when a process is killed or a response is lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import stripe as library
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.main import refund as refund_command
from campaign.devstack.sandbox import aftermath
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeUnavailable, translate
from campaign.edges.stripe.payments import StripePayments
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.payments import refund_jobs, reversals
from campaign.payments.refunds import RefundRefused, RefundRequest
from campaign.payments.status import status_of
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from tests.conftest import Stripe
from tests.factories import create_refund, paid, start_donation
from tests.stripe import donate, stored_object


@pytest.fixture
def donation(app: Flask, stripe: Stripe, fund: Fund) -> Donation:
    """A donation of $100, paid in the sandbox and matched."""
    return donate(app, stripe)


def refund(donation: Donation, cents: int | None = None) -> RefundRequest:
    return refund_jobs.refund(donation, cents, actor="test", reason="asked by the donor")


def refunds_at_stripe(stripe: Stripe, donation: Donation) -> list[int]:
    """The amounts of the refunds of this donation in the sandbox, oldest first."""
    results = stripe.store.newest("refund", limit=100)
    return [item["amount"] for item in reversed(results) if item["payment_intent"] == donation.payment_intent]


def summary(donation: Donation) -> tuple[str, int, int]:
    db.session.expire_all()
    return status_of(donation).state.value, donation.net_cents, match_of(donation.id).matched_cents


def expire_idempotency_keys(stripe: Stripe) -> None:
    """Forget all idempotency keys, as Stripe does after a day."""
    stripe.store._db.execute("DELETE FROM answer")


def lose_response(monkeypatch: pytest.MonkeyPatch, donation: Donation, cents: int) -> None:
    """Stripe creates the refund, and our process is killed before it records the response; two minutes pass."""
    with monkeypatch.context() as killed:
        killed.setattr(refund_jobs, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            refund(donation, cents)
    db.session.rollback()
    db.session.execute(text("UPDATE refund_request SET requested_at = requested_at - interval '2 minutes'"))
    db.session.commit()


def test_a_partial_refund_and_a_refund_of_the_rest_reduce_donation_and_match(donation: Donation, stripe: Stripe) -> None:
    request = refund(donation, 40_00)
    assert request.stripe_id
    assert summary(donation) == ("partially_refunded", 60_00, 60_00)
    refund(donation)
    assert summary(donation) == ("refunded", 0, 0)
    assert refunds_at_stripe(stripe, donation) == [40_00, 60_00]
    schedule_jobs.poll_stripe()  # Handles Stripe's events of both refunds.
    assert summary(donation) == ("refunded", 0, 0)
    assert checker.findings(db.engine) == []


def test_a_refund_request_is_audited_with_actor_and_reason(donation: Donation) -> None:
    refund(donation, 40_00)
    entry = db.session.execute(text("SELECT actor, action, subject, detail FROM audit_entry WHERE subject LIKE 'd_%'")).one()
    assert entry == ("test", "requested a refund", donation.public_id, {"cents": 40_00, "reason": "asked by the donor"})


def test_a_covered_fee_is_refunded_in_proportion(app: Flask, stripe: Stripe, fund: Fund) -> None:
    donation = donate(app, stripe, cover_fee="y")
    fee = donation.covered_fee_cents
    assert fee
    refund(donation, (100_00 + fee) // 2)
    state, net, matched = summary(donation)
    assert (state, matched) == ("partially_refunded", net)
    assert 49_99 <= net <= 50_01
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(("cents", "expected"), [(100_01, "Only $100.00 is left"), (900_00, "Only $100.00 is left")])
def test_more_than_is_left_is_refused_before_stripe_is_called(donation: Donation, stripe: Stripe, cents: int, expected: str) -> None:
    with pytest.raises(RefundRefused, match=expected.replace("$", r"\$")):
        refund(donation, cents)
    assert refunds_at_stripe(stripe, donation) == []
    assert db.session.query(RefundRequest).count() == 0


def test_unpaid_disputed_and_fully_refunded_donations_are_not_refunded(donation: Donation, campaign: Campaign, stripe: Stripe) -> None:
    with pytest.raises(RefundRefused, match="was not paid"):
        refund(start_donation(campaign))
    disputed = paid(campaign)
    create_refund(disputed, 100_00, kind="dispute", status="needs_response")
    db.session.commit()
    with pytest.raises(RefundRefused, match="disputes this payment"):
        refund(disputed)
    lost = paid(campaign)
    create_refund(lost, 100_00, kind="dispute")
    db.session.commit()
    with pytest.raises(RefundRefused, match="Nothing of this gift is left"):
        refund(lost)
    refund(donation)
    with pytest.raises(RefundRefused, match="Nothing of this gift is left"):
        refund(donation, 1)
    assert refunds_at_stripe(stripe, donation) == [100_00]


def test_a_refund_interrupted_after_stripes_response_is_created_once_and_completed(
    donation: Donation, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_response(monkeypatch, donation, 40_00)
    with pytest.raises(RefundRefused, match=r"\$40.00 of this gift is in progress"):
        refund(donation, 30_00)
    expire_idempotency_keys(stripe)
    schedule_jobs.poll_stripe()
    assert summary(donation) == ("partially_refunded", 60_00, 60_00)
    assert refunds_at_stripe(stripe, donation) == [40_00]
    (request,) = db.session.query(RefundRequest)
    assert request.ended_at
    assert request.stripe_id
    assert checker.findings(db.engine) == []


def test_a_refund_requested_again_after_an_interruption_is_the_same_refund(
    donation: Donation, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_response(monkeypatch, donation, 40_00)
    assert refund(donation, 40_00).stripe_id
    assert refunds_at_stripe(stripe, donation) == [40_00]
    assert summary(donation) == ("partially_refunded", 60_00, 60_00)


def test_control_without_the_lookup_an_expired_idempotency_key_refunds_twice(
    donation: Donation, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_response(monkeypatch, donation, 40_00)
    expire_idempotency_keys(stripe)
    monkeypatch.setattr(StripePayments, "find_refund", lambda *_: None)
    schedule_jobs.poll_stripe()
    assert refunds_at_stripe(stripe, donation) == [40_00, 40_00]


def test_a_refund_requested_while_stripe_is_unavailable_is_retried_by_the_schedule(app: Flask, donation: Donation, stripe: Stripe) -> None:
    reachable = app.extensions["services"]
    unavailable = StripePayments(secret_key="sk_test_of_the_tests", api_base="http://127.0.0.1:9")
    app.extensions["services"] = replace(reachable, stripe_payments=unavailable)
    with pytest.raises(StripeUnavailable):
        refund(donation, 40_00)
    db.session.rollback()
    app.extensions["services"] = reachable
    schedule_jobs.poll_stripe()
    assert refunds_at_stripe(stripe, donation) == [], "not yet: the process that requested it may still be running"
    db.session.execute(text("UPDATE refund_request SET requested_at = requested_at - interval '2 minutes'"))
    db.session.commit()
    schedule_jobs.poll_stripe()
    assert refunds_at_stripe(stripe, donation) == [40_00]
    assert summary(donation) == ("partially_refunded", 60_00, 60_00)


def test_an_unreadable_response_leaves_the_request_open(donation: Donation, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe has created the refund, but a proxy replaced the response: the refund is found, not created again."""
    original = StripePayments.create_refund
    with monkeypatch.context() as garbled:
        garbled.setattr(StripePayments, "create_refund", lambda *a, **k: _unreadable(original(*a, **k)))
        with pytest.raises(StripeUnavailable):
            refund(donation, 40_00)
    db.session.rollback()
    assert refund(donation, 40_00).stripe_id
    assert refunds_at_stripe(stripe, donation) == [40_00]


def _unreadable(_: object) -> None:
    raise translate(library.APIError("Invalid response body from API", http_status=200))


def test_a_refund_that_stripe_refuses_leaves_the_books_unchanged(donation: Donation, stripe: Stripe) -> None:
    assert donation.payment_intent
    services().stripe_payments.create_refund(donation.payment_intent, 100_00, key="a refund in the Stripe dashboard")
    with pytest.raises(RefundRefused, match=r"Stripe refused the refund: .*already been refunded"):
        refund(donation, 40_00)
    assert summary(donation) == ("paid", 100_00, 100_00)
    (request,) = db.session.query(RefundRequest)
    assert request.refusal
    schedule_jobs.poll_stripe()
    assert summary(donation) == ("refunded", 0, 0), "the refund of the dashboard is recorded from its event"
    assert checker.findings(db.engine) == []


def test_concurrent_refunds_never_exceed_the_payment(app: Flask, donation: Donation, stripe: Stripe) -> None:
    gate, donation_id = threading.Barrier(2), donation.id

    def attempt(cents: int) -> bool:
        with app.app_context():
            gate.wait()
            try:
                return bool(refund(db.session.get_one(Donation, donation_id), cents).stripe_id)
            except RefundRefused:
                return False
            finally:
                db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(attempt, [60_00, 70_00]))
    assert results.count(True) == 1
    assert len(refunds_at_stripe(stripe, donation)) == 1
    assert checker.findings(db.engine) == []


def test_a_refund_that_fails_later_can_be_requested_again(donation: Donation, stripe: Stripe) -> None:
    request = refund(donation)
    aftermath.set_refund_status(stripe.account, stored_object(stripe, request.stripe_id), "failed")
    schedule_jobs.poll_stripe()
    assert summary(donation) == ("paid", 100_00, 100_00)
    assert reversals.refundable_cents(donation) == 100_00
    assert checker.findings(db.engine) == []


def test_the_command_refunds_and_prints_what_is_left(app: Flask, donation: Donation) -> None:
    result = app.test_cli_runner().invoke(refund_command, [donation.public_id, "--amount", "40", "--reason", "asked by the donor"])
    assert result.exit_code == 0, result.output
    assert "$40.00 of" in result.output
    assert "$60.00 of the payment is left." in result.output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["d_nobody", "--reason", "x"], "There is no donation d_nobody"),
        (["DONATION", "--amount", "a lot", "--reason", "x"], "is not an amount of money"),
        (["DONATION", "--amount", "100.01", "--reason", "x"], "Only $100.00 is left"),
        (["DONATION", "--reason", " "], "Please say why"),
    ],
)
def test_the_command_reports_why_it_refuses(app: Flask, donation: Donation, arguments: list[str], expected: str) -> None:
    result = app.test_cli_runner().invoke(refund_command, [donation.public_id if item == "DONATION" else item for item in arguments])
    assert result.exit_code == 2
    assert expected in result.output
