"""The balance, and payouts from it to the charity's bank."""

from collections import Counter

from campaign.devstack.sandbox import clock, money_shapes
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account, ApiError

DAY = 24 * 3600


def _list_unpaid(account: Account) -> list[Doc]:
    """Balance transactions that are in no payout yet, oldest first."""
    transactions = account.store.newest("balance_transaction", limit=100_000)
    return [line for line in reversed(transactions) if not line.get("sandbox_payout")]


def balance(account: Account) -> Doc:
    """The balance of the account, available and pending, by currency."""
    available: Counter[str] = Counter()
    pending: Counter[str] = Counter()
    for line in account.store.newest("balance_transaction", limit=1_000_000):
        (available if line["available_on"] <= clock.now() else pending)[line["currency"]] += line["net"]
    currencies = sorted({*available, *pending}) or ["cad"]
    return money_shapes.balance(
        available=[(currency, available[currency]) for currency in currencies],
        pending=[(currency, pending[currency]) for currency in currencies],
    )


def create_payout(account: Account, *, currency: str = "cad", include_pending: bool = False) -> Doc:
    """Pay out what is available, or with `include_pending` the whole balance. Raises ApiError when it is not positive."""
    lines = [
        line for line in _list_unpaid(account) if line["currency"] == currency and (include_pending or line["available_on"] <= clock.now())
    ]
    cents = sum(line["net"] for line in lines)
    if cents <= 0:
        raise ApiError("You have insufficient funds in your Stripe account for this payout.", code="balance_insufficient")
    payout = money_shapes.payout(amount=cents, currency=currency, arrival=clock.now() + 2 * DAY)
    payout["balance_transaction"] = account.add_balance_transaction(-cents, currency=currency, source=payout["id"], kind="payout")
    for line in lines:
        account.store.put(
            line | {"available_on": min(line["available_on"], clock.now()), "status": "available", "sandbox_payout": payout["id"]}
        )
    _assign_payout(account, payout["balance_transaction"], payout["id"])
    account.store.put(payout)
    account.emit("payout.created", payout)
    return payout


def set_payout_status(account: Account, payout: Doc, status: str) -> Doc:
    """Set a payout paid, or failed: its amount returns to the balance. A paid payout can still fail."""
    if status not in {"paid", "failed"} or payout["status"] == "failed":
        raise ApiError(f"A payout that is {payout['status']} does not become {status}.", param="status")
    before = {"status": payout["status"]}
    payout["status"] = status
    if status == "failed":
        transaction = account.add_balance_transaction(
            payout["amount"], currency=payout["currency"], source=payout["id"], kind="payout_failure"
        )
        _assign_payout(account, transaction, None)
        payout |= {
            "failure_balance_transaction": transaction,
            "failure_code": "account_closed",
            "failure_message": "The bank account has been closed.",
        }
    account.store.put(payout)
    account.emit(f"payout.{status}", payout, before)
    return payout


def _assign_payout(account: Account, transaction_id: str, payout_id: str | None) -> None:
    transaction = account.store.get(transaction_id, "balance_transaction")
    assert transaction
    account.store.put(transaction | {"available_on": clock.now(), "status": "available", "sandbox_payout": payout_id})
