"""Quarantined payments: those that differ from our request or belong to no donation are stored, not matched, and decided on by staff."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.devstack.sandbox import aftermath
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.payments import quarantine, quarantine_actions, refund_jobs
from campaign.payments.quarantine import Anomaly, Decision, DecisionRefused, QuarantinedPayment
from campaign.payments.refunds import RefundRefused
from campaign.reporting.integrity import checker
from campaign.schedule import schedule_jobs
from tests.conftest import Stripe
from tests.factories import another_campaign, paid, start_donation
from tests.stripe import charge_of, completed, event, handle, outcomes, reversal_event, state, stored_object, succeeded
from tests.web import csrf_of, signed_in

BY: Any = {"actor": "test", "reason": "asked the donor"}


def pending() -> list[tuple[str, str, int]]:
    db.session.expire_all()
    rows = db.session.query(QuarantinedPayment).filter(QuarantinedPayment.decision.is_(None)).order_by(QuarantinedPayment.id)
    return [(p.anomaly, p.payment_intent, p.amount_cents) for p in rows]


def decided() -> list[tuple[str, str | None]]:
    db.session.expire_all()
    return [(str(p.decision), p.decided_by) for p in quarantine.list_decided(limit=10)]


def pending_id() -> int:
    return quarantine.list_pending(limit=1)[0].id


def matched(donation: Donation) -> int:
    return match_of(donation.id).matched_cents


def pay_wrong_amount(campaign: Campaign, stripe: Stripe, cents: int, **changed: Any) -> Donation:
    """A donation of $100 whose payment at Stripe is of another amount."""
    donation = start_donation(campaign, 100_00, **changed)
    intent = services().stripe_payments._client.v1.payment_intents.create(
        {
            "amount": cents,
            "currency": "cad",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "metadata": {"donation": donation.public_id},
        }
    )
    handle(event("payment_intent.succeeded", stored_object(stripe, intent.id)))
    assert state(donation) == "quarantined"
    return donation


@pytest.mark.parametrize(
    ("metadata", "reference", "account", "anomalies"),
    [
        ({}, None, None, []),
        ({"order": "7"}, "cart_9", None, []),
        ({"donation": "7"}, None, None, []),
        ({"donation": f"d_{0:020x}"}, None, None, [Anomaly.UNKNOWN]),
        ({}, f"d_{0:020x}", None, [Anomaly.UNKNOWN]),
        ({}, None, "acct_other", [Anomaly.ACCOUNT]),
    ],
)
def test_a_payment_of_no_donation_is_quarantined_once_if_it_names_one_or_another_account_and_ignored_otherwise(
    campaign: Campaign, metadata: dict[str, str], reference: str | None, account: str | None, anomalies: list[Anomaly]
) -> None:
    intent = {
        "id": "pi_of_a_shop",
        "object": "payment_intent",
        "metadata": {"donation": reference} if reference else metadata,
        "amount_received": 25_00,
        "currency": "cad",
        "livemode": False,
    }
    session = {
        "id": "cs_of_a_shop",
        "object": "checkout.session",
        "payment_intent": "pi_of_a_shop",
        "payment_status": "paid",
        "amount_total": 25_00,
        "metadata": metadata,
        "client_reference_id": reference,
    }
    kinds = (("payment_intent.succeeded", intent), ("checkout.session.completed", session), ("payment_intent.succeeded", intent))
    handle(*[{**event(kind, data), "account": account} for kind, data in kinds])
    assert pending() == [(anomaly, "pi_of_a_shop", 25_00) for anomaly in anomalies]
    assert quarantine.count_pending() == len(anomalies)
    assert outcomes()[0].partition(":")[0] == ("quarantined" if anomalies else "ignored")
    assert db.session.get_one(CampaignTotals, campaign.id).donations == 0


def test_a_recorded_payment_reported_without_metadata_is_recognized(campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00)
    handle(completed(donation))
    handle(succeeded(donation, metadata={}))
    assert (outcomes()[-1], pending()) == ("known", [])


def test_a_payment_reported_for_several_donations_belongs_to_the_first(campaign: Campaign, fund: Fund) -> None:
    first, second, third = start_donation(campaign, 100_00), start_donation(campaign, 100_00), start_donation(campaign, 100_00)
    conflicting_event = completed(second, payment_intent=f"pi_{first.public_id}")
    same_batch = completed(third, payment_intent=f"pi_{first.public_id}")
    handle(completed(first), same_batch)
    handle(conflicting_event)
    assert [state(d) for d in (first, second, third)] == ["paid", "quarantined", "quarantined"]
    assert pending() == [(Anomaly.CONFLICT, f"pi_{first.public_id}", 100_00)]
    with pytest.raises(DecisionRefused):
        quarantine_actions.accept(pending_id(), **BY)
    with pytest.raises(RefundRefused, match="belongs to another donation"):
        refund_jobs.refund_quarantined(pending_id(), **BY)
    quarantine_actions.dismiss(pending_id(), **BY)
    assert decided() == [(Decision.DISMISSED, "test")]
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(("paid_cents", "amount", "fee"), [(250_00, 242_02, 7_98), (50_00, 48_41, 1_59), (1, 1, 0)])
def test_an_accepted_payment_becomes_a_donation_of_what_was_paid_with_its_fee_in_proportion(
    campaign: Campaign, stripe: Stripe, fund: Fund, paid_cents: int, amount: int, fee: int
) -> None:
    donation = pay_wrong_amount(campaign, stripe, paid_cents, covered_fee_cents=3_30)
    quarantine_actions.accept(pending_id(), **BY)
    db.session.expire_all()
    assert (state(donation), donation.amount_cents, donation.covered_fee_cents) == ("paid", amount, fee)
    assert matched(donation) == amount
    assert list(db.session.execute(text("SELECT key FROM outbox")).scalars()) == [f"receipt:{donation.public_id}"]
    assert decided() == [(Decision.ACCEPTED, "test")]
    schedule_jobs.poll_stripe()
    assert checker.findings(db.engine) == []


def test_a_payment_of_another_account_can_be_neither_accepted_nor_refunded(campaign: Campaign) -> None:
    donation = start_donation(campaign, 100_00)
    handle({**completed(donation), "account": "acct_of_somebody"})
    assert (state(donation), pending()) == ("quarantined", [(Anomaly.ACCOUNT, f"pi_{donation.public_id}", 100_00)])
    for action in (quarantine_actions.accept, refund_jobs.refund_quarantined):
        with pytest.raises((DecisionRefused, RefundRefused)):
            action(pending_id(), **BY)
        db.session.rollback()


def test_a_payment_that_names_two_donations_waits_for_staff(campaign: Campaign, fund: Fund) -> None:
    donation, other = start_donation(campaign, 100_00), start_donation(campaign, 100_00)
    handle(completed(donation, client_reference_id=other.public_id))
    assert (state(donation), state(other), pending()[0][0]) == ("quarantined", "pending", Anomaly.METADATA)
    quarantine_actions.accept(pending_id(), **BY)
    assert state(donation) == "paid"
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize("cents", [80_00, 100_00, 150_00])
def test_a_second_payment_of_any_sum_is_a_donation_of_its_own_without_a_hold(campaign: Campaign, fund: Fund, cents: int) -> None:
    first = start_donation(campaign, 100_00)
    handle(completed(first))
    handle(succeeded(first, id="pi_again", amount_received=cents))
    second = quarantine_actions.accept(pending_id(), **BY)
    db.session.expire_all()
    assert (second.amount_cents, matched(second), matched(first)) == (cents, cents, 100_00)
    holds = "SELECT count(*) FROM ledger_entry WHERE kind = 'hold' AND donation_id = :second"
    assert db.session.execute(text(holds), {"second": second.id}).scalar_one() == 0
    assert checker.findings(db.engine) == []


@pytest.mark.parametrize(("minutes_after_the_end", "match"), [(-1, 60_00), (0, 0), (1, 0)])
def test_a_second_payment_is_matched_by_its_own_moment_and_not_by_when_it_is_accepted(
    campaign: Campaign, minutes_after_the_end: int, match: int
) -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    own = another_campaign(500_00, like=campaign, opens_at=end - timedelta(days=1), closes_at=end)
    first = start_donation(own, 100_00)
    handle(completed(first))
    moment = int((end + timedelta(minutes=minutes_after_the_end)).timestamp())
    handle({**succeeded(first, id="pi_again", amount_received=60_00), "created": moment})
    second = quarantine_actions.accept(pending_id(), **BY)
    assert (matched(second), int(second.received_at.timestamp()) if second.received_at else 0) == (match, moment)
    assert checker.findings(db.engine) == []


def test_an_accepted_second_payment_becomes_a_second_donation_of_the_same_donor(campaign: Campaign, fund: Fund) -> None:
    first = start_donation(campaign, 100_00, tribute_kind="memory", tribute_name="Œnone", news_consent=True)
    handle(completed(first))
    handle(succeeded(first, id="pi_again"))
    assert pending() == [(Anomaly.SECOND, "pi_again", 100_00)]
    second = quarantine_actions.accept(pending_id(), **BY)
    assert (state(second), second.payment_intent, second.email, second.tribute_name) == ("paid", "pi_again", first.email, "Œnone")
    assert second.news_consent_at and second.news_consent_at == first.news_consent_at, "the donor consented once"
    assert (matched(first), matched(second)) == (100_00, 100_00)
    handle(succeeded(first, id="pi_again"))
    assert (outcomes()[-1], pending()) == ("known", [])
    totals = db.session.get_one(CampaignTotals, campaign.id)
    assert (totals.donations, totals.donors, totals.donated_cents) == (2, 1, 200_00)
    assert checker.findings(db.engine) == []


def test_a_refund_of_a_quarantined_payment_is_created_at_stripe_and_ends_the_donation(campaign: Campaign, stripe: Stripe) -> None:
    donation = pay_wrong_amount(campaign, stripe, 250_00)
    request = refund_jobs.refund_quarantined(pending_id(), **BY)
    assert stored_object(stripe, request.stripe_id)["amount"] == 250_00
    assert (state(donation), pending(), decided()) == ("refunded", [], [(Decision.REFUNDED, "test")])
    schedule_jobs.poll_stripe()
    assert (state(donation), decided()) == ("refunded", [(Decision.REFUNDED, "test")])
    assert db.session.get_one(CampaignTotals, campaign.id).donated_cents == 0
    assert checker.findings(db.engine) == []


def test_a_failed_refund_returns_the_payment_to_staff(campaign: Campaign, stripe: Stripe) -> None:
    donation = pay_wrong_amount(campaign, stripe, 250_00)
    request = refund_jobs.refund_quarantined(pending_id(), **BY)
    aftermath.set_refund_status(stripe.account, stored_object(stripe, request.stripe_id), "failed")
    schedule_jobs.poll_stripe()
    assert (state(donation), len(pending())) == ("quarantined", 1)
    refund_jobs.refund_quarantined(pending_id(), **BY)
    assert state(donation) == "refunded"


def test_a_payment_fully_refunded_in_the_stripe_dashboard_needs_no_decision(campaign: Campaign, stripe: Stripe) -> None:
    donation = pay_wrong_amount(campaign, stripe, 250_00)
    aftermath.create_refund(stripe.account, charge_of(stripe, donation), 100_00, {})
    schedule_jobs.poll_stripe()
    assert len(pending()) == 1
    with pytest.raises(DecisionRefused, match="Part of this payment has already been refunded"):
        quarantine_actions.accept(pending_id(), **BY)
    db.session.rollback()
    aftermath.create_refund(stripe.account, charge_of(stripe, donation), 150_00, {})
    schedule_jobs.poll_stripe()
    assert (state(donation), decided()) == ("refunded", [(Decision.REFUNDED, "Stripe")])


def test_a_payment_received_after_its_refund_needs_no_decision(campaign: Campaign, stripe: Stripe) -> None:
    donation = start_donation(campaign, 100_00)
    handle(reversal_event(stripe, donation, 90_00, kind="refund.created"))
    handle(completed(donation, amount_total=90_00))
    assert (state(donation), pending()) == ("refunded", [])
    assert checker.findings(db.engine) == []


def test_a_payment_is_decided_once(campaign: Campaign, stripe: Stripe) -> None:
    pay_wrong_amount(campaign, stripe, 250_00)
    payment_id = pending_id()
    quarantine_actions.dismiss(payment_id, **BY)
    for action in (quarantine_actions.accept, quarantine_actions.dismiss, refund_jobs.refund_quarantined):
        with pytest.raises(DecisionRefused, match="already"):
            action(payment_id, **BY)
        db.session.rollback()
    with pytest.raises(DecisionRefused, match="no such payment"):
        quarantine_actions.accept(10**6, **BY)


def test_an_accepted_payment_is_matched_within_the_fund(campaign: Campaign, stripe: Stripe) -> None:
    own = another_campaign(60_00, like=campaign)
    paid(own, 50_00)
    donation = pay_wrong_amount(own, stripe, 250_00)
    quarantine_actions.accept(pending_id(), **BY)
    assert matched(donation) == 10_00
    assert checker.findings(db.engine) == []


def test_the_staff_page_of_a_donation_shows_the_anomaly_and_the_decision(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = pay_wrong_amount(campaign, stripe, 250_00)
    quarantine_actions.accept(pending_id(), **BY)
    page = signed_in(app, "viewer").get(f"/staff/donations/{donation.public_id}").text
    assert "The payment differed from what we asked for" in page
    assert "Our team has accepted the payment as it is." in page
    assert "test: asked the donor" in page
    public_page = app.test_client().get(f"/en/donations/{donation.token}").text
    assert "asked the donor" not in public_page


# The staff page.


def decide(app: Flask, role: str, decision: str, reason: str = "asked the donor") -> str:
    client = signed_in(app, role)
    page = client.get("/staff/quarantine")
    answer = client.post(
        f"/staff/quarantine/{pending_id()}/decisions", data={"csrf_token": csrf_of(page), "decision": decision, "reason": reason}
    )
    return client.get(answer.location).text if answer.status_code == 303 else str(answer.status_code)


def test_a_manager_accepts_a_payment_with_a_reason(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    donation = pay_wrong_amount(campaign, stripe, 250_00)
    page = decide(app, "manager", "accepted")
    assert "The payment is a gift now." in page
    assert "No payment waits for a decision." in page
    assert "asked the donor" in page
    assert state(donation) == "paid"
    entries = db.session.execute(text("SELECT action, subject FROM audit_entry WHERE action LIKE 'quarantine%'")).all()
    assert entries == [("quarantine: accepted", donation.payment_intent)]


def test_staff_below_manager_see_no_buttons_and_are_refused(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    pay_wrong_amount(campaign, stripe, 250_00)
    client = signed_in(app, "clerk")
    page = client.get("/staff/quarantine")
    assert "A manager decides." in page.text
    assert not re.search(r'name="decision"', page.text)
    assert client.post(f"/staff/quarantine/{pending_id()}/decisions", data={"decision": "accepted", "reason": "x"}).status_code in {
        400,
        403,
    }
    assert len(pending()) == 1


@pytest.mark.parametrize(
    ("reason", "error"), [("", "reason is missing"), ("   ", "reason is missing"), ("x" * 501, "too long"), ("a\x00b", "cannot")]
)
def test_a_decision_without_a_valid_reason_is_refused_at_its_field(
    app: Flask, campaign: Campaign, stripe: Stripe, reason: str, error: str
) -> None:
    pay_wrong_amount(campaign, stripe, 250_00)
    client = signed_in(app, "manager")
    path = f"/staff/quarantine/{pending_id()}/decisions"
    answer = client.post(path, data={"csrf_token": csrf_of(client.get("/staff/quarantine")), "decision": "accepted", "reason": reason})
    assert answer.status_code == 422
    shown = answer.text.split(f'id="reason-{pending_id()}-error">')[1].split("<")[0]
    assert error in shown
    assert reason.strip().replace("\x00", "") in answer.text.replace("\x00", ""), "nothing typed is lost"
    assert len(pending()) == 1


def test_an_unknown_decision_is_400(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    pay_wrong_amount(campaign, stripe, 250_00)
    assert decide(app, "manager", "burn") == "400"


def test_a_refused_decision_is_explained_in_the_language_of_staff(app: Flask, campaign: Campaign) -> None:
    first = start_donation(campaign, 100_00)
    handle(completed(first), completed(start_donation(campaign, 100_00), payment_intent=f"pi_{first.public_id}"))
    client = signed_in(app, "manager")
    token = csrf_of(client.get("/staff/quarantine?lang=fr"))
    fields = {"csrf_token": token, "decision": "refunded", "reason": "par téléphone"}
    answer = client.post(f"/staff/quarantine/{pending_id()}/decisions", data=fields)
    assert ("Mettez-le de côté" in answer.text, 'value="par téléphone"' in answer.text) == (True, True)


def test_the_database_refuses_a_decision_without_an_actor_and_a_reason(campaign: Campaign, stripe: Stripe) -> None:
    pay_wrong_amount(campaign, stripe, 250_00)
    with pytest.raises(Exception, match="decision_is_complete"):
        db.session.execute(text("UPDATE quarantined_payment SET decision = 'dismissed'"))
    db.session.rollback()
    assert db.session.query(QuarantinedPayment).count() == 1


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("payout.paid", {"id": "po_other", "object": "payout"}),
        ("invoice.paid", {"id": "in_other", "object": "invoice"}),
        ("charge.dispute.created", {"id": "dp_other", "object": "dispute"}),
        ("checkout.session.expired", {"id": "cs_other", "object": "checkout.session"}),
        ("payment_intent.canceled", {"id": "pi_other", "object": "payment_intent", "payment_method_types": ["acss_debit"]}),
    ],
)
def test_events_of_another_account_about_no_payment_are_ignored(
    campaign: Campaign, stripe: Stripe, kind: str, subject: dict[str, Any]
) -> None:
    donation = start_donation(campaign, 100_00)
    handle({**event(kind, {**subject, "metadata": {"donation": donation.public_id}}), "account": "acct_other"})
    assert outcomes()[-1].startswith("ignored")
    assert (state(donation), match_of(donation.id).held_cents) == ("pending", 100_00)
