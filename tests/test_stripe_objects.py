"""Every object that the sandbox sends is checked against the response classes of Stripe's own library: the tests trust what Stripe sends."""

from typing import Any

import pytest
from flask import Flask

from campaign.campaigns.campaigns import Campaign
from campaign.devstack.sandbox.stripe_account import DECLINES, REFUND_FAILING_CARD, REFUND_PENDING_CARD, Declined
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.stripe_sync.event import HANDLED_TYPES
from tests.conftest import Stripe
from tests.stripe import call, checkout_request, control, pay_at_stripe, sessions, start_debit, stored_object
from tests.stripe_calls import Call, call_every_method, record_calls
from tests.stripe_types import object_faults
from tests.web import send

# What the sandbox leaves out or adds. A deviation that is repaired there is removed here.
# Fields that the service does not read.
DEVIATIONS = {
    "dispute.evidence.enhanced_evidence: missing",
    "dispute.evidence_details.submission_method: missing",
    "subscription_item.plan: missing",
}
KINDS = {
    "balance",
    "balance_transaction",
    "billing_portal.session",
    "charge",
    "checkout.session",
    "customer",
    "dispute",
    "event",
    "invoice",
    "invoice_payment",
    "payment_intent",
    "payment_method",
    "payout",
    "price",
    "product",
    "refund",
    "subscription",
}
COLLECTIONS = [
    "balance_transactions",
    "charges",
    "checkout/sessions",
    "customers",
    "disputes",
    "events",
    "invoices",
    "payment_intents",
    "payment_methods",
    "payouts",
    "prices",
    "products",
    "refunds",
    "subscriptions",
]


def new_donation(app: Flask, stripe: Stripe, **changed: Any) -> Donation:
    with app.app_context():
        email = f"donor{len(sessions(stripe))}@example.org"
        assert send(app.test_client(), "en", email=email, **changed).status_code == 303
    donation = db.session.query(Donation).order_by(Donation.id.desc()).first()
    assert donation
    return donation


def newest(stripe: Stripe, kind: str) -> dict[str, Any]:
    return stripe.store.newest(kind, limit=1)[0]


def make_history(app: Flask, stripe: Stripe) -> None:
    """A history in which everything happens that the controls of the sandbox can cause."""
    for card in (None, REFUND_PENDING_CARD, REFUND_FAILING_CARD):
        pay_at_stripe(stripe, new_donation(app, stripe)) if card is None else pay_with(stripe, card)
        control_refunds(stripe)
    for status in ("won", "lost"):
        pay_at_stripe(stripe, new_donation(app, stripe))
        dispute = control(stripe, "disputes", payment_intent=newest(stripe, "payment_intent")["id"])
        control(stripe, f"disputes/{dispute['id']}", status="under_review")
        control(stripe, f"disputes/{dispute['id']}", status=status)
    for number in DECLINES:
        with pytest.raises(Declined):
            pay_with(stripe, number)
    services().stripe_payments.expire_checkout(newest(stripe, "checkout.session")["id"])
    for outcome in ("succeeded", "failed", "canceled"):
        with app.app_context():
            start_debit(app, stripe)
        control(stripe, f"debits/{newest(stripe, 'checkout.session')['id']}", outcome=outcome)
    payout = control(stripe, "payouts")
    control(stripe, f"payouts/{payout['id']}", status="paid")
    control(stripe, f"payouts/{payout['id']}", status="failed")
    control(stripe, f"payouts/{control(stripe, 'payouts', method='standard', amount=10_00)['id']}", status="canceled")
    make_monthly_history(app, stripe)


def pay_with(stripe: Stripe, number: str) -> None:
    session = services().stripe_payments.open_checkout(checkout_request(attempt_key=f"card-{number}"))
    stripe.account.pay_checkout(stored_object(stripe, session.id), number, name="Sanâa", email="sanaa@example.org")


def control_refunds(stripe: Stripe) -> None:
    refunds = services().stripe_payments
    intent = newest(stripe, "payment_intent")["id"]
    for status in ("requires_action", "failed", "canceled"):
        refund = refunds.create_refund(intent, 10_00, key=f"{intent}-{status}")
        control(stripe, f"refunds/{refund.id}", status=status)


def make_monthly_history(app: Flask, stripe: Stripe) -> None:
    """Two months that are paid, a change of amount, a card that fails until the subscription ends, and one that the donor cancels."""
    for _ in range(2):
        pay_at_stripe(stripe, new_donation(app, stripe, frequency="monthly", cover_fee="1"))
    first, second = stripe.store.newest("subscription", limit=2)
    control(stripe, "clock", days=32)
    api = services().stripe_subscriptions
    api.change_amounts(first["id"], gift_cents=70_00, covered_fee_cents=0)
    api.create_portal_session(first["customer"], return_url="https://example.org/back")
    control(stripe, f"subscriptions/{first['id']}", card="4000000000000341")
    control(stripe, "clock", days=32)
    for _ in range(4):
        control(stripe, "clock", days=4)
    api.cancel(second["id"])


def deviations(documents: list[dict[str, Any]]) -> set[str]:
    return {fault for document in documents for fault in object_faults(document)}


def objects_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects of one answer: itself, or the items of a list. A list is checked as one by its envelope."""
    if answer["object"] != "list":
        return [answer]
    assert answer.keys() == {"object", "data", "has_more", "url"}
    return list(answer["data"])


def nested_kinds(value: Any) -> set[str]:
    if isinstance(value, list):
        return {kind for item in value for kind in nested_kinds(item)}
    if not isinstance(value, dict):
        return set()
    return {str(value["object"])} & KINDS | nested_kinds(list(value.values())) if "object" in value else nested_kinds(list(value.values()))


def test_every_event_of_the_sandbox_matches_the_types_of_the_stripe_library(app: Flask, campaign: Campaign, stripe: Stripe) -> None:
    make_history(app, stripe)
    events = stripe.store.newest("event", limit=10_000)
    assert set(HANDLED_TYPES) <= {event["type"] for event in events}
    assert deviations([*events, *(event["data"]["object"] for event in events)]) - DEVIATIONS == set()


def test_every_answer_of_the_sandbox_matches_the_types_of_the_stripe_library(
    app: Flask, campaign: Campaign, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Call] = record_calls(monkeypatch)
    call_every_method(app, campaign, stripe, monkeypatch)
    make_history(app, stripe)
    answers = [request.answer for request in calls if request.status == 200]
    answers += [call(stripe, "GET", f"/v1/{collection}", limit=100) for collection in COLLECTIONS]
    answers += [call(stripe, "GET", f"/v1/invoices/{newest(stripe, 'invoice')['id']}", **{"expand[0]": "payments"})]
    assert deviations([document for answer in answers for document in objects_of(answer)]) - DEVIATIONS == set()
    assert nested_kinds(answers) >= KINDS


def test_control_a_field_that_is_missing_unknown_or_of_another_type_is_detected(app: Flask, stripe: Stripe) -> None:
    services().stripe_payments.open_checkout(checkout_request())
    session = {name: value for name, value in newest(stripe, "checkout.session").items() if not name.startswith("sandbox_")}
    changes: dict[str, dict[str, Any]] = {
        "checkout.session.colour: unknown": {"colour": None},
        "checkout.session.amount_total: '5' is not int": {"amount_total": "5"},
        "checkout.session.livemode: None is not bool": {"livemode": None},
        "checkout.session.status: 'closed' is not a known value": {"status": "closed"},
        "checkout.session.automatic_tax.enabled: missing": {"automatic_tax": {"liability": None, "provider": None, "status": None}},
        "checkout.session.payment_intent: {'object': 'charge'} is not str": {"payment_intent": {"object": "charge"}},
    }
    for fault, changed in changes.items():
        assert set(object_faults({**session, **changed})) - DEVIATIONS == {fault}
    del session["mode"]
    assert set(object_faults(session)) - DEVIATIONS == {"checkout.session.mode: missing"}
