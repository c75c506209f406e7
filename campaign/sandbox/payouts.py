"""The balance, and payouts: what the balance holds goes to the charity's bank, or comes back."""

from collections import Counter

from campaign.sandbox import clock, money_shapes
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Account, Refused

DAY = 24 * 3600


def _unpaid(account: Account) -> list[Doc]:
    """What moved the balance and is in no payout yet, oldest first."""
    moved = account.store.newest("balance_transaction", limit=100_000)
    return [one for one in reversed(moved) if not one.get("sandbox_payout")]


def balance(account: Account) -> Doc:
    """What the account holds: available for a payout, and still pending."""
    available: Counter[str] = Counter()
    pending: Counter[str] = Counter()
    for one in account.store.newest("balance_transaction", limit=1_000_000):
        (available if one["available_on"] <= clock.now() else pending)[one["currency"]] += one["net"]
    currencies = sorted({*available, *pending}) or ["cad"]
    return money_shapes.balance(
        available=[(currency, available[currency]) for currency in currencies],
        pending=[(currency, pending[currency]) for currency in currencies],
    )


def pay_out(account: Account, *, currency: str = "cad", all_of_it: bool = False) -> Doc:
    """A payout of what is available, or of all that is there."""
    lines = [one for one in _unpaid(account) if one["currency"] == currency and (all_of_it or one["available_on"] <= clock.now())]
    cents = sum(one["net"] for one in lines)
    if cents <= 0:
        raise Refused("You have insufficient funds in your Stripe account for this payout.", code="balance_insufficient")
    made = money_shapes.payout(amount=cents, currency=currency, arrival=clock.now() + 2 * DAY)
    made["balance_transaction"] = account.move(-cents, currency=currency, source=made["id"], kind="payout")
    for one in lines:
        account.store.put(
            one | {"available_on": min(one["available_on"], clock.now()), "status": "available", "sandbox_payout": made["id"]}
        )
    _in_payout(account, made["balance_transaction"], made["id"])
    account.store.put(made)
    account.happened("payout.created", made)
    return made


def decide_payout(account: Account, made: Doc, status: str) -> Doc:
    """It has arrived, or the bank sent it back; an arrived one can still be sent back."""
    if status not in {"paid", "failed"} or made["status"] == "failed":
        raise Refused(f"A payout that is {made['status']} does not become {status}.", param="status")
    before = {"status": made["status"]}
    made["status"] = status
    if status == "failed":
        back = account.move(made["amount"], currency=made["currency"], source=made["id"], kind="payout_failure")
        _in_payout(account, back, None)
        made |= {
            "failure_balance_transaction": back,
            "failure_code": "account_closed",
            "failure_message": "The bank account has been closed.",
        }
    account.store.put(made)
    account.happened(f"payout.{status}", made, before)
    return made


def _in_payout(account: Account, name: str, payout: str | None) -> None:
    moved = account.store.get(name, "balance_transaction")
    assert moved
    account.store.put(moved | {"available_on": clock.now(), "status": "available", "sandbox_payout": payout})
