"""What was found by trying to break a seal: what comes late, what can never end, and jobs that must go on beside a sealed campaign."""

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from campaign.campaigns import campaign_actions, seals
from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders import payment_actions
from campaign.funders.payments import FunderPayment
from campaign.matching import fund_actions
from campaign.matching.funds import Fund
from campaign.operations import integrity_checks
from campaign.operations.integrity_checks import IntegrityCheck
from campaign.payments import alerts, quarantine, quarantine_actions, refunds
from campaign.payments.alerts import AlertKind
from campaign.payments.quarantine import Anomaly, DecisionRefused
from campaign.payments.refunds import RefundRefused
from campaign.receipts import gift_import_actions, receipt_actions
from campaign.reporting import seal_blockers
from campaign.reporting.integrity import checker
from campaign.reporting.seal_blockers import BlockerKind
from campaign.rules.imported_files import read_file
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import balance_transactions, event_jobs, payouts
from campaign.texts.action_errors import ActionError
from tests import seals as sealed
from tests.conftest import Stripe
from tests.factories import (
    another_campaign,
    balance_transaction_of,
    create_fund,
    create_pledgers,
    create_refund,
    issue_receipt,
    paid,
    pay,
    payment_of,
    run_concurrently,
    start_donation,
)
from tests.funder_payments import refusal_of, run
from tests.seals import ONE, kinds, squared, stored_event
from tests.stripe import advance_months, start_recurring


@pytest.fixture(autouse=True)
def pledgers(app: Flask) -> None:
    create_pledgers()


def test_i27_new_findings_pause_the_funds_of_other_campaigns(campaign: Campaign, fund: Fund, monkeypatch: pytest.MonkeyPatch) -> None:
    squared(campaign, fund)
    other = another_campaign(100_00, like=campaign)
    db.session.commit()
    sealed.seal(campaign)
    monkeypatch.setattr(integrity_checks, "is_due", lambda: True)
    found = checker.CheckResult(findings=["I1: a finding"], point=None)
    monkeypatch.setattr(checker, "check", lambda *_args, **_options: found)
    assert schedule_jobs.check_integrity_now() == 1
    (paused,) = db.session.scalars(select(Fund).where(Fund.campaign_id == other.id))
    assert paused.paused_at is not None
    assert db.session.scalars(select(IntegrityCheck.findings).order_by(IntegrityCheck.id.desc()).limit(1)).one() == ["I1: a finding"]


def test_a_later_month_that_is_in_the_books_is_known_after_the_seal_and_a_new_one_is_in_quarantine(
    app: Flask, stripe: Stripe, campaign: Campaign
) -> None:
    number, first = campaign.id, start_recurring(app, stripe).id
    advance_months(stripe)
    assert len(paid_donations(number)) == 2
    sealed.end(db.session.get_one(Campaign, number))
    sealed.seal_in_sql(db.session.get_one(Campaign, number))
    run("UPDATE stripe_event SET done_at = NULL, attempts = 0, not_before = now() WHERE type LIKE 'invoice.%'")
    db.session.commit()
    event_jobs.handle_events()
    assert quarantine.list_pending(limit=9) == [] and len(paid_donations(number)) == 2
    advance_months(stripe)
    (late,) = quarantine.list_pending(limit=9)
    assert (late.anomaly, late.donation_id, late.may_be_accepted) == (Anomaly.SEALED, first, False)
    assert len(paid_donations(number)) == 2


def paid_donations(campaign_id: int) -> list[int]:
    db.session.rollback()
    return list(db.session.scalars(select(Donation.id).where(Donation.campaign_id == campaign_id, Donation.received_at.is_not(None))))


def test_a_refund_that_was_opened_before_the_seal_is_refused_after_it(app: Flask, campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    assert donation.campaign.sealed_at is None  # It is read, and stays in the session.
    number = campaign.id

    def seal() -> None:
        sealed.seal(db.session.get_one(Campaign, number))

    run_concurrently(app, [seal])
    with pytest.raises(RefundRefused):
        refunds.request_refund(donation, None, actor=ONE, reason="too late")


def test_what_can_never_end_holds_up_no_seal(campaign: Campaign, fund: Fund) -> None:
    strange = start_donation(campaign, 50_00)
    pay(strange, amount_cents=49_00)
    (payment,) = quarantine.list_pending(limit=9)
    create_refund(strange, 49_00)
    payment.decision, payment.decided_by, payment.reason = "refunded", ONE, "it was wrong"
    payment.decided_at = payment.quarantined_at
    balance_transactions.store_transactions([balance_transaction_of(strange, fee_cents=1_00)])
    squared(campaign, fund)
    run("UPDATE outbox SET done_at = NULL, missing_elements = ARRAY['donor_address'] WHERE kind = 'receipt'")
    stored_event(campaign, strange)
    run("UPDATE stripe_event SET dead_at = now(), attempts = 9")
    db.session.commit()
    assert seal_blockers.blockers_of(campaign) == []


def test_the_comparison_with_stripe_is_of_the_whole_campaign(campaign: Campaign, fund: Fund) -> None:
    squared(campaign, fund)
    run("UPDATE reconciliation SET since = now()")
    db.session.commit()
    assert kinds(campaign) == {BlockerKind.NOT_RECONCILED}


def test_no_new_receipt_shows_what_was_given_back_after_the_seal(campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    assert issue_receipt(donation)
    db.session.commit()
    sealed.seal(campaign)
    assert receipt_actions.replace_lost(donation, actor=ONE, reason="lost")
    create_refund(donation, 40_00)
    db.session.commit()
    assert refusal_of(lambda: receipt_actions.replace_lost(donation, actor=ONE, reason="lost again")) is ActionError.MOVED_SINCE_SEAL


def test_an_alert_ends_with_a_refund_that_fails(campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    sealed.seal(campaign)
    create_refund(donation, 40_00, name="re_late")
    assert alerts.count_open() == 1
    create_refund(donation, 40_00, name="re_late", status="failed")
    assert alerts.count_open() == 0


def test_a_change_of_a_payment_is_refused_when_it_is_asked_for(campaign: Campaign, fund: Fund) -> None:
    squared(campaign, fund)
    (payment,) = db.session.scalars(select(FunderPayment))
    sealed.seal(campaign)
    asked = refusal_of(lambda: payment_actions.request_reversal(payment, actor=ONE, reason="it bounced"))
    assert asked is ActionError.CAMPAIGN_IS_SEALED


def test_rows_of_a_file_that_wait_are_named(campaign: Campaign, fund: Fund) -> None:
    squared(campaign, fund)
    file = read_file(b"Last name,Amount\nRoy,5\n")
    gift_import_actions.store_upload(campaign, file, name="gifts.csv", donor_language="en", actor=ONE)
    assert kinds(campaign) == {BlockerKind.IMPORTS}


@pytest.mark.owner
def test_nothing_begins_sealed(campaign: Campaign) -> None:
    for table, columns in (
        ("fund", "(campaign_id, funder_id, slug, name_en, name_fr, position, sealed_at) VALUES (1, 1, 'f', 'F', 'F', 9, now())"),
        (
            "campaign",
            (
                "(charity_id, slug, title_en, title_fr, lead_en, lead_fr, story_en, story_fr, currency, goal_cents, minimum_cents, maximum_cents, "
                "presets_cents, fee_percent_hundredths, fee_fixed_cents, sealed_at) "
                "VALUES (1, 'x', '', '', '', '', '', '', 'CAD', 1, 1, 1, '{}', 0, 0, now())"
            ),
        ),
    ):
        with pytest.raises(IntegrityError, match="moved by ledger entries only"):
            run(f"INSERT INTO {table} {columns}")
        db.session.rollback()


def test_a_payout_that_comes_back_alerts_staff_and_is_not_posted(campaign: Campaign, fund: Fund) -> None:
    squared(campaign, fund)
    sealed.seal(campaign)
    run(
        "INSERT INTO payout (stripe_id, cents, currency, status, reconciliation_status, created_at, arrives_at, snapshot_number, transactions_read_at) "
        "VALUES ('po_test', 30000, 'CAD', 'failed', 'completed', now(), now(), 1, now())"
    )
    run(
        "INSERT INTO balance_transaction (stripe_id, type, category, source, cents, fee_cents, net_cents, currency, created_at) "
        "VALUES ('txn_back', 'payout_failure', 'payout_reversal', 'po_test', 30000, 0, 30000, 'CAD', now())"
    )
    assert payouts.post_shares() == 0
    db.session.commit()
    (alert,) = alerts.list_open(limit=9)
    assert (alert.kind, alert.object_id) == (AlertKind.AFTER_SEAL, f"po_test, {campaign.slug}")
    assert alert.detail == {"amount_cents": -300_00}


def test_a_payment_in_quarantine_from_before_the_seal_is_not_accepted_after_it(campaign: Campaign, fund: Fund) -> None:
    donation = squared(campaign, fund)
    sealed.seal(campaign)
    quarantine.quarantine_payment(payment_of(donation, payment_intent="pi_twice"), donation, Anomaly.SECOND)
    db.session.commit()
    (payment,) = quarantine.list_pending(limit=9)
    with pytest.raises(DecisionRefused, match="The campaign is sealed"):
        quarantine_actions.accept(payment.id, actor=ONE, reason="a second gift")


def test_a_new_fund_is_refused_for_its_true_reason(campaign: Campaign, fund: Fund) -> None:
    squared(campaign, fund)
    sealed.seal(campaign)
    late = Fund(campaign_id=campaign.id, funder_id=fund.funder_id, slug="late", name_en="Late", name_fr="Tard", position=9)
    with pytest.raises(IntegrityError) as error:
        fund_actions.create(late, pledge_cents=10_00, actor=ONE, reason="more")
    assert seals.is_refusal(error.value)


@pytest.mark.parametrize("at_stripe", ["less than nothing", "paid out by hand"])
def test_what_no_payout_of_stripes_evens_holds_up_no_seal(campaign: Campaign, fund: Fund, at_stripe: str) -> None:
    squared(campaign, fund)
    more = paid(campaign, 20_00)
    assert BlockerKind.AT_STRIPE in kinds(campaign)
    if at_stripe == "paid out by hand":
        run(
            "INSERT INTO payout (stripe_id, cents, currency, status, reconciliation_status, created_at, arrives_at, snapshot_number) "
            "VALUES ('po_hand', 2000, 'CAD', 'paid', 'not_applicable', now(), now(), 1)"
        )
    else:
        create_refund(more, 20_00)
        create_refund(db.session.get_one(Donation, more.id - 1), 20_00)
    db.session.commit()
    assert BlockerKind.AT_STRIPE not in kinds(campaign)


def test_the_goal_and_drafts_are_frozen_for_their_true_reason_and_texts_can_be_corrected(campaign: Campaign, fund: Fund) -> None:
    draft = create_fund(campaign, 10_00, position=9, active=False)
    db.session.commit()
    squared(campaign, fund)
    sealed.seal(campaign)
    names = ["goal_cents", "title_en"]
    with pytest.raises(IntegrityError) as error:
        version = campaign_actions.version_of(campaign, names)
        campaign_actions.change(campaign, {"goal_cents": 1_00, "title_en": campaign.title_en}, actor=ONE, version=version)
    assert seals.is_refusal(error.value)
    db.session.rollback()
    version = campaign_actions.version_of(campaign, names)
    corrected = {"goal_cents": campaign.goal_cents, "title_en": "A title without its error"}
    assert campaign_actions.change(campaign, corrected, actor=ONE, version=version) == ["title_en"]
    with pytest.raises(IntegrityError) as error:
        version = fund_actions.version_of(draft, ["name_en", "pledged_cents"])
        fund_actions.change_draft(draft, {"name_en": "Another"}, pledge_cents=10_00, actor=ONE, version=version)
    assert seals.is_refusal(error.value)
