"""The shapes of balance transactions, refunds, disputes, payouts and the balance."""

from collections.abc import Iterable
from typing import Any

from campaign.devstack.sandbox.shapes import Doc, base_fields, new_id, null_fields


def balance_transaction(*, amount: int, fee: int, currency: str, source: str, kind: str) -> Doc:
    """A change of the balance by `amount` cents, less Stripe's `fee`."""
    base = base_fields("balance_transaction", new_id("txn"))
    del base["livemode"]
    details = [{"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees", "type": "stripe_fee"}]
    return {
        **base,
        "amount": amount,
        "available_on": base["created"] + 2 * 86400,
        "balance_type": "payments",
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source,
        "status": "pending",
        "type": kind,
    }


def refund(*, amount: int, currency: str, charge_id: str, intent_id: str | None, **fields: Any) -> Doc:
    """A refund of `amount` cents."""
    base = base_fields("refund", new_id("re"))
    del base["livemode"]
    return {
        **base,
        **null_fields(
            "balance_transaction customer customer_account payment_method reason receipt_number source_transfer_reversal transfer_reversal"
        ),
        "amount": amount,
        "charge": charge_id,
        "currency": currency,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": intent_id,
        "status": "succeeded",
        **fields,
    }


def dispute(*, charge: Doc, amount: int, reason: str, due_by: int) -> Doc:
    """A dispute that needs a response."""
    return {
        **base_fields("dispute", new_id("du")),
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": reason,
        "status": "needs_response",
    }


def payout(*, amount: int, currency: str, arrival: int, **fields: Any) -> Doc:
    """A payout that is in transit to the charity's bank."""
    return {
        **base_fields("payout", new_id("po")),
        **null_fields(
            "application_fee application_fee_amount balance_transaction description destination failure_balance_transaction failure_code"
            " failure_message original_payout payout_method reversed_by statement_descriptor trace_id"
        ),
        "amount": amount,
        "arrival_date": arrival,
        "automatic": True,
        "currency": currency,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "status": "in_transit",
        "type": "bank_account",
        **fields,
    }


def balance(*, available: Iterable[tuple[str, int]], pending: Iterable[tuple[str, int]]) -> Doc:
    """The balance, by currency."""

    def amounts(sums: Iterable[tuple[str, int]]) -> list[Doc]:
        return [{"amount": cents, "currency": currency, "source_types": {"card": cents}} for currency, cents in sums]

    return {"object": "balance", "available": amounts(available), "livemode": False, "pending": amounts(pending)}
