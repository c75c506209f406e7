"""Our books are compared with Stripe's object by object: what we lack is imported, every other difference is reported and stays open."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.cli.main import reconcile as reconcile_command
from campaign.cli.main import replay_events as replay_command
from campaign.devstack.sandbox import aftermath, faults
from campaign.devstack.sandbox import payouts as at_stripe
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeRefused
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.operations import heartbeats
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import reconcile_jobs, reconciliations
from campaign.stripe_sync.balance_jobs import sync_balance
from campaign.stripe_sync.reconciliations import DifferenceState
from campaign.texts.reconciliation_messages import DifferenceKind, describe_difference
from tests.conftest import Stripe
from tests.factories import account_balance, paid, post_stripe_fee, start_donation
from tests.stripe import charge_of, completed, control, event, handle, paid_at_stripe, state, stored_object


def run() -> list[tuple[str, str]]:
    found = reconciliations.findings_of(reconcile_jobs.reconcile(since=None, actor="test"))
    db.session.expire_all()
    return [(finding.state, finding.kind) for finding in found]


def assert_books_agree() -> None:
    assert run() == []
    assert checker.findings(db.engine) == []


def pay_without_event(campaign: Campaign, cents: int = 100_00, **changed: Any) -> Donation:
    """Pay a donation in the sandbox without handling any event of it."""
    donation = start_donation(campaign, cents, **changed)
    db.session.commit()
    services().stripe_payments._client.v1.payment_intents.create(
        {
            "amount": donation.charged_cents,
            "currency": "cad",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"donation": donation.public_id},
        }
    )
    return donation


def test_when_the_books_agree_nothing_is_reported(app: Flask, campaign: Campaign) -> None:
    paid_at_stripe(campaign, 100_00)
    sync_balance()
    assert_books_agree()


def test_what_the_balance_gained_since_the_last_poll_is_no_difference(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    assert run() == []


def test_a_balance_transaction_that_stripe_listed_late_is_imported(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    paid_at_stripe(campaign, 100_00)
    sync_balance()
    late = stripe.store.newest("balance_transaction", limit=1)[0]
    stripe.store.put(
        {**late, "id": "txn_late", "created": late["created"] - 3 * 3600, "type": "adjustment", "fee": 0, "net": late["amount"]}
    )
    assert set(run()) == {(DifferenceState.REPAIRED, kind) for kind in (DifferenceKind.TRANSACTION_MISSING, DifferenceKind.BALANCE_DIFFERS)}
    assert run() == []


def test_what_is_not_ours_is_counted_by_the_command(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    for count in ("1 payment that is not ours", "2 payments that are not ours"):
        control(stripe, "shop", kind="payment")
        assert count in app.test_cli_runner().invoke(reconcile_command, []).output


def test_a_missed_payment_is_imported_with_its_match_and_fee(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = pay_without_event(campaign)
    intent = stripe.store.newest("payment_intent", limit=1)[0]
    stripe.store.put({**stored_object(stripe, intent["latest_charge"]), "created": intent["created"] - 86400})
    assert run() == [(DifferenceState.REPAIRED, DifferenceKind.PAYMENT_MISSING)]
    assert (state(donation), match_of(donation.id).matched_cents) == ("paid", 100_00)
    assert donation.received_at and int(donation.received_at.timestamp()) == intent["created"] - 86400, (
        "I25: the time of payment comes from Stripe"
    )
    assert account_balance(campaign) == 96_80
    assert_books_agree()


@pytest.mark.parametrize(("metadata", "is_ours"), [({"donation": f"d_{0:020x}"}, True), ({"order": "7"}, False)])
def test_a_payment_that_names_a_donation_is_imported_and_those_of_others_are_counted(
    app: Flask, campaign: Campaign, metadata: dict[str, str], is_ours: bool
) -> None:
    services().stripe_payments._client.v1.payment_intents.create(
        {"amount": 5_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True, "metadata": metadata}
    )
    assert ((DifferenceState.REPAIRED, DifferenceKind.PAYMENT_MISSING) in run()) is is_ours
    assert db.session.execute(text("SELECT anomaly FROM quarantined_payment")).scalars().all() == (["unknown"] if is_ours else [])
    last = reconciliations.list_latest(limit=1)[0]
    assert (last.compared.get("payments", 0), last.compared.get("payments that are not ours", 0)) == ((1, 0) if is_ours else (0, 1))
    assert_books_agree()


def test_missed_refunds_disputes_and_payouts_are_imported(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    refunded, disputed = paid_at_stripe(campaign, 100_00), paid_at_stripe(campaign, 50_00)
    sync_balance()
    aftermath.create_refund(stripe.account, charge_of(stripe, refunded), 40_00, {})
    dispute = aftermath.create_dispute(stripe.account, charge_of(stripe, disputed))
    aftermath.set_dispute_status(stripe.account, dispute, "lost")
    at_stripe.create_payout(stripe.account, include_pending=True)
    found = run()
    assert found.count((DifferenceState.REPAIRED, DifferenceKind.REVERSAL_MISSING)) == 2
    assert {state for state, _ in found} == {DifferenceState.REPAIRED}
    assert (state(refunded), state(disputed)) == ("partially_refunded", "refunded")
    assert account_balance(campaign) == 0
    assert_books_agree()


def test_missed_status_changes_are_imported(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    refund = aftermath.create_refund(stripe.account, charge_of(stripe, donation), 40_00, {})
    payout = at_stripe.create_payout(stripe.account, include_pending=True)
    assert {state for state, _ in run()} == {DifferenceState.REPAIRED}
    assert state(donation) == "partially_refunded"
    aftermath.set_refund_status(stripe.account, stored_object(stripe, refund["id"]), "failed")
    at_stripe.set_payout_status(stripe.account, payout, "paid")
    assert {(DifferenceState.REPAIRED, DifferenceKind.REVERSAL_DIFFERS), (DifferenceState.REPAIRED, DifferenceKind.PAYOUT_DIFFERS)} <= set(
        run()
    )
    assert state(donation) == "paid"
    assert_books_agree()


def test_reconciliation_alone_ends_in_the_same_books_without_webhooks_or_event_polling(
    app: Flask, campaign: Campaign, fund: Fund, stripe: Stripe
) -> None:
    first, second = pay_without_event(campaign, 100_00), pay_without_event(campaign, 30_00, covered_fee_cents=1_17)
    reconcile_jobs.reconcile(since=None, actor="test")
    db.session.expire_all()
    aftermath.create_refund(stripe.account, charge_of(stripe, second), 31_17, {})
    reconcile_jobs.reconcile(since=None, actor="test")
    db.session.refresh(fund)
    assert (state(first), state(second), fund.matched_cents) == ("paid", "refunded", 100_00)
    assert_books_agree()


# Differences that are not repaired automatically.


def plant_unknown_payment(campaign: Campaign) -> None:
    paid(campaign, 100_00)


def plant_other_amount(campaign: Campaign) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    db.session.execute(text("ALTER TABLE donation DISABLE TRIGGER USER"))
    db.session.execute(text("UPDATE donation SET amount_cents = 12000 WHERE id = :id"), {"id": donation.id})
    sync_balance()


def plant_unknown_refund(campaign: Campaign) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    sync_balance()
    db.session.execute(
        text(
            "INSERT INTO reversal (stripe_id, kind, payment_intent, cents, status, snapshot_number) VALUES ('re_x', 'refund', :p, 5, 'failed', 1)"
        ),
        {"p": donation.payment_intent},
    )


def plant_unknown_transaction(campaign: Campaign) -> None:
    post_stripe_fee(paid_at_stripe(campaign, 100_00), 3_20)
    sync_balance()


def plant_other_transaction(campaign: Campaign) -> None:
    paid_at_stripe(campaign, 100_00)
    sync_balance()
    db.session.execute(text("ALTER TABLE balance_transaction DISABLE TRIGGER USER"))
    db.session.execute(text("UPDATE balance_transaction SET cents = cents + 1, fee_cents = fee_cents + 1"))


def plant_unknown_payout(campaign: Campaign) -> None:
    db.session.execute(
        text(
            "INSERT INTO payout (stripe_id, cents, currency, status, reconciliation_status, created_at, arrives_at, snapshot_number)"
            " VALUES ('po_x', 100, 'CAD', 'paid', 'completed', now() + interval '2 s', now(), 1)"
        )
    )


@pytest.mark.owner
@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (plant_unknown_payment, [DifferenceKind.PAYMENT_NOT_AT_STRIPE]),
        (plant_other_amount, [DifferenceKind.PAYMENT_DIFFERS]),
        (plant_unknown_refund, [DifferenceKind.REVERSAL_NOT_AT_STRIPE]),
        (plant_unknown_transaction, [DifferenceKind.BALANCE_DIFFERS, DifferenceKind.TRANSACTION_NOT_AT_STRIPE]),
        (plant_other_transaction, [DifferenceKind.TRANSACTION_DIFFERS]),
        (plant_unknown_payout, [DifferenceKind.PAYOUT_NOT_AT_STRIPE]),
    ],
)
def test_a_difference_that_cannot_be_repaired_is_reported_and_stays_open(
    app: Flask, campaign: Campaign, plant: Callable[[Campaign], None], kinds: list[DifferenceKind]
) -> None:
    plant(campaign)
    db.session.commit()
    if plant is plant_unknown_transaction:
        db.session.execute(text("ALTER TABLE balance_transaction DISABLE TRIGGER USER"))
        db.session.execute(text("UPDATE balance_transaction SET created_at = now()"))
        db.session.commit()
    found = run()
    assert sorted(found) == sorted((DifferenceState.OPEN, kind) for kind in kinds)
    assert reconciliations.count_open() == len(kinds)
    assert all(message for message in db.session.execute(text("SELECT sentence FROM reconciliation_finding")).scalars())


def test_a_list_that_stripe_refuses_is_reported(app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(services().stripe_balance), "list_payouts", lambda *_: (_ for _ in ()).throw(StripeRefused("no such list")))
    assert run() == [(DifferenceState.OPEN, DifferenceKind.NOT_LISTED)]


@pytest.mark.parametrize("kind", DifferenceKind)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_difference_is_described_in_both_languages(kind: DifferenceKind, language: str) -> None:
    detail = {"theirs": 100_00, "ours": -5, "fee": 3_20, "our_fee": 0, "what": "refund", "status": "failed", "our_status": "succeeded"}
    message = describe_difference(kind, "xx_1", detail, language)
    assert message[0].isupper()
    assert "xx_1" in message
    assert "{" not in message
    assert ("remboursement" in message) == (language == "fr" and kind.name.startswith("REVERSAL"))


# The command and the schedule.


def test_the_command_prints_what_was_found_and_what_was_compared(app: Flask, campaign: Campaign) -> None:
    donation = pay_without_event(campaign)
    result = app.test_cli_runner().invoke(reconcile_command, [])
    assert result.exit_code == 0, result.output
    assert "repaired: Stripe has a payment of $100.00, pi_" in result.output
    assert "Compared 1 payment, 1 balance transaction, 1 balance since" in result.output
    assert state(donation) == "paid"


def test_the_command_fails_while_anything_differs(app: Flask, campaign: Campaign) -> None:
    paid(campaign, 100_00)
    result = app.test_cli_runner().invoke(reconcile_command, ["--since", "2020-01-01"])
    assert result.exit_code == 1
    assert "open: Our books have a payment of $100.00" in result.output


@pytest.mark.parametrize(("arguments", "expected"), [(["--since", "yesterday"], "is not a date or time"), ([], "Stripe did not answer")])
def test_the_command_reports_why_it_fails(app: Flask, campaign: Campaign, stripe: Stripe, arguments: list[str], expected: str) -> None:
    faults.inject(stripe.store, kind="500", path="/v1/payment_intents", times=9)
    result = app.test_cli_runner().invoke(reconcile_command, arguments)
    assert result.exit_code != 0
    assert expected in result.output + str(result.exception)


def test_the_schedule_reconciles_once_a_day(app: Flask, campaign: Campaign) -> None:
    for _ in range(2):
        schedule_jobs.reconcile_daily()
    assert len(reconciliations.list_latest(limit=9)) == 1
    db.session.execute(text("UPDATE reconciliation SET started_at = now() - interval '25 hours'"))
    db.session.commit()
    schedule_jobs.reconcile_daily()
    assert len(reconciliations.list_latest(limit=9)) == 2


@pytest.mark.parametrize("arguments", [[], ["--id", "EVENT"]])
def test_replayed_events_change_nothing(app: Flask, campaign: Campaign, stripe: Stripe, arguments: list[str]) -> None:
    donation = start_donation(campaign, 100_00)
    sent = completed(donation)
    handle(sent, event("customer.created", {"id": "cus_1", "object": "customer"}))
    before = db.session.execute(text("SELECT count(*) FROM ledger_entry")).scalar_one()
    result = app.test_cli_runner().invoke(replay_command, [sent["id"] if argument == "EVENT" else argument for argument in arguments])
    assert result.exit_code == 0, result.output
    assert f"{1 if arguments else 2} events were handled again." in result.output
    assert db.session.execute(text("SELECT count(*) FROM ledger_entry")).scalar_one() == before
    assert db.session.get_one(CampaignTotals, campaign.id, populate_existing=True).donations == 1
    assert checker.findings(db.engine) == []


def test_an_event_that_is_not_stored_cannot_be_replayed(app: Flask) -> None:
    result = app.test_cli_runner().invoke(replay_command, ["--id", "evt_nobody"])
    assert result.exit_code == 2
    assert "There is no event evt_nobody" in result.output


# Silent webhooks.


def test_webhooks_are_silent_when_a_checkout_ended_without_an_event(app: Flask, campaign: Campaign) -> None:
    assert heartbeats.webhook_silence() is None
    donation = start_donation(campaign, 100_00)
    db.session.execute(text("UPDATE donation SET checkout_id = 'cs_1', started_at = now() - interval '1 hour'"))
    db.session.commit()
    assert heartbeats.webhook_silence() is None, "the checkout may still be paid"
    db.session.execute(text("UPDATE donation SET checkout_expires_at = now() - interval '11 minutes'"))
    db.session.commit()
    silence = heartbeats.webhook_silence()
    assert silence and (silence.since, silence.checkouts) == (None, 1)
    assert "webhooks" in app.test_client().get("/readyz").get_json()["degraded"]
    handle(completed(donation))
    assert heartbeats.webhook_silence() is None


def test_polled_events_do_not_end_webhook_silence(app: Flask, campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00)
    handle(completed(donation))
    db.session.execute(
        text(
            "UPDATE donation SET checkout_id = 'cs_1', started_at = now() - interval '1 hour', checkout_expires_at = now() - interval '20 minutes'"
        )
    )
    db.session.execute(text("UPDATE stripe_event SET source = 'poll'"))
    db.session.commit()
    silence = heartbeats.webhook_silence()
    assert silence and silence.checkouts == 1


def test_money_of_a_dispute_that_came_back_without_an_event_is_imported(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    dispute = aftermath.create_dispute(stripe.account, charge_of(stripe, donation))
    aftermath.set_dispute_status(stripe.account, dispute, "lost")
    schedule_jobs.poll_stripe()
    stripe.store.put({**stored_object(stripe, dispute["id"]), "status": "won"})
    handle(event("charge.dispute.closed", dispute))
    db.session.refresh(donation)
    assert donation.net_cents == 0, "Stripe says that it was won, and the money is not back yet"
    aftermath._move_balance(stripe.account, stored_object(stripe, dispute["id"]), 100_00, category="dispute_reversal")
    assert (DifferenceState.REPAIRED, DifferenceKind.REVERSAL_DIFFERS) in run()
    db.session.refresh(donation)
    assert donation.net_cents == 100_00
    assert_books_agree()


def test_an_old_dispute_that_is_decided_without_an_event_is_imported(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = paid_at_stripe(campaign, 100_00)
    dispute = aftermath.create_dispute(stripe.account, charge_of(stripe, donation))
    schedule_jobs.poll_stripe()
    db.session.execute(
        text("UPDATE donation SET authorized_at = authorized_at - interval '90 days', received_at = received_at - interval '90 days'")
    )
    db.session.commit()
    stripe.store.put({**stored_object(stripe, dispute["id"]), "status": "lost", "created": dispute["created"] - 60 * 24 * 3600})
    assert (DifferenceState.REPAIRED, DifferenceKind.REVERSAL_DIFFERS) in run()
    db.session.refresh(donation)
    assert donation.net_cents == 0
