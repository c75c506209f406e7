"""Objects about money that has moved: balance transactions, refunds, disputes, payouts, the balance."""

from collections.abc import Iterable
from typing import Any

from campaign.sandbox.shapes import Doc, empty, made, new_id


def balance_transaction(*, amount: int, fee: int, currency: str, source: str, kind: str) -> Doc:
    """What an act did to the balance; `fee` is what Stripe kept."""
    begun = made("balance_transaction", new_id("txn"))
    del begun["livemode"]
    details = [{"amount": fee, "application": None, "currency": currency, "description": "Stripe processing fees", "type": "stripe_fee"}]
    return {
        **begun,
        "amount": amount,
        "available_on": begun["created"] + 2 * 86400,
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


def refund(*, amount: int, currency: str, charge_id: str, intent_id: str | None, **given: Any) -> Doc:
    """Money going back."""
    begun = made("refund", new_id("re"))
    del begun["livemode"]
    return {
        **begun,
        **empty(
            "balance_transaction customer customer_account payment_method reason receipt_number source_transfer_reversal transfer_reversal"
        ),
        "amount": amount,
        "charge": charge_id,
        "currency": currency,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": intent_id,
        "status": "succeeded",
        **given,
    }


def dispute(*, charge: Doc, amount: int, reason: str, due_by: int) -> Doc:
    """A donor's bank wants the money back."""
    return {
        **made("dispute", new_id("du")),
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


def payout(*, amount: int, currency: str, arrival: int, **given: Any) -> Doc:
    """Money on its way from the balance to the charity's bank."""
    return {
        **made("payout", new_id("po")),
        **empty(
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
        **given,
    }


def balance(*, available: Iterable[tuple[str, int]], pending: Iterable[tuple[str, int]]) -> Doc:
    """What the account holds, by currency."""

    def amounts(of: Iterable[tuple[str, int]]) -> list[Doc]:
        return [{"amount": cents, "currency": currency, "source_types": {"card": cents}} for currency, cents in of]

    return {"object": "balance", "available": amounts(available), "livemode": False, "pending": amounts(pending)}
