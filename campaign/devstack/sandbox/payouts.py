"""The balance, and payouts from it to the charity's bank."""

from collections import Counter

from campaign.devstack.sandbox import clock, money_shapes
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account

DAY = 24 * 3600
INSUFFICIENT = "You have insufficient funds in your Stripe account for this payout."
# The statuses that follow each status. One that is missing here is final.
NEXT_STATUSES = {"pending": {"in_transit", "paid", "failed", "canceled"}, "in_transit": {"paid", "failed"}, "paid": {"failed"}}


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
        raise ApiError(INSUFFICIENT, code="balance_insufficient")
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


def create_manual_payout(account: Account, params: Doc, *, include_pending: bool = False) -> Doc:
    """Pay out an amount that someone requested, of which Stripe does not say which transactions it consists of. Raises ApiError.

    An instant payout costs one percent, at least 50 cents.
    """
    cents, currency, method = int(params["amount"]), str(params["currency"]).lower(), str(params.get("method") or "standard")
    fee = max(50, (cents + 50) // 100) if method == "instant" else 0
    parts = balance(account)
    sums = [part["amount"] for kind in ("available", "pending") for part in parts[kind] if part["currency"] == currency]
    if cents <= 0 or cents + fee > (sum(sums) if include_pending else sum(sums[:1])):
        raise ApiError(INSUFFICIENT, code="balance_insufficient", param="amount")
    payout = money_shapes.payout(
        amount=cents,
        currency=currency,
        arrival=clock.now() + (0 if method == "instant" else 2 * DAY),
        automatic=False,
        description=params.get("description"),
        metadata=params.get("metadata") or {},
        method=method,
        reconciliation_status="not_applicable",
        statement_descriptor=params.get("statement_descriptor"),
        status="pending",
    )
    payout["balance_transaction"] = account.add_balance_transaction(-cents, fee=fee, currency=currency, source=payout["id"], kind="payout")
    _assign_payout(account, payout["balance_transaction"], None)
    account.store.put(payout)
    account.emit("payout.created", payout)
    return payout


def set_payout_status(account: Account, payout: Doc, status: str) -> Doc:
    """Set a later status of a payout. When it fails or is canceled its amount returns to the balance; a paid one can still fail."""
    if status not in NEXT_STATUSES.get(payout["status"], set()) or (status == "canceled" and payout["automatic"]):
        raise ApiError(f"A payout that is {payout['status']} does not become {status}.", param="status")
    before = {"status": payout["status"]}
    payout["status"] = status
    if status in {"failed", "canceled"}:
        transaction = account.add_balance_transaction(
            payout["amount"],
            currency=payout["currency"],
            source=payout["id"],
            kind="payout_failure" if status == "failed" else "payout_cancel",
            category="payout_reversal",
        )
        _assign_payout(account, transaction, None)
        payout["failure_balance_transaction"] = transaction
    if status == "failed":
        payout |= {"failure_code": "account_closed", "failure_message": "The bank account has been closed."}
    account.store.put(payout)
    account.emit("payout.updated" if status == "in_transit" else f"payout.{status}", payout, before)
    return payout


def check_is_automatic(account: Account, payout_id: str) -> None:
    """Raises ApiError when there is no such payout, or when it is manual, so that Stripe cannot list its transactions."""
    payout = account.store.get(payout_id, "payout")
    if payout is None:
        raise ApiError(f"No such payout: '{payout_id}'", param="payout", code="resource_missing")
    if not payout["automatic"]:
        raise ApiError("Balance transaction history can only be filtered on automatic transfers, not manual.", param="payout")


def _assign_payout(account: Account, transaction_id: str, payout_id: str | None) -> None:
    transaction = account.store.get(transaction_id, "balance_transaction")
    assert transaction
    account.store.put(transaction | {"available_on": clock.now(), "status": "available", "sandbox_payout": payout_id})
