"""The Stripe sandbox's disputes, payouts, bank debits and a shop on the same account move the balance as Stripe does."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import stripe as library

from campaign.devstack.sandbox import debits
from tests.conftest import Stripe

KEY = "sk_test_of_the_tests"
FEE = 15_00


def control(stripe: Stripe, endpoint: str, **form: object) -> Any:
    sent = Request(f"{stripe.url}/control/{endpoint}", data=urlencode(form).encode(), headers={"Accept": "application/json"})
    with urlopen(sent) as answer:
        return json.load(answer)


def refused(stripe: Stripe, endpoint: str, **form: object) -> int:
    with pytest.raises(HTTPError) as error:
        control(stripe, endpoint, **form)
    error.value.close()
    return error.value.code


@pytest.fixture
def client(stripe: Stripe) -> library.StripeClient:
    return library.StripeClient(KEY, base_addresses={"api": stripe.url})


def pay(client: library.StripeClient, cents: int = 100_00) -> str:
    """The payment intent of a payment by card."""
    return client.v1.payment_intents.create({"amount": cents, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True}).id


def types(stripe: Stripe, limit: int) -> list[str]:
    return [event["type"] for event in stripe.store.newest("event", limit=limit)]


def moved(client: library.StripeClient, dispute_id: str) -> list[tuple[int, int, int]]:
    """Amount, fee and net of the balance transactions of a dispute."""
    return [(t.amount, t.fee, t.net) for t in client.v1.disputes.retrieve(dispute_id).balance_transactions]


def debit(client: library.StripeClient, stripe: Stripe, outcome: str) -> str:
    """The session of a checkout that was paid by bank debit with this outcome."""
    line: Any = {"quantity": 1, "price_data": {"currency": "cad", "unit_amount": 100_00, "product_data": {"name": "Gift"}}}
    session = client.v1.checkout.sessions.create({"mode": "payment", "line_items": [line], "success_url": "https://a.example/s"})
    debits.begin_debit(stripe.account, stripe.store.get(session.id) or {}, name="A", email=None)
    control(stripe, f"debits/{session.id}", outcome=outcome)
    return session.id


def test_a_lost_dispute_is_appealed_and_the_appeal_is_won(client: library.StripeClient, stripe: Stripe) -> None:
    dispute = control(stripe, "disputes", payment_intent=pay(client))["id"]
    assert moved(client, dispute) == [(-100_00, FEE, -100_00 - FEE)]
    control(stripe, f"disputes/{dispute}", status="lost")
    assert types(stripe, 1) == ["charge.dispute.closed"]
    for status in ("appeal_needs_response", "appeal_under_review"):
        assert control(stripe, f"disputes/{dispute}", status=status)["status"] == status
        assert types(stripe, 1) == ["charge.dispute.updated"]
    control(stripe, f"disputes/{dispute}", status="won")
    assert types(stripe, 2) == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert moved(client, dispute) == [(-100_00, FEE, -100_00 - FEE), (100_00, 0, 100_00)]
    assert refused(stripe, f"disputes/{dispute}", status="appeal_needs_response") == 400


def test_an_appeal_is_lost(client: library.StripeClient, stripe: Stripe) -> None:
    dispute = control(stripe, "disputes", payment_intent=pay(client))["id"]
    assert refused(stripe, f"disputes/{dispute}", status="appeal_under_review") == 400
    for status in ("lost", "appeal_needs_response", "appeal_under_review", "lost"):
        control(stripe, f"disputes/{dispute}", status=status)
    assert types(stripe, 1) == ["charge.dispute.closed"]
    assert len(moved(client, dispute)) == 1


def test_a_dispute_is_won_of_which_only_a_part_is_reinstated(client: library.StripeClient, stripe: Stripe) -> None:
    dispute = control(stripe, "disputes", payment_intent=pay(client))["id"]
    assert refused(stripe, f"disputes/{dispute}", status="won", reinstated=100_01) == 400
    assert refused(stripe, f"disputes/{dispute}", status="lost", reinstated=10_00) == 400
    control(stripe, f"disputes/{dispute}", status="won", reinstated=40_00)
    assert moved(client, dispute)[1] == (40_00, 0, 40_00)
    assert client.v1.disputes.retrieve(dispute).amount == 100_00


def test_a_prevented_dispute_withdraws_nothing_and_the_charge_can_be_refunded(client: library.StripeClient, stripe: Stripe) -> None:
    intent = pay(client)
    dispute = control(stripe, "disputes", payment_intent=intent, status="prevented")
    assert (dispute["status"], dispute["is_charge_refundable"], moved(client, dispute["id"])) == ("prevented", True, [])
    assert types(stripe, 1) == ["charge.dispute.created"]
    assert refused(stripe, f"disputes/{dispute['id']}", status="lost") == 400
    assert client.v1.refunds.create({"payment_intent": intent}).amount == 100_00


def test_an_inquiry_withdraws_only_when_it_becomes_a_dispute(client: library.StripeClient, stripe: Stripe) -> None:
    dispute = control(stripe, "disputes", payment_intent=pay(client), status="warning_needs_response")["id"]
    assert moved(client, dispute) == []
    control(stripe, f"disputes/{dispute}", status="needs_response")
    assert moved(client, dispute) == [(-100_00, FEE, -100_00 - FEE)]
    closed = control(stripe, "disputes", payment_intent=pay(client), status="warning_needs_response")["id"]
    control(stripe, f"disputes/{closed}", status="warning_closed")
    assert (types(stripe, 1), moved(client, closed)) == (["charge.dispute.closed"], [])


def test_a_dispute_has_a_reason_and_may_be_for_more_than_the_charge(client: library.StripeClient, stripe: Stripe) -> None:
    dispute = control(stripe, "disputes", payment_intent=pay(client), reason="subscription_canceled", amount=105_00)
    assert (dispute["reason"], dispute["amount"]) == ("subscription_canceled", 105_00)
    assert moved(client, dispute["id"]) == [(-105_00, FEE, -105_00 - FEE)]
    assert refused(stripe, "disputes", payment_intent=pay(client), reason="bored") == 400


def test_a_manual_payout_does_not_list_its_transactions(client: library.StripeClient, stripe: Stripe) -> None:
    pay(client)
    payout = control(stripe, "payouts", method="standard", amount=50_00)
    assert (payout["automatic"], payout["reconciliation_status"], payout["status"]) == (False, "not_applicable", "pending")
    with pytest.raises(library.InvalidRequestError, match="can only be filtered on automatic transfers"):
        client.v1.balance_transactions.list({"payout": payout["id"]})
    with pytest.raises(library.InvalidRequestError, match="No such payout"):
        client.v1.balance_transactions.list({"payout": "po_none"})
    assert [t.amount for t in client.v1.balance_transactions.list({"type": "payout"}).data] == [-50_00]
    for status in ("in_transit", "paid"):
        assert control(stripe, f"payouts/{payout['id']}", status=status)["status"] == status
    automatic = control(stripe, "payouts")
    assert (automatic["automatic"], automatic["amount"]) == (True, 96_80 - 50_00)
    assert len(client.v1.balance_transactions.list({"payout": automatic["id"]}).data) == 3


def test_an_instant_payout_has_a_fee_and_a_pending_one_can_be_canceled(client: library.StripeClient, stripe: Stripe) -> None:
    pay(client)
    assert control(stripe, "payouts", method="instant", amount=20_00)["method"] == "instant"
    (transaction,) = client.v1.balance_transactions.list({"type": "payout"}).data
    assert (transaction.amount, transaction.fee, transaction.net) == (-20_00, 50, -20_50)
    payout = control(stripe, "payouts", method="standard", amount=30_00)["id"]
    canceled = client.v1.payouts.cancel(payout)
    assert canceled.status == "canceled" and canceled.failure_balance_transaction
    assert types(stripe, 1) == ["payout.canceled"]
    assert [t.amount for t in client.v1.balance_transactions.list({"type": "payout_cancel"}).data] == [30_00]
    automatic = control(stripe, "payouts")
    with pytest.raises(library.InvalidRequestError):
        client.v1.payouts.cancel(automatic["id"])
    with pytest.raises(library.InvalidRequestError, match="insufficient funds"):
        client.v1.payouts.create({"amount": 1_00, "currency": "cad"})


def test_a_bank_debit_is_a_payment_in_the_balance_and_so_is_its_refund(client: library.StripeClient, stripe: Stripe) -> None:
    session = client.v1.checkout.sessions.retrieve(debit(client, stripe, "succeeded"), {"expand": ["payment_intent.latest_charge"]})
    intent: Any = session.payment_intent
    assert intent.latest_charge.id.startswith("py_")
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 30_00})
    assert refund.id.startswith("pyr_")
    lines = [(t.type, t.reporting_category, t.amount) for t in client.v1.balance_transactions.list().data[:2]]
    assert lines == [("payment_refund", "refund", -30_00), ("payment", "charge", 100_00)]


def test_a_bank_debit_that_succeeded_is_returned_by_a_dispute_that_is_lost_at_once(client: library.StripeClient, stripe: Stripe) -> None:
    session = debit(client, stripe, "succeeded")
    control(stripe, f"debits/{session}", outcome="returned")
    (dispute,) = client.v1.disputes.list().data
    assert (dispute.status, dispute.reason, dispute.evidence_details.due_by) == ("lost", "insufficient_funds", None)
    assert sum(line.amount for line in client.v1.balance_transactions.list().data) == 0


def test_a_bank_debit_fails_at_once_or_after_its_success(client: library.StripeClient, stripe: Stripe) -> None:
    failed = debit(client, stripe, "failed")
    taken_out = [(t.type, t.amount) for t in client.v1.balance_transactions.list().data]
    assert taken_out == [("payment_failure_refund", -100_00), ("payment", 100_00)]
    assert refused(stripe, f"debits/{failed}", outcome="failed_after_success") == 400
    session = debit(client, stripe, "succeeded")
    control(stripe, f"debits/{session}", outcome="failed_after_success")
    lines = [(t.type, t.reporting_category, t.amount) for t in client.v1.balance_transactions.list().data[:2]]
    assert lines == [("payment_failure_refund", "charge_failure", -100_00), ("payment", "charge", 100_00)]
    charge = client.v1.charges.retrieve(str(client.v1.balance_transactions.list().data[0].source))
    assert charge.status == "failed" and charge.failure_balance_transaction
    assert types(stripe, 3) == ["checkout.session.async_payment_failed", "payment_intent.payment_failed", "charge.failed"]


def test_a_shop_sells_on_the_same_account(client: library.StripeClient, stripe: Stripe) -> None:
    intent = control(stripe, "shop", kind="payment", amount=12_00)
    assert intent["metadata"]["source"] == "shop" and "donation" not in intent["metadata"]
    assert types(stripe, 2) == ["payment_intent.succeeded", "charge.succeeded"]
    refund = control(stripe, "shop", kind="refund")
    assert client.v1.refunds.retrieve(refund["id"]).amount == 25_00
    subscription = control(stripe, "shop", kind="subscription", amount=9_00)
    (invoice,) = client.v1.invoices.list({"subscription": subscription["id"]}).data
    assert (invoice.status, invoice.amount_paid, subscription["metadata"]["source"]) == ("paid", 9_00, "shop")
    assert "invoice.paid" in types(stripe, 9)
    payout = control(stripe, "payouts")
    listed = client.v1.balance_transactions.list({"payout": payout["id"]}).data
    assert sorted(t.amount for t in listed if t.type != "payout") == [-25_00, 9_00, 12_00, 25_00]
    assert refused(stripe, "shop", kind="auction") == 400
