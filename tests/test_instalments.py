"""Months of recurring donations as Stripe invoices them: only money that Stripe took is a gift, and the invoice's own lines say what it is."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from campaign.devstack.sandbox import clock
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe import subscriptions as subscriptions_at_stripe
from campaign.edges.stripe.subscriptions import InvoicePayment, Part, StripeSubscriptions
from campaign.matching import effects
from campaign.matching.funds import Fund
from campaign.matching.holds import match_of
from campaign.operations import job_results
from campaign.payments import alerts, disputes, quarantine, quarantine_actions
from campaign.payments.quarantine import Anomaly, QuarantinedPayment, SucceededPayment
from campaign.recurring import instalments, recurring_actions, recurring_gifts
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting.integrity import checker
from campaign.rules.payment_moments import moments_of_charge
from campaign.schedule import schedule_jobs
from campaign.stripe_sync import event_jobs, reconcile_jobs, reconciliations
from tests.conftest import Stripe
from tests.stripe import control, event, handle, pay_at_stripe, state
from tests.web import csrf_of, grant_access, send, signed_in

GIFT, FEE = 100_00, 3_30


@pytest.fixture
def first(app: Flask, stripe: Stripe, fund: Fund) -> Donation:
    """The first month of a gift of $100 that covers its fee, paid and in the books."""
    with app.app_context():
        assert send(app.test_client(), "en", frequency="monthly", cover_fee="y").status_code == 303
    donation = db.session.query(Donation).one()
    pay_at_stripe(stripe, donation)
    poll()
    return donation


@pytest.fixture(autouse=True)
def clock_at_its_place() -> Any:
    yield
    clock.set_ahead(0)


def poll() -> None:
    schedule_jobs.poll_stripe()
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    event_jobs.handle_events()
    db.session.expire_all()


def gift_of(donation: Donation) -> RecurringGift:
    found = recurring_gifts.recurring_gift_of(donation)
    assert found
    return found


def subscription_of(stripe: Stripe) -> str:
    return str(stripe.store.newest("subscription", limit=1)[0]["id"])


def pass_month(stripe: Stripe, outcome: str, **form: object) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome=outcome, **form)
    poll()


def months(donation: Donation) -> list[tuple[int, int, int]]:
    """Gift, covered fee and match of each month that is a donation, oldest first."""
    gifts = recurring_gifts.instalments_of(gift_of(donation))[::-1]
    return [(month.amount_cents, month.covered_fee_cents, match_of(month.id).matched_cents) for month in gifts]


def alerted() -> list[dict[str, object]]:
    return [alert.detail for alert in alerts.list_open(limit=10) if alert.kind == "not_taken"]


def assert_books_hold() -> None:
    assert checker.findings(db.engine) == []
    assert db.session.execute(text("SELECT count(*) FROM stripe_event WHERE dead_at IS NOT NULL OR done_at IS NULL")).scalar_one() == 0
    assert quarantine.count_pending() == 0


def test_the_first_payment_leaves_no_false_history(app: Flask, first: Donation) -> None:
    assert months(first) == [(GIFT, FEE, GIFT)]
    assert db.session.query(QuarantinedPayment).count() == 0
    page = signed_in(app, "viewer").get(f"/staff/donations/{first.public_id}").text
    assert "quarantine" not in page.lower().replace("/staff/quarantine", "")


@pytest.mark.parametrize(
    ("outcome", "month", "alert"),
    [
        ("paid", (GIFT, FEE, GIFT), None),
        ("outside_stripe", None, {"invoiced_cents": 103_30, "taken_cents": 0}),
        ("outside_stripe_without_intent", None, {"invoiced_cents": 103_30, "taken_cents": 0}),
        ("cheque", None, {"invoiced_cents": 103_30, "taken_cents": 0}),
        ("forgiven", None, {"invoiced_cents": 103_30, "taken_cents": 0}),
    ],
)
def test_only_money_that_stripe_took_is_a_gift_and_staff_see_the_rest(
    app: Flask, stripe: Stripe, first: Donation, outcome: str, month: tuple[int, int, int] | None, alert: dict[str, int] | None
) -> None:
    pass_month(stripe, outcome)
    assert months(first) == [(GIFT, FEE, GIFT)] + [month] * (month is not None)
    assert alerted() == [alert] * (alert is not None)
    assert_books_hold()


def test_an_invoice_that_was_credited_in_part_is_a_gift_of_what_stripe_took(app: Flask, stripe: Stripe, first: Donation) -> None:
    pass_month(stripe, "partly_credited", credited=50_00)
    fee = 53_30 * FEE // 103_30
    assert months(first)[1:] == [(53_30 - fee, fee, 53_30 - fee)]
    assert alerted() == [{"invoiced_cents": 103_30, "taken_cents": 53_30}]
    assert_books_hold()


def test_a_change_between_the_charge_and_its_event_does_not_change_the_month(
    app: Flask, stripe: Stripe, first: Donation, monkeypatch: pytest.MonkeyPatch
) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="paid")
    recurring_actions.change_amount(gift_of(first), 30_00)
    poll()
    assert months(first)[1:] == [(GIFT, FEE, GIFT)]
    pass_month(stripe, "paid")
    fee = 30_00 * FEE // GIFT
    assert months(first)[2:] == [(30_00, fee, 30_00)]
    assert_books_hold()


@pytest.mark.parametrize(
    ("form", "month"), [({"cents": 40_00}, (40_00, FEE, 40_00)), ({"remove": "yes"}, (GIFT, 0, GIFT)), ({"cents": 1_00}, (1_00, FEE, 1_00))]
)
def test_an_amount_changed_at_stripe_is_the_amount_of_the_next_month(
    app: Flask, stripe: Stripe, first: Donation, form: dict[str, object], month: tuple[int, int, int]
) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/items", **form)
    poll()
    assert (gift_of(first).amount_cents, gift_of(first).covered_fee_cents) == month[:2]
    pass_month(stripe, "paid")
    assert months(first)[1:] == [month]
    assert_books_hold()


def without_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StripeSubscriptions, "_parts_of", lambda _, lines: [None for _ in lines])


@pytest.mark.parametrize(("typed_fee", "fee"), [("3.30", 3_30), ("$5", 5_00), ("0", 0)])
def test_lines_that_do_not_say_what_they_are_wait_for_a_decision(
    app: Flask, stripe: Stripe, first: Donation, monkeypatch: pytest.MonkeyPatch, typed_fee: str, fee: int
) -> None:
    without_parts(monkeypatch)
    pass_month(stripe, "paid")
    (pending,) = quarantine.list_pending(limit=5)
    assert (pending.anomaly, pending.amount_cents, pending.may_be_accepted) == ("lines", 103_30, True)
    assert months(first)[1:] == [(GIFT, FEE, 0)], "as agreed, until somebody decides"
    assert (gift_of(first).amount_cents, gift_of(first).covered_fee_cents) == (GIFT, FEE), "what was agreed stays"
    with app.app_context():
        assert "does not say what is gift" in signed_in(app, "viewer").get("/staff/quarantine").text
    clerk = signed_in(app, "manager", address="manager@example.org")
    page = clerk.get("/staff/quarantine")
    assert 'name="covered_fee" inputmode="decimal" maxlength="20" autocomplete="off" value="3.30"' in page.text
    form = {"csrf_token": csrf_of(page), "decision": "accepted", "reason": "as Stripe's dashboard shows"}
    for typed, why in (("a lot", "Please write the covered fee as an amount"), ("103.30", "must be less than the payment")):
        refused = clerk.post(f"/staff/quarantine/{pending.id}/decisions", data={**form, "covered_fee": typed})
        assert (refused.status_code, why in refused.text) == (422, True)
        assert f'value="{typed}"' in refused.text and "as Stripe&#39;s dashboard shows" in refused.text, "nothing typed is lost"
        assert quarantine.count_pending() == 1
    clerk.post(f"/staff/quarantine/{pending.id}/decisions", data={**form, "covered_fee": typed_fee})
    db.session.expire_all()
    assert months(first)[1:] == [(103_30 - fee, fee, 103_30 - fee)], "the covered fee is not matched"
    assert_books_hold()


def test_a_second_payment_of_one_invoice_waits_for_a_decision(
    app: Flask, stripe: Stripe, first: Donation, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = subscriptions_at_stripe._payments_taken

    def in_two(payments: Any, *, paid_at: int | None) -> list[InvoicePayment]:
        return [
            replace(payment, cents=cents, payment_intent=name)
            for payment in taken(payments, paid_at=paid_at)
            for cents, name in ((100_00, payment.payment_intent), (3_30, f"{payment.payment_intent}_2"))
        ]

    monkeypatch.setattr(subscriptions_at_stripe, "_payments_taken", in_two)
    pass_month(stripe, "paid")
    fee = 100_00 * FEE // 103_30
    assert months(first)[1:] == [(100_00 - fee, fee, 100_00 - fee)]
    (second,) = quarantine.list_pending(limit=5)
    assert (second.anomaly, second.amount_cents) == ("second", 3_30)
    assert checker.findings(db.engine) == []
    quarantine_actions.accept(second.id, actor="test", reason="test")
    rest = 3_30 * fee // 100_00
    assert months(first)[2:] == [(3_30 - rest, rest, 3_30 - rest)], "listed with the months"
    assert_books_hold()


@pytest.mark.parametrize("with_events", [True, False])
@pytest.mark.parametrize("is_uncollectible", [False, True])
def test_money_that_stripe_took_for_an_invoice_that_stays_open_is_a_gift(
    app: Flask, stripe: Stripe, first: Donation, is_uncollectible: bool, with_events: bool
) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="failed")
    invoice = stripe.store.newest("invoice", limit=1)[0]["id"]
    control(stripe, f"invoices/{invoice}/pay", card="4242424242424242", amount=40_00)
    if is_uncollectible:
        control(stripe, f"invoices/{invoice}/write_offs")
    if with_events:
        poll()
    else:
        reconcile_jobs.reconcile(since=None, actor="test")
        db.session.expire_all()
    fee = 40_00 * FEE // 103_30
    assert months(first)[1:] == [(40_00 - fee, fee, 40_00 - fee)]
    assert stripe.store.newest("invoice", limit=1)[0]["status"] == ("uncollectible" if is_uncollectible else "open")
    assert reconcile_jobs.reconcile(since=None, actor="test").ended_at
    assert (alerted(), months(first)[2:]) == ([], [])
    if not is_uncollectible:
        control(stripe, f"invoices/{invoice}/pay", card="4242424242424242")
        poll()
        (rest,) = quarantine.list_pending(limit=5)
        assert (rest.anomaly, rest.amount_cents, alerted()) == ("second", 63_30, [])
        quarantine_actions.accept(rest.id, actor="test", reason="the rest of the month")
    poll()
    assert_books_hold()


def test_lines_with_a_negative_fee_wait_for_a_decision(
    app: Flask, stripe: Stripe, first: Donation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = StripeSubscriptions._sums

    def with_credit(api: StripeSubscriptions, lines: Any) -> Any:
        found = sums(api, lines)
        return Counter({Part.GIFT: 110_00, Part.COVERED_FEE: -6_70}) if lines and "pricing" in lines[0] else found

    monkeypatch.setattr(StripeSubscriptions, "_sums", with_credit)
    pass_month(stripe, "paid")
    assert [(found.anomaly, found.amount_cents) for found in quarantine.list_pending(limit=5)] == [("lines", 103_30)]
    assert db.session.execute(text("SELECT count(*) FROM stripe_event WHERE dead_at IS NOT NULL OR done_at IS NULL")).scalar_one() == 0


@pytest.mark.parametrize("resource", ["products", "invoices", "subscriptions"])
def test_a_month_that_the_key_may_not_read_is_reported_and_booked_later(app: Flask, stripe: Stripe, first: Donation, resource: str) -> None:
    services().stripe_subscriptions._parts.clear()
    control(stripe, "permissions", resource=resource, access="none")
    pass_month(stripe, "paid")
    schedule_jobs.poll_stripe()
    assert [(job.name, job.reason) for job in job_results.list_failing()] == [("check_deferred_events", "key refused")]
    control(stripe, "permissions", resource=resource, access="write")
    db.session.execute(text("UPDATE stripe_event SET not_before = now() WHERE done_at IS NULL"))
    db.session.commit()
    schedule_jobs.poll_stripe()
    assert (job_results.list_failing(), months(first)[1:]) == ([], [(GIFT, FEE, GIFT)])


def test_a_lost_dispute_that_is_reported_before_its_month_ends_the_monthly_gift(app: Flask, stripe: Stripe, first: Donation) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="paid")
    intent = stripe.store.newest("payment_intent", limit=1)[0]["id"]
    dispute = control(stripe, "disputes", payment_intent=intent)
    lost = control(stripe, f"disputes/{dispute['id']}", status="lost")
    handle(event("charge.dispute.closed", lost))
    assert gift_of(first).cancel_requested_at is None
    poll()
    schedule_jobs.poll_stripe()
    assert (gift_of(first).is_over, months(first)[1:]) == (True, [(GIFT, FEE, 0)])


def test_a_month_whose_dispute_says_that_it_was_cancelled_ends_the_monthly_gift_when_it_is_recorded(
    app: Flask, stripe: Stripe, first: Donation
) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="paid")
    intent = stripe.store.newest("payment_intent", limit=1)[0]["id"]
    handle(event("charge.dispute.created", control(stripe, "disputes", payment_intent=intent, reason="subscription_canceled")))
    assert gift_of(first).cancel_requested_at is None
    poll()
    schedule_jobs.poll_stripe()
    assert (gift_of(first).is_over, months(first)[1:]) == (True, [(GIFT, FEE, GIFT)])


@pytest.mark.owner
def test_events_that_waited_long_for_a_permission_are_handled_within_minutes_of_it(app: Flask, stripe: Stripe, first: Donation) -> None:
    control(stripe, "permissions", resource="invoices", access="none")
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="paid")
    schedule_jobs.poll_stripe()
    db.session.execute(text("SET LOCAL session_replication_role = 'replica'"))  # A stored event is append-only.
    db.session.execute(text("UPDATE stripe_event SET not_before = now(), received_at = now() - interval '10 hours' WHERE done_at IS NULL"))
    db.session.commit()
    event_jobs.handle_events()
    longest = db.session.execute(text("SELECT max(not_before - now()) FROM stripe_event WHERE done_at IS NULL")).scalar_one()
    assert timedelta(seconds=30) < longest < timedelta(seconds=75)


def test_batches_insert_the_donations_of_new_months_in_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise two batches with the same months in opposite orders wait for each other."""
    inserted: list[str] = []
    monkeypatch.setattr(instalments, "_get_or_create_instalment", lambda invoice: inserted.append(invoice.stripe_id))
    invoices: list[Any] = [SimpleNamespace(stripe_id=name) for name in ("in_3", "in_1", "in_2")]
    instalments.get_or_create_instalments(invoices)
    assert inserted == ["in_1", "in_2", "in_3"]


@pytest.mark.parametrize("is_seen_between", [True, False])
def test_the_first_payment_of_a_month_pays_it_whenever_it_is_seen(
    app: Flask, stripe: Stripe, first: Donation, is_seen_between: bool
) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="failed")
    invoice = stripe.store.newest("invoice", limit=1)[0]["id"]
    part = control(stripe, f"invoices/{invoice}/pay", card="4242424242424242", amount=40_00)
    (paid,) = [p for p in stripe.store.newest("invoice_payment", limit=9) if p["invoice"] == part["id"] and p["status"] == "paid"]
    stripe.store.put({**paid, "status_transitions": {**paid["status_transitions"], "paid_at": paid["status_transitions"]["paid_at"] - 60}})
    if is_seen_between:
        poll()
    control(stripe, f"invoices/{invoice}/pay", card="4242424242424242")
    poll()
    assert [sum(month[:2]) for month in months(first)[1:]] == [40_00]
    assert [payment.amount_cents for payment in quarantine.list_pending(limit=5)] == [63_30]


@pytest.mark.parametrize("reason", ["subscription_canceled", "fraudulent"])
def test_a_dispute_of_a_payment_in_quarantine_is_seen_and_ends_the_monthly_gift(
    app: Flask, stripe: Stripe, first: Donation, reason: str
) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="failed")
    invoice = stripe.store.newest("invoice", limit=1)[0]["id"]
    for form in ({"amount": 40_00}, {}):
        control(stripe, f"invoices/{invoice}/pay", card="4242424242424242", **form)
        poll()
    (second,) = quarantine.list_pending(limit=5)
    dispute = control(stripe, "disputes", payment_intent=second.payment_intent, reason=reason)["id"]
    poll()
    assert disputes.count_unanswered() == 1
    if reason == "fraudulent":
        assert gift_of(first).cancel_requested_at is None
        control(stripe, f"disputes/{dispute}", status="lost")
        poll()
    schedule_jobs.poll_stripe()
    db.session.expire_all()
    assert gift_of(first).is_over


def test_a_reconciliation_finds_an_old_invoice_that_was_paid_late(app: Flask, stripe: Stripe, first: Donation) -> None:
    control(stripe, "after_retries", status="unpaid")
    pass_month(stripe, "unpaid")
    invoice = stripe.store.newest("invoice", limit=1)[0]
    stripe.store.put({**invoice, "created": invoice["created"] - 90 * 24 * 3600})
    control(stripe, f"invoices/{invoice['id']}/pay", card="4242424242424242")
    reconcile_jobs.reconcile(since=None, actor="test")
    db.session.expire_all()
    assert months(first)[1:] == [(GIFT, FEE, GIFT)]
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert [finding.sentence for finding in reconciliations.findings_of(run)] == []


def test_two_payments_of_one_month_are_accepted_at_once(
    app: Flask, stripe: Stripe, first: Donation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is accepted second is a donation of its own, though it was the month's when the decision began."""
    without_parts(monkeypatch)
    pass_month(stripe, "paid")
    (one,) = quarantine.list_pending(limit=5)
    month = db.session.get_one(Donation, one.donation_id)
    other = SucceededPayment(
        payment_intent="pi_other", amount_cents=20_00, currency="CAD", livemode=False, moments=moments_of_charge(month.started_at)
    )
    quarantine.quarantine_payment(other, month, Anomaly.SECOND)
    db.session.commit()
    decide_and_apply = effects.decide_and_apply

    def after_another(donation: Donation, decide: Any) -> str:
        """Somebody else accepts the month's payment just before this decision takes its locks."""
        monkeypatch.setattr(effects, "decide_and_apply", decide_and_apply)
        quarantine_actions.accept(one.id, actor="another", reason="first")
        return decide_and_apply(donation, decide)

    monkeypatch.setattr(effects, "decide_and_apply", after_another)
    second = quarantine_actions.accept(quarantine.list_pending(limit=5)[1].id, actor="test", reason="second")
    assert second.id != month.id
    assert quarantine.count_pending() == 0
    assert checker.findings(db.engine) == []


def test_an_unpaid_subscription_has_not_ended_and_may_be_paid_later(app: Flask, stripe: Stripe, first: Donation) -> None:
    control(stripe, "after_retries", status="unpaid")
    pass_month(stripe, "unpaid")
    gift = gift_of(first)
    assert (gift.status, gift.is_over) == ("unpaid", False)
    client = app.test_client()
    grant_access(client, first)
    page = client.get(f"/en/monthly/{gift.token}").text
    assert "could not be charged, and we will not try again" in page
    assert f'action="/en/monthly/{gift.token}/end"' in page
    invoice = stripe.store.newest("invoice", limit=1)[0]
    control(stripe, f"invoices/{invoice['id']}/pay", card="4242424242424242")
    poll()
    assert (gift_of(first).status, months(first)[1:]) == ("active", [(GIFT, FEE, GIFT)])
    assert_books_hold()


@pytest.mark.parametrize("at", ["period_end", "date"])
def test_a_cancellation_scheduled_at_stripe_is_shown_and_can_be_undone(app: Flask, stripe: Stripe, first: Donation, at: str) -> None:
    subscription = f"subscriptions/{subscription_of(stripe)}/cancellation"
    control(stripe, subscription, at=at if at == "period_end" else clock.now() + 9 * 24 * 3600)
    poll()
    gift = gift_of(first)
    assert gift.cancels_at is not None
    assert not gift.is_over
    day = first.campaign.charity.local(gift.cancels_at)
    with app.app_context():
        assert f"It ends on {day:%B} {day.day}, {day.year}" in app.test_client().get(f"/en/monthly/{gift.token}").text
    assert f"ends on {day:%Y-%m-%d}" in signed_in(app, "viewer").get(f"/staff/donations/{first.public_id}").text
    control(stripe, subscription, at="none")
    poll()
    assert gift_of(first).cancels_at is None


def in_the_books(change: Callable[[RecurringGift], None], first: Donation) -> None:
    change(gift_of(first))
    db.session.commit()


@pytest.mark.parametrize(
    "change",
    [
        lambda gift: setattr(gift, "status", "past_due"),
        lambda gift: setattr(gift, "cancels_at", gift.started_at + timedelta(days=20)),
    ],
)
def test_a_reconciliation_compares_the_states_of_monthly_gifts(
    app: Flask, stripe: Stripe, first: Donation, change: Callable[[RecurringGift], None]
) -> None:
    in_the_books(change, first)
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert ("repaired", "subscription differs") in [(finding.state, finding.kind) for finding in reconciliations.findings_of(run)]
    db.session.expire_all()
    assert (gift_of(first).status, gift_of(first).cancels_at) == ("active", None)


def test_sales_of_a_shop_on_the_same_account_are_ignored_and_counted(app: Flask, stripe: Stripe, first: Donation) -> None:
    for kind in ("payment", "subscription", "refund"):
        control(stripe, "shop", kind=kind)
    poll()
    assert db.session.query(Donation).count() == 1
    assert db.session.query(QuarantinedPayment).count() == 0
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert [finding.sentence for finding in reconciliations.findings_of(run)] == []
    assert run.compared["payments that are not ours"] >= 3
    assert_books_hold()
    assert state(first) == "paid"


def test_the_parts_of_a_monthly_checkout_are_in_the_metadata_of_its_lines_and_products(app: Flask, stripe: Stripe, first: Donation) -> None:
    api = services().stripe_subscriptions
    subscription = api.get_subscription(subscription_of(stripe))
    assert (subscription.gift_cents, subscription.covered_fee_cents) == (GIFT, FEE)
    assert {product["metadata"]["part"] for product in stripe.store.newest("product", limit=5)} == {"gift", "covered_fee"}


def test_a_reconciliation_tells_staff_of_a_month_that_was_paid_out_of_band(app: Flask, stripe: Stripe, first: Donation) -> None:
    control(stripe, f"subscriptions/{subscription_of(stripe)}/months", outcome="cheque")
    reconcile_jobs.reconcile(since=None, actor="test")
    assert alerted() == [{"invoiced_cents": 103_30, "taken_cents": 0}]
    run = reconcile_jobs.reconcile(since=None, actor="test")
    assert [finding.sentence for finding in reconciliations.findings_of(run)] == []


def test_a_subscription_whose_metadata_was_cleared_is_still_that_of_its_donation(app: Flask, stripe: Stripe, first: Donation) -> None:
    subscription = stripe.store.newest("subscription", limit=1)[0]
    stripe.store.put({**subscription, "metadata": {}})
    pass_month(stripe, "paid")
    assert months(first)[1:] == [(GIFT, FEE, GIFT)]
