"""What becomes of a charge: it is refunded, its refund fails, its donor's bank disputes it and somebody wins."""

from campaign.sandbox import clock, money_shapes
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import REFUND_FAILING_CARD, REFUND_PENDING_CARD, Account, Refused

DISPUTE_FEE = 15_00
ANSWER_DAYS = 9
CHANGES_AFTER_SECONDS = 2
REFUND_STATUS = {"pending", "requires_action", "succeeded", "failed", "canceled"}


def refund(account: Account, charge: Doc, amount: int | None, asked: Doc) -> Doc:
    """Give back a charge, or a part of it."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    cents = left if amount is None else amount
    if charge["disputed"]:
        raise Refused(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if charge["status"] != "succeeded" or left == 0:
        raise Refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if not 0 < cents <= left:
        raise Refused(
            f"Refund amount (${cents // 100}.{cents % 100:02d}) is greater than unrefunded amount on charge (${left // 100}.{left % 100:02d})",
            param="amount",
        )
    made = money_shapes.refund(
        amount=cents,
        currency=charge["currency"],
        charge_id=charge["id"],
        intent_id=charge["payment_intent"],
        reason=asked.get("reason"),
        metadata=asked.get("metadata") or {},
    )
    made["balance_transaction"] = account.move(-cents, currency=charge["currency"], source=made["id"], kind="refund")
    card = str((charge["payment_method_details"].get("card") or {}).get("last4"))
    if REFUND_PENDING_CARD.endswith(card):
        made |= {"status": "pending", "sandbox_becomes": "succeeded", "sandbox_at": clock.now() + CHANGES_AFTER_SECONDS}
    if REFUND_FAILING_CARD.endswith(card):
        made |= {"sandbox_becomes": "failed", "sandbox_at": clock.now() + CHANGES_AFTER_SECONDS}
    account.store.put(made)
    _refunded(account, charge, cents)
    account.happened("refund.created", made)
    account.happened("charge.refunded", account.store.get(charge["id"]) or charge)
    return made


def _refunded(account: Account, charge: Doc, change: int) -> None:
    charge["amount_refunded"] += change
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    account.store.put(charge)


def change_refund(account: Account, made: Doc, status: str) -> Doc:
    """A refund goes through after all, or fails: then the money is back in the balance."""
    if status not in REFUND_STATUS:
        raise Refused(f"No status of a refund: {status}", param="status")
    failed = {"failed", "canceled"}
    if made["status"] in failed:
        raise Refused(f"The refund is {made['status']} for good.")
    if status in failed:
        back = account.move(made["amount"], currency=made["currency"], source=made["id"], kind="refund_failure")
        made |= {"failure_balance_transaction": back, "failure_reason": "lost_or_stolen_card"}
        if charge := account.store.get(made["charge"], "charge"):
            _refunded(account, charge, -made["amount"])
    before = {"status": made["status"]}
    made |= {"status": status, "sandbox_becomes": None}
    account.store.put(made)
    account.happened("refund.updated", made, before)
    if status == "failed":
        account.happened("refund.failed", made, before)
    return made


def change_what_is_due(account: Account) -> None:
    """Refunds whose card makes them change by themselves."""
    for made in account.store.newest("refund", limit=50, since=clock.now() - 3600):
        if made.get("sandbox_becomes") and made["sandbox_at"] <= clock.now():
            with account.store.transaction():
                current = account.store.get(made["id"], "refund")
                if current and current.get("sandbox_becomes"):
                    change_refund(account, current, current["sandbox_becomes"])


def dispute(account: Account, charge: Doc, amount: int | None = None, reason: str = "fraudulent") -> Doc:
    """The donor's bank takes the money back, until somebody decides."""
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise Refused("Only a charge that succeeded and is not disputed can be disputed.")
    made = money_shapes.dispute(
        charge=charge, amount=amount or charge["amount"], reason=reason, due_by=clock.now() + ANSWER_DAYS * 24 * 3600
    )
    account.store.put(charge | {"disputed": True})
    account.store.put(made)
    account.happened("charge.dispute.created", made)
    _moved(account, made, -made["amount"], category="dispute", fee=DISPUTE_FEE)
    account.happened("charge.dispute.funds_withdrawn", made)
    return made


def decide_dispute(account: Account, made: Doc, status: str) -> Doc:
    """It is under review, or won or lost."""
    if status not in {"under_review", "won", "lost"}:
        raise Refused(f"No status of a dispute to decide on: {status}", param="status")
    if made["status"] in {"won", "lost"}:
        raise Refused("The dispute is decided.")
    before = {"status": made["status"]}
    made["status"] = status
    if status == "under_review":
        account.store.put(made)
        account.happened("charge.dispute.updated", made, before)
        return made
    if status == "won":
        _moved(account, made, made["amount"], category="dispute_reversal")
        account.happened("charge.dispute.funds_reinstated", made)
    account.store.put(made)
    account.happened("charge.dispute.closed", made, before)
    return made


def _moved(account: Account, made: Doc, cents: int, *, category: str, fee: int = 0) -> None:
    name = account.move(cents, fee=fee, currency=made["currency"], source=made["id"], kind="adjustment", category=category)
    made["balance_transactions"] = [*made["balance_transactions"], account.store.get(name)]
    account.store.put(made)
