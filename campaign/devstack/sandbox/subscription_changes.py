"""Changes of a subscription: the amounts of its items, scheduled cancellations, and months that end in a way that the tester chooses."""

from campaign.devstack.sandbox import clock, invoices
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.products import create_price
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import Account
from campaign.devstack.sandbox.subscriptions import DECLINED, MAX_ATTEMPTS, begin_period, change, pay_or_fail, period_end, resume

GOOD_CARD = "4242424242424242"
OUTCOMES = ("paid", "failed", "unpaid", "outside_stripe", "outside_stripe_without_intent", "cheque", "forgiven", "partly_credited")


def update(account: Account, subscription: Doc, params: Doc) -> Doc:
    """Change the amounts from the next period on, the metadata, or the scheduled cancellation, as the parameters of a request say."""
    if subscription["status"] == "canceled":
        raise ApiError("A canceled subscription can only update its cancellation_details and metadata.")
    for index, wanted in enumerate(params.get("items") or []):
        _update_item(account, subscription, wanted, f"items[{index}]")
    if not subscription["items"]["data"]:
        raise ApiError("A subscription must have at least one active plan.", param="items")
    if "metadata" in params:
        _update_metadata(account, subscription, params["metadata"] or {})
    if "cancel_at_period_end" in params:
        return schedule_cancellation(account, subscription, "period_end" if params["cancel_at_period_end"] == "true" else "none")
    if "cancel_at" in params:
        return schedule_cancellation(account, subscription, params["cancel_at"] or "none")
    return change(account, subscription, items=subscription["items"])


def _update_item(account: Account, subscription: Doc, wanted: Doc, name: str) -> None:
    items = subscription["items"]["data"]
    found = next((item for item in items if item["id"] == wanted.get("id")), None)
    if found is None:
        raise ApiError(f"No such subscription_item: '{wanted.get('id')}'", status=404, code="resource_missing", param=f"{name}[id]")
    if wanted.get("deleted") == "true":
        items.remove(found)
        return
    if data := wanted.get("price_data"):
        found["price"] = create_price(account.store, data, f"{name}[price_data]")
    if "metadata" in wanted:
        found["metadata"] = wanted["metadata"] or {}
    if "quantity" in wanted:
        found["quantity"] = int(wanted["quantity"])


def _update_metadata(account: Account, subscription: Doc, metadata: Doc) -> None:
    """Merge metadata; the lines of the subscription's invoices show its current metadata."""
    subscription["metadata"] = {k: v for k, v in {**subscription["metadata"], **metadata}.items() if v != ""}
    for invoice in account.store.newest("invoice", limit=1000):
        for line in invoice["lines"]["data"]:
            if line["subscription"] == subscription["id"]:
                line["metadata"] = subscription["metadata"]
                account.store.put(invoice)


def change_price(account: Account, subscription: Doc, cents: int, item_id: str | None) -> Doc:
    """Give an item, by default the one with the largest amount, a new price of the same product, as in Stripe's dashboard."""
    item = _item(subscription, item_id, largest=True)
    price = item["price"]
    data = {"currency": price["currency"], "product": price["product"], "unit_amount": str(cents), "recurring": price["recurring"]}
    item["price"] = create_price(account.store, data, "")
    return change(account, subscription, items=subscription["items"])


def remove_item(account: Account, subscription: Doc, item_id: str | None) -> Doc:
    """Remove an item, by default the one with the smallest amount, as in Stripe's dashboard."""
    items = subscription["items"]["data"]
    if len(items) < 2:
        raise ApiError("A subscription must have at least one active plan.", param="items")
    items.remove(_item(subscription, item_id, largest=False))
    return change(account, subscription, items=subscription["items"])


def _item(subscription: Doc, item_id: str | None, *, largest: bool) -> Doc:
    items = sorted(subscription["items"]["data"], key=lambda item: item["price"]["unit_amount"] * item["quantity"], reverse=largest)
    found: Doc | None = next((item for item in items if item_id in {None, item["id"]}), None)
    if found is None:
        raise ApiError(f"No such subscription_item: '{item_id}'", status=404, code="resource_missing")
    return found


def schedule_cancellation(account: Account, subscription: Doc, at: str) -> Doc:
    """Schedule the end of a subscription: `at` is period_end, a time in seconds since 1970, or none to undo it."""
    if at == "none":
        return change(
            account,
            subscription,
            cancel_at=None,
            cancel_at_period_end=False,
            canceled_at=None,
            cancellation_details={"comment": None, "feedback": None, "reason": None},
        )
    moment = period_end(subscription) if at in {"period_end", "min_period_end", "max_period_end"} else int(at)
    if moment <= clock.now():
        raise ApiError("The subscription's `cancel_at` must be in the future.", param="cancel_at")
    return change(
        account,
        subscription,
        cancel_at=moment,
        cancel_at_period_end=at == "period_end",
        canceled_at=clock.now(),
        cancellation_details={"comment": None, "feedback": None, "reason": "cancellation_requested"},
    )


def pass_month(account: Account, subscription: Doc, outcome: str, credited: int | None) -> Doc:
    """Begin the next month of a subscription now and bring its invoice, which is returned, to this outcome.

    `credited` is the sum in cents that is credited when the outcome is partly_credited, by default half.
    """
    if outcome not in OUTCOMES:
        raise ApiError(f"The outcome must be one of {', '.join(OUTCOMES)}.", param="outcome")
    if subscription["status"] not in {"active", "past_due"}:
        raise ApiError(f"The subscription is {subscription['status']}.")
    invoice = begin_period(account, subscription, has_intent=outcome != "outside_stripe_without_intent")
    if outcome.startswith("outside_stripe"):
        return invoices.pay_outside_stripe(account, invoice)
    subscription["sandbox_card"] = GOOD_CARD if outcome == "paid" else DECLINED
    if outcome == "unpaid":
        invoice["attempt_count"] = MAX_ATTEMPTS - 1
    pay_or_fail(account, subscription, invoice, after_retries="unpaid" if outcome == "unpaid" else None)
    invoice = account.store.get(invoice["id"], "invoice") or invoice
    match outcome:
        case "cheque":
            invoices.pay_outside_stripe(account, invoice)
        case "forgiven":
            invoices.credit(account, invoice, None)
        case "partly_credited":
            invoices.credit(account, invoice, credited or invoice["amount_due"] // 2)
            pay_invoice(account, invoice, GOOD_CARD)
    if outcome in {"cheque", "forgiven"}:
        resume(account, subscription, invoice)
    return invoice


def pay_invoice(account: Account, invoice: Doc, card: str | None) -> Doc:
    """Pay an open invoice: with this card, which the subscription keeps, or outside Stripe when it is None."""
    invoices.check_is_open(invoice)
    subscription = account.store.get(invoice["parent"]["subscription_details"]["subscription"], "subscription")
    assert subscription
    if card is None:
        invoices.pay_outside_stripe(account, invoice)
        resume(account, subscription, invoice)
    else:
        subscription["sandbox_card"] = card
        account.store.put(subscription)
        pay_or_fail(account, subscription, invoice)
    return account.store.get(invoice["id"], "invoice") or invoice
