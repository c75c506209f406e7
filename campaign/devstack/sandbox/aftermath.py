"""Refunds and disputes of a charge: creation and every later change of status, with the events that Stripe sends."""

from campaign.devstack.sandbox import clock, money_shapes
from campaign.devstack.sandbox.errors import ApiError, public
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import REFUND_FAILING_CARD, REFUND_PENDING_CARD, Account

DISPUTE_FEE = 15_00
EVIDENCE_DAYS = 9
STATUS_CHANGE_SECONDS = 2
# From the documentation of the field `reason`.
DISPUTE_REASONS = {
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
}
# The statuses that follow each status. One that is missing here is final.
NEXT_STATUSES = {
    "warning_needs_response": {"warning_under_review", "warning_closed", "needs_response"},
    "warning_under_review": {"warning_closed", "needs_response"},
    "needs_response": {"under_review", "won", "lost"},
    "under_review": {"won", "lost"},
    "lost": {"appeal_needs_response"},
    "appeal_needs_response": {"appeal_under_review", "lost"},
    "appeal_under_review": {"won", "lost"},
}
REFUND_STATUSES = {"pending", "requires_action", "succeeded", "failed", "canceled"}


def create_refund(account: Account, charge: Doc, amount: int | None, params: Doc) -> Doc:
    """Refund `amount` cents of a charge, or its refundable amount when None."""
    refundable = charge["amount_captured"] - charge["amount_refunded"]
    cents = refundable if amount is None else amount
    if charge["disputed"] and not charge.get("sandbox_is_refundable"):
        raise ApiError(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if charge["status"] != "succeeded" or refundable == 0:
        raise ApiError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if not 0 < cents <= refundable:
        raise ApiError(
            f"Refund amount (${cents // 100}.{cents % 100:02d}) is greater than unrefunded amount on charge (${refundable // 100}.{refundable % 100:02d})",
            param="amount",
        )
    refund = money_shapes.refund(
        amount=cents,
        currency=charge["currency"],
        charge_id=charge["id"],
        intent_id=charge["payment_intent"],
        reason=params.get("reason"),
        metadata=params.get("metadata") or {},
    )
    is_card = charge["payment_method_details"]["type"] == "card"
    if not is_card:
        method = charge["payment_method_details"]["type"]
        refund |= {"id": refund["id"].replace("re_", "pyr_", 1), "destination_details": {method: {}, "type": method}}
    refund["balance_transaction"] = account.add_balance_transaction(
        -cents, currency=charge["currency"], source=refund["id"], kind="refund" if is_card else "payment_refund", category="refund"
    )
    card = str((charge["payment_method_details"].get("card") or {}).get("last4"))
    if REFUND_PENDING_CARD.endswith(card):
        refund |= {"status": "pending", "sandbox_becomes": "succeeded", "sandbox_at": clock.now() + STATUS_CHANGE_SECONDS}
    if REFUND_FAILING_CARD.endswith(card):
        refund |= {"sandbox_becomes": "failed", "sandbox_at": clock.now() + STATUS_CHANGE_SECONDS}
    account.store.put(refund)
    _add_refunded(account, charge, cents)
    account.emit("refund.created", refund)
    account.emit("charge.refunded", account.store.get(charge["id"]) or charge)
    return refund


def _add_refunded(account: Account, charge: Doc, change: int) -> None:
    charge["amount_refunded"] += change
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    account.store.put(charge)


def set_refund_status(account: Account, refund: Doc, status: str) -> Doc:
    """Change the status of a refund. A refund that fails or is canceled returns its amount to the balance."""
    if status not in REFUND_STATUSES:
        raise ApiError(f"Not a refund status: {status}", param="status")
    failed = {"failed", "canceled"}
    if refund["status"] in failed:
        raise ApiError(f"The refund is {refund['status']}, which is final.")
    if status in failed:
        transaction = account.add_balance_transaction(
            refund["amount"], currency=refund["currency"], source=refund["id"], kind="refund_failure"
        )
        refund |= {"failure_balance_transaction": transaction, "failure_reason": "lost_or_stolen_card"}
        if charge := account.store.get(refund["charge"], "charge"):
            _add_refunded(account, charge, -refund["amount"])
    before = {"status": refund["status"]}
    refund |= {"status": status, "sandbox_becomes": None}
    account.store.put(refund)
    account.emit("refund.updated", refund, before)
    if status == "failed":
        account.emit("refund.failed", refund, before)
    return refund


def apply_due_refund_changes(account: Account) -> None:
    """Apply the status changes that are due for refunds to the test cards that cause them."""
    for refund in account.store.newest("refund", limit=50, since=clock.now() - 3600):
        if refund.get("sandbox_becomes") and refund["sandbox_at"] <= clock.now():
            with account.store.transaction():
                current = account.store.get(refund["id"], "refund")
                if current and current.get("sandbox_becomes"):
                    set_refund_status(account, current, current["sandbox_becomes"])


def create_dispute(
    account: Account, charge: Doc, amount: int | None = None, reason: str = "fraudulent", status: str = "needs_response"
) -> Doc:
    """Dispute a charge: the amount, which can exceed that of the charge, and the dispute fee are withdrawn from the balance.

    Nothing is withdrawn for a dispute that was prevented, nor for an inquiry (`warning_needs_response`).
    """
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise ApiError("Only a charge that succeeded and is not disputed can be disputed.")
    if status not in {"needs_response", "prevented", "warning_needs_response"} or reason not in DISPUTE_REASONS:
        raise ApiError(f"Not a status of a new dispute, or not a reason: {status}, {reason}")
    dispute = money_shapes.dispute(
        charge=charge, amount=amount or charge["amount"], reason=reason, due_by=clock.now() + EVIDENCE_DAYS * 24 * 3600
    )
    dispute |= {"status": status, "is_charge_refundable": status != "needs_response"}
    if status == "prevented":
        dispute["evidence_details"]["due_by"] = None
    account.store.put(charge | {"disputed": True, "sandbox_is_refundable": dispute["is_charge_refundable"]})
    account.store.put(dispute)
    account.emit("charge.dispute.created", dispute)
    if status == "needs_response":
        _withdraw(account, dispute)
    return dispute


def _withdraw(account: Account, dispute: Doc) -> None:
    _move_balance(account, dispute, -dispute["amount"], category="dispute", fee=DISPUTE_FEE)
    account.emit("charge.dispute.funds_withdrawn", dispute)


def set_dispute_status(account: Account, dispute: Doc, status: str, reinstated: int | None = None) -> Doc:
    """Set a later status of a dispute. A lost one can be appealed.

    A dispute that is won returns its amount to the balance, or only `reinstated` cents of it; the fee is not returned.
    """
    if dispute["status"] not in NEXT_STATUSES:
        raise ApiError("The dispute is closed.")
    if status not in NEXT_STATUSES[dispute["status"]]:
        raise ApiError(f"A dispute that is {dispute['status']} does not become {status}.", param="status")
    if reinstated is not None and not (status == "won" and 0 < reinstated <= dispute["amount"]):
        raise ApiError("Only a dispute that is won is reinstated, at most with its amount.", param="reinstated")
    before = {"status": dispute["status"]}
    dispute["status"] = status
    account.store.put(dispute)
    if before["status"].startswith("warning_") and status == "needs_response":
        dispute["is_charge_refundable"] = False
        _withdraw(account, dispute)
    if status == "won":
        _move_balance(account, dispute, dispute["amount"] if reinstated is None else reinstated, category="dispute_reversal")
        account.emit("charge.dispute.funds_reinstated", dispute)
    is_closed = status in {"won", "lost", "warning_closed"}
    account.emit("charge.dispute.closed" if is_closed else "charge.dispute.updated", dispute, before)
    return dispute


def _move_balance(account: Account, dispute: Doc, cents: int, *, category: str, fee: int = 0) -> None:
    transaction = account.add_balance_transaction(
        cents, fee=fee, currency=dispute["currency"], source=dispute["id"], kind="adjustment", category=category
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], public(account.store.get(transaction) or {})]
    account.store.put(dispute)
