"""A shop on the same Stripe account: payments and subscriptions with metadata of its own, which are no donations."""

from collections.abc import Callable

from campaign.devstack.sandbox import aftermath, shapes, subscriptions
from campaign.devstack.sandbox.products import create_lines
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account

CARD = "4242424242424242"


def _sell_once(account: Account, amount: int) -> Doc:
    intent = shapes.payment_intent(
        amount=amount, currency="cad", description="Tea towel", metadata={"order_id": shapes.new_id("order"), "source": "shop"}
    )
    account.store.put(intent)
    account.emit("payment_intent.created", intent)
    return account.confirm(intent, CARD, name="A customer of the shop", email="customer@example.org")


def _sell_subscription(account: Account, amount: int) -> Doc:
    data = {
        "currency": "cad",
        "unit_amount": str(amount),
        "product_data": {"name": "Magazine", "metadata": {"sku": "magazine"}},
        "recurring": {"interval": "month"},
    }
    subscription, _ = subscriptions.start(
        account,
        customer=shapes.customer(email="customer@example.org", name="A customer of the shop"),
        lines=create_lines(account.store, [{"quantity": "1", "price_data": data}]),
        metadata={"plan": "magazine", "source": "shop"},
        description="Magazine",
        number=CARD,
    )
    return subscription


def _sell_and_refund(account: Account, amount: int) -> Doc:
    intent = _sell_once(account, amount)
    charge = account.store.get(intent["latest_charge"], "charge")
    assert charge
    return aftermath.create_refund(account, charge, None, {})


SALES: dict[str, Callable[[Account, int], Doc]] = {
    "payment": _sell_once,
    "subscription": _sell_subscription,
    "refund": _sell_and_refund,
}
