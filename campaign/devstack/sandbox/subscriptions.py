"""Subscriptions: a checkout starts one, each period is invoiced and its card charged, and the donor or a failing card ends it."""

from datetime import UTC, datetime

from campaign.devstack.sandbox import clock, shapes, subscription_shapes
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import DECLINES, Account, ApiError, Declined

FAILS_LATER = "4000000000000341"
DECLINED = "4000000000000002"
RETRY_SECONDS = 3 * 24 * 3600
MAX_ATTEMPTS = 4


def next_month(moment: int) -> int:
    """The same day of the next month, or the last day of that month (seconds since 1970)."""
    at = datetime.fromtimestamp(moment, UTC)
    year, month = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    for day in (at.day, 30, 29, 28):
        try:
            return int(at.replace(year=year, month=month, day=day).timestamp())
        except ValueError:
            continue
    raise AssertionError(moment)


def pay_checkout(account: Account, session: Doc, number: str, *, name: str = "", email: str | None = None) -> Doc:
    """Charge the card for a checkout: a one-time payment, or the first period of a subscription."""
    if session["mode"] == "payment":
        return account.pay_checkout(session, number, name=name, email=email)
    if session["status"] != "open":
        raise ApiError("This Checkout Session is no longer open.", code="checkout_session_not_open")
    return _start(account, session, number, name=name, email=email or session["customer_email"])


def _start(account: Account, session: Doc, number: str, *, name: str, email: str | None) -> Doc:
    params, now = session["sandbox_subscription"], clock.now()
    customer = account.store.put(shapes.customer(email=email, name=name or None))
    items = [
        subscription_shapes.item(price=line["price"], quantity=line["quantity"], period_start=now, period_end=next_month(now))
        for line in session["sandbox_lines"]
    ]
    subscription = subscription_shapes.subscription(
        customer=customer["id"],
        currency=session["currency"],
        items=items,
        metadata=params.get("metadata") or {},
        description=params.get("description"),
    )
    subscription["sandbox_card"] = number
    invoice = subscription_shapes.invoice(
        subscription=subscription, amount=session["amount_total"], reason="subscription_create", email=email
    )
    _charge(account, invoice, number)  # Raises Declined before the subscription exists.
    account.store.put(subscription | {"latest_invoice": invoice["id"]})
    account.emit("customer.subscription.created", subscription)
    _mark_paid(account, invoice)
    session |= {"subscription": subscription["id"], "customer": customer["id"], "invoice": invoice["id"]}
    account.complete(session, {"id": None}, payment_status="paid", name=name, email=email)
    return session


def _charge(account: Account, invoice: Doc, number: str) -> None:
    """Try to pay the invoice. Raises Declined."""
    intent = shapes.payment_intent(amount=invoice["amount_due"], currency=invoice["currency"], customer=invoice["customer"])
    account.store.put(intent)
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    invoice["sandbox_payments"] = [subscription_shapes.invoice_payment(invoice=invoice, intent=intent["id"], status="open")]
    account.store.put(invoice)
    account.confirm(intent, number)
    invoice["sandbox_payments"] = [subscription_shapes.invoice_payment(invoice=invoice, intent=intent["id"], status="paid")]


def _mark_paid(account: Account, invoice: Doc) -> None:
    invoice |= {"status": "paid", "amount_paid": invoice["amount_due"], "amount_remaining": 0, "next_payment_attempt": None}
    invoice["status_transitions"] = {**invoice["status_transitions"], "paid_at": clock.now()}
    account.store.put(invoice)
    account.emit("invoice.paid", invoice)


def renew_due(account: Account) -> None:
    """Create and charge the invoices of periods that have started by the account's clock, and retry those that are due for a retry."""
    while any(_renew_one(account, doc["id"]) for doc in account.store.newest("subscription", limit=1000)):
        pass


def _renew_one(account: Account, subscription_id: str) -> bool:
    with account.store.transaction():
        account.key = None
        subscription = account.store.get(subscription_id, "subscription")
        if subscription is None or subscription["status"] not in {"active", "past_due"}:
            return False
        if subscription["status"] == "past_due":
            return _retry(account, subscription)
        if period_end(subscription) > clock.now():
            return False
        amount = sum(item["price"]["unit_amount"] * item["quantity"] for item in subscription["items"]["data"])
        customer = account.store.get(subscription["customer"]) or {}
        invoice = subscription_shapes.invoice(
            subscription=subscription,
            amount=amount,
            reason="subscription_cycle",
            email=customer.get("email"),
            created=period_end(subscription),
        )
        for item in subscription["items"]["data"]:
            item |= {"current_period_start": item["current_period_end"], "current_period_end": next_month(item["current_period_end"])}
        subscription["latest_invoice"] = invoice["id"]
        account.store.put(subscription)
        _pay_or_fail(account, subscription, invoice)
        return True


def period_end(subscription: Doc) -> int:
    """The end of the current period."""
    return int(subscription["items"]["data"][0]["current_period_end"])


def _pay_or_fail(account: Account, subscription: Doc, invoice: Doc) -> None:
    number = subscription["sandbox_card"]
    try:
        _charge(account, invoice, DECLINED if number == FAILS_LATER or number in DECLINES else number)
    except Declined:
        _mark_failed(account, subscription, invoice)
        return
    _mark_paid(account, invoice)
    if subscription["status"] != "active":
        change(account, subscription, status="active")


def _mark_failed(account: Account, subscription: Doc, invoice: Doc) -> None:
    is_last = invoice["attempt_count"] >= MAX_ATTEMPTS
    account.store.put(invoice | {"next_payment_attempt": None if is_last else clock.now() + RETRY_SECONDS})
    account.emit("invoice.payment_failed", account.store.get(invoice["id"]) or invoice)
    if is_last:
        cancel(account, subscription, reason="payment_failed")
    elif subscription["status"] != "past_due":
        change(account, subscription, status="past_due")


def _retry(account: Account, subscription: Doc) -> bool:
    invoice = account.store.get(subscription["latest_invoice"], "invoice")
    if invoice is None or not invoice["next_payment_attempt"] or invoice["next_payment_attempt"] > clock.now():
        return False
    _pay_or_fail(account, subscription, invoice)
    return True


def change(account: Account, subscription: Doc, **changed: object) -> Doc:
    """Change fields of a subscription."""
    before = {name: subscription[name] for name in changed if not name.startswith("sandbox_")}
    subscription |= changed
    account.store.put(subscription)
    account.emit("customer.subscription.updated", subscription, before)
    return subscription


def cancel(account: Account, subscription: Doc, *, reason: str = "cancellation_requested") -> Doc:
    """Cancel a subscription immediately."""
    if subscription["status"] == "canceled":
        raise ApiError(f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing")
    now = clock.now()
    subscription |= {"status": "canceled", "canceled_at": now, "ended_at": now}
    subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": reason}
    account.store.put(subscription)
    account.emit("customer.subscription.deleted", subscription)
    return subscription


def update(account: Account, subscription: Doc, params: Doc) -> Doc:
    """Change the amounts from the next period on, or cancel at the end of the period."""
    if subscription["status"] == "canceled":
        raise ApiError("A canceled subscription can only update its cancellation_details.")
    items = subscription["items"]["data"]
    for wanted in params.get("items") or []:
        found = next((item for item in items if item["id"] == wanted.get("id")), None)
        if found is None:
            raise ApiError(f"No such subscription_item: '{wanted.get('id')}'", status=404, code="resource_missing")
        if wanted.get("deleted") == "true":
            items.remove(found)
        elif data := wanted.get("price_data"):
            price = shapes.price(product_id=data["product"], unit_amount=int(data["unit_amount"]), currency=data["currency"].lower())
            found["price"] = account.store.put(price | {"type": "recurring", "recurring": _recurring(data["recurring"])})
    ends = params.get("cancel_at_period_end")
    return change(account, subscription, cancel_at_period_end=subscription["cancel_at_period_end"] if ends is None else ends == "true")


def _recurring(params: Doc) -> Doc:
    return {"interval": params["interval"], "interval_count": 1, "meter": None, "trial_period_days": None, "usage_type": "licensed"}
