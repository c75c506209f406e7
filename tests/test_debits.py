"""Bank debits: the checkout completes, the payment is processing for days, then succeeds or fails; the hold lasts until then."""

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox import debits
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account, ApiError
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail import send_jobs
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.payments import checkouts
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import poll_checkout_jobs, reconcile_jobs, reconciliations
from tests.conftest import Post, Stripe
from tests.mail import body_of, make_due
from tests.stripe import control, handle, sessions, start_debit, state, stored_object
from tests.web import send


def end_debit(stripe: Stripe, *, succeeded: bool) -> None:
    debits.end_debit(stripe.account, sessions(stripe)[0], succeeded=succeeded)


def match(donation: Donation) -> tuple[int, int]:
    sums = match_of(donation.id)
    return sums.held_cents, sums.matched_cents


def test_the_hold_lasts_until_the_debit_ends_and_then_becomes_the_match(app: Flask, stripe: Stripe, fund: Fund, post: Post) -> None:
    donation = start_debit(app, stripe)
    schedule_jobs.poll_stripe()
    assert (state(donation), match(donation)) == ("processing", (100_00, 0))
    assert send_jobs.send_due() == 0, "no receipt until the money has cleared"
    db.session.execute(text("UPDATE donation SET checkout_expires_at = now() - interval '4 days', polled_at = NULL"))
    db.session.commit()
    poll_checkout_jobs.poll_overdue_checkouts()
    assert (state(donation), match(donation)) == ("processing", (100_00, 0))
    end_debit(stripe, succeeded=True)
    schedule_jobs.poll_stripe()
    assert (state(donation), match(donation)) == ("paid", (0, 100_00))
    assert send_jobs.send_due() == 1
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "Your bank declined your gift of $100"), ("fr", "Votre banque a refusé votre don de 100")],
)
def test_a_failed_debit_releases_the_hold_and_the_donor_gets_an_email(
    app: Flask, stripe: Stripe, fund: Fund, post: Post, language: str, words: str
) -> None:
    donation = start_debit(app, stripe, language)
    end_debit(stripe, succeeded=False)
    schedule_jobs.poll_stripe()
    db.session.refresh(fund)
    assert (state(donation), match(donation), fund.held_cents) == ("failed", (0, 0), 0)
    assert send_jobs.send_due() == 1
    _, recipients, message, _ = next(iter(post.box.newest(1)))
    assert recipients == [donation.email]
    for kind in ("plain", "html"):
        part = body_of(message, kind)
        assert words in part
        assert f"/{language}/vision-sanaa-richard?again={donation.token}" in part
    page = app.test_client().get(f"/{language}/donations/{donation.token}").text
    assert ("Your bank declined it" if language == "en" else "Votre banque l’a refusé") in page
    for event in stripe.store.newest("event", limit=20):
        handle({**event, "id": f"{event['id']}_again"})
    assert db.session.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 1
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("succeeded", [True, False])
def test_without_events_polling_finds_how_the_debit_ended(app: Flask, stripe: Stripe, fund: Fund, succeeded: bool) -> None:
    donation = start_debit(app, stripe)
    end_debit(stripe, succeeded=succeeded)
    poll_checkout_jobs.poll_checkout(donation)
    assert state(donation) == ("paid" if succeeded else "failed")
    assert checker.findings(db.engine) == []


def test_a_donation_that_is_paid_after_a_failed_debit_gets_no_failure_email(app: Flask, stripe: Stripe, post: Post) -> None:
    donation = start_debit(app, stripe)
    end_debit(stripe, succeeded=False)
    schedule_jobs.poll_stripe()
    db.session.execute(text("UPDATE outbox SET not_before = now() + interval '1 hour'"))
    intent = stored_object(stripe, sessions(stripe)[0]["payment_intent"])
    paid = {**intent, "status": "succeeded", "amount_received": intent["amount"]}
    handle({**stripe.store.newest("event", limit=1)[0], "id": "evt_late", "type": "payment_intent.succeeded", "data": {"object": paid}})
    before = len(list(post.box.newest(1000)))
    make_due()
    send_jobs.send_due()
    subjects = [str(message["Subject"]) for _, _, message, _ in post.box.newest(len(list(post.box.newest(1000))) - before)]
    assert state(donation) == "paid"
    assert ["did not go through" in subject for subject in subjects] == [False]


def test_a_processing_debit_is_polled_once_an_hour(app: Flask, stripe: Stripe) -> None:
    donation = start_debit(app, stripe)
    schedule_jobs.poll_stripe()
    db.session.execute(
        text("UPDATE donation SET checkout_expires_at = now() - interval '1 day', polled_at = now() - interval '10 minutes'")
    )
    db.session.commit()
    assert checkouts.list_overdue() == []
    db.session.execute(text("UPDATE donation SET polled_at = now() - interval '2 hours'"))
    assert [d.id for d in checkouts.list_overdue()] == [donation.id]


def test_an_account_without_bank_debits_gets_a_checkout_for_cards(app: Flask, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    open_checkout = Account.open_checkout

    def refuse_debits(self: Account, params: Doc) -> Doc:
        if "acss_debit" in params["allowed_payment_method_types"]:
            raise ApiError("The payment method type `acss_debit` is not activated for your account.")
        return open_checkout(self, params)

    monkeypatch.setattr(Account, "open_checkout", refuse_debits)
    assert send(app.test_client(), "en").status_code == 303
    assert sessions(stripe)[0]["payment_method_types"] == ["card"]


def test_a_reconciliation_ends_a_debit_whose_failure_was_not_reported(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = start_debit(app, stripe)
    schedule_jobs.poll_stripe()
    assert match_of(donation.id).held_cents == 100_00
    control(stripe, f"debits/{donation.checkout_id}", outcome="failed")
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert [(finding.state, finding.kind) for finding in reconciliations.findings_of(run)] == [("repaired", "checkout ended")]
    assert (state(donation), match_of(donation.id).held_cents) == ("failed", 0)
