"""Refunds and disputes of a charge: creation and every later change of status, with the events that Stripe sends."""

from campaign.devstack.sandbox import clock, money_shapes
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import REFUND_FAILING_CARD, REFUND_PENDING_CARD, Account, ApiError

DISPUTE_FEE = 15_00
EVIDENCE_DAYS = 9
STATUS_CHANGE_SECONDS = 2
REFUND_STATUSES = {"pending", "requires_action", "succeeded", "failed", "canceled"}


def create_refund(account: Account, charge: Doc, amount: int | None, params: Doc) -> Doc:
    """Refund `amount` cents of a charge, or its refundable amount when None."""
    refundable = charge["amount_captured"] - charge["amount_refunded"]
    cents = refundable if amount is None else amount
    if charge["disputed"]:
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
    refund["balance_transaction"] = account.add_balance_transaction(-cents, currency=charge["currency"], source=refund["id"], kind="refund")
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


def create_dispute(account: Account, charge: Doc, amount: int | None = None, reason: str = "fraudulent") -> Doc:
    """Dispute a charge: the amount and the dispute fee are withdrawn from the balance."""
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise ApiError("Only a charge that succeeded and is not disputed can be disputed.")
    dispute = money_shapes.dispute(
        charge=charge, amount=amount or charge["amount"], reason=reason, due_by=clock.now() + EVIDENCE_DAYS * 24 * 3600
    )
    account.store.put(charge | {"disputed": True})
    account.store.put(dispute)
    account.emit("charge.dispute.created", dispute)
    _move_balance(account, dispute, -dispute["amount"], category="dispute", fee=DISPUTE_FEE)
    account.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def set_dispute_status(account: Account, dispute: Doc, status: str) -> Doc:
    """Set a dispute under_review, won or lost. A won dispute returns its amount to the balance; the fee is not returned."""
    if status not in {"under_review", "won", "lost"}:
        raise ApiError(f"Not a dispute status that can be set: {status}", param="status")
    if dispute["status"] in {"won", "lost"}:
        raise ApiError("The dispute is closed.")
    before = {"status": dispute["status"]}
    dispute["status"] = status
    if status == "under_review":
        account.store.put(dispute)
        account.emit("charge.dispute.updated", dispute, before)
        return dispute
    if status == "won":
        _move_balance(account, dispute, dispute["amount"], category="dispute_reversal")
        account.emit("charge.dispute.funds_reinstated", dispute)
    account.store.put(dispute)
    account.emit("charge.dispute.closed", dispute, before)
    return dispute


def _move_balance(account: Account, dispute: Doc, cents: int, *, category: str, fee: int = 0) -> None:
    transaction = account.add_balance_transaction(
        cents, fee=fee, currency=dispute["currency"], source=dispute["id"], kind="adjustment", category=category
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], account.store.get(transaction)]
    account.store.put(dispute)
