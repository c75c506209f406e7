"""Without a single webhook, polling and reconciliation bring everything that happened at Stripe into the books, in time and at once."""

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.cli.main import reconcile
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching.holds import match_of
from campaign.operations import job_results
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.stripe_sync.payouts import Payout
from tests.conftest import Stripe
from tests.factories import account_balance
from tests.stripe import control, pay_at_stripe, state
from tests.web import send

PROMISED_SECONDS = 120


def start(app: Flask, name: str, frequency: str = "once") -> Donation:
    with app.app_context():
        assert send(app.test_client(), "en", frequency=frequency, email=f"{name}@example.org").status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    return donation


@pytest.fixture
def history(app: Flask, campaign: Campaign, stripe: Stripe) -> dict[str, Donation]:
    """A payment, a month, a refund, a lost dispute, an expired checkout and a payout, of which no webhook tells."""
    donations = {name: start(app, name) for name in ("paid", "refunded", "disputed", "expired")}
    donations["monthly"] = start(app, "monthly", "monthly")
    for name in ("paid", "refunded", "disputed", "monthly"):
        pay_at_stripe(stripe, donations[name])
    db.session.expire_all()
    intents = {doc["metadata"].get("donation"): doc["id"] for doc in stripe.store.newest("payment_intent", limit=10)}
    services().stripe_payments.create_refund(intents[donations["refunded"].public_id], 40_00, key="refund-1")
    dispute = control(stripe, "disputes", payment_intent=intents[donations["disputed"].public_id])
    control(stripe, f"disputes/{dispute['id']}", status="lost")
    assert donations["expired"].checkout_id
    services().stripe_payments.expire_checkout(donations["expired"].checkout_id)
    control(stripe, f"payouts/{control(stripe, 'payouts')['id']}", status="paid")
    return donations


def assert_in_the_books(campaign: Campaign, history: dict[str, Donation]) -> None:
    db.session.expire_all()
    assert {name: state(donation) for name, donation in history.items()} == {
        "paid": "paid",
        "refunded": "partially_refunded",
        "disputed": "refunded",
        "expired": "expired",
        "monthly": "paid",
    }
    assert match_of(history["expired"].id).held_cents == 0
    assert [payout.status for payout in db.session.query(Payout)] == ["paid"]
    assert account_balance(campaign) == 0
    assert account_balance(campaign, "bank") > 0
    assert checker.findings(db.engine) == []


def test_polling_has_everything_in_the_books_within_120_seconds(app: Flask, campaign: Campaign, history: dict[str, Donation]) -> None:
    polls = PROMISED_SECONDS // schedule_jobs.POLL_STRIPE_SECONDS
    for _ in range(polls):
        schedule_jobs.poll_stripe()
        db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
        db.session.commit()
    assert_in_the_books(campaign, history)


def test_a_poll_that_is_refused_is_reported_within_120_seconds() -> None:
    assert job_results.REPORTED_FAILURES * schedule_jobs.POLL_STRIPE_SECONDS <= PROMISED_SECONDS


def test_one_reconciliation_repairs_everything_and_exits_with_0(app: Flask, campaign: Campaign, history: dict[str, Donation]) -> None:
    first = FlaskCliRunner(app).invoke(reconcile)
    assert first.exit_code == 0, first.output
    assert "open:" not in first.output
    assert_in_the_books(campaign, history)
    second = FlaskCliRunner(app).invoke(reconcile)
    assert (second.exit_code, second.output.count("\n")) == (0, 1), second.output
