"""Subscriptions: a checkout starts one, each period is invoiced and its card charged, and the donor or a failing card ends it.

Changes of their items and scheduled cancellations are in subscription_changes.py.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from campaign.devstack.sandbox import clock, invoice_shapes, invoices, shapes, subscription_shapes
from campaign.devstack.sandbox.errors import ApiError, Declined
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import DECLINES, Account, check_is_open

FAILS_LATER = "4000000000000341"
DECLINED = "4000000000000002"
RETRY_SECONDS = 3 * 24 * 3600
MAX_ATTEMPTS = 4
# What Stripe does with a subscription after the last retry, as set in its dashboard.
AFTER_RETRIES = ("canceled", "unpaid", "past_due")


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
    check_is_open(session)
    params, address = session["sandbox_subscription"], email or session["customer_email"]
    customer = shapes.customer(email=address, name=name or None)
    subscription, invoice = start(
        account,
        customer=customer,
        lines=session["sandbox_lines"],
        metadata=params.get("metadata") or {},
        description=params.get("description"),
        number=number,
    )
    session |= {"subscription": subscription["id"], "customer": customer["id"], "invoice": invoice["id"]}
    account.complete(session, {"id": None}, payment_status="paid", name=name, email=address)
    return session


def start(account: Account, *, customer: Doc, lines: Iterable[Doc], metadata: Doc, description: str | None, number: str) -> tuple[Doc, Doc]:
    """Start a subscription and charge its first invoice; returns both. Raises Declined before the subscription exists.

    Its items are in the reverse order of the lines: Stripe promises no order, and no reader may rely on one.
    """
    lines, now = list(lines), clock.now()
    account.store.put(customer)
    subscription = subscription_shapes.subscription(
        customer=customer["id"], currency=lines[0]["currency"], metadata=metadata, description=description
    )
    subscription["items"]["data"] = [
        subscription_shapes.item(subscription=subscription["id"], line=line, period_start=now, period_end=next_month(now))
        for line in reversed(lines)
    ]
    subscription["sandbox_card"] = number
    invoice = invoice_shapes.invoice(subscription=subscription, reason="subscription_create", email=customer["email"])
    invoices.finalize(account, invoice)
    invoices.charge(account, invoice, number)
    account.store.put(subscription | {"latest_invoice": invoice["id"]})
    account.emit("customer.subscription.created", subscription)
    invoices.mark_paid(account, invoice, amount=invoice["amount_remaining"])
    return subscription, invoice


def renew_due(account: Account) -> None:
    """Create and charge the invoices of periods that have started by the account's clock, and retry those that are due for a retry."""
    while any(_renew_one(account, doc["id"]) for doc in account.store.newest("subscription", limit=1000)):
        pass


def _renew_one(account: Account, subscription_id: str) -> bool:
    with account.store.transaction():
        account.key = None
        subscription = account.store.get(subscription_id, "subscription")
        if subscription is None or subscription["status"] not in {"active", "past_due", "unpaid"}:
            return False
        if subscription["cancel_at"] and subscription["cancel_at"] <= clock.now():
            cancel(account, subscription, at=subscription["cancel_at"])
            return True
        if subscription["status"] == "past_due":
            return _retry(account, subscription)
        if period_end(subscription) > clock.now():
            return False
        invoice = begin_period(account, subscription)
        if invoice["status"] == "open":
            pay_or_fail(account, subscription, invoice)
        return True


def begin_period(account: Account, subscription: Doc, *, has_intent: bool = True) -> Doc:
    """Begin the next period and create its invoice: open, or a draft while the subscription is unpaid."""
    start_at = period_end(subscription)
    for item in subscription["items"]["data"]:
        item |= {"current_period_start": item["current_period_end"], "current_period_end": next_month(item["current_period_end"])}
    customer = account.store.get(subscription["customer"]) or {}
    invoice = invoice_shapes.invoice(subscription=subscription, reason="subscription_cycle", email=customer.get("email"), created=start_at)
    if subscription["status"] == "unpaid":
        invoice |= {"status": "draft", "auto_advance": False, "effective_at": None, "number": None, "sandbox_payments": []}
        invoice["status_transitions"] = {**invoice["status_transitions"], "finalized_at": None}
        account.store.put(invoice)
    else:
        invoices.finalize(account, invoice, has_intent=has_intent)
        subscription["latest_invoice"] = invoice["id"]
    account.store.put(subscription)
    return invoice


def period_end(subscription: Doc) -> int:
    """The end of the current period."""
    return int(subscription["items"]["data"][0]["current_period_end"])


def pay_or_fail(account: Account, subscription: Doc, invoice: Doc, *, after_retries: str | None = None) -> None:
    """Charge the card of the subscription for an open invoice, and change the status of both accordingly.

    `after_retries` is what the subscription becomes when the last retry fails, by default as the account is configured.
    """
    number = subscription["sandbox_card"]
    try:
        invoices.charge(account, invoice, DECLINED if number == FAILS_LATER or number in DECLINES else number)
    except Declined:
        _mark_failed(account, subscription, invoice, after_retries or account.store.switch("after_retries", "canceled"))
        return
    invoices.mark_paid(account, invoice, amount=invoice["amount_remaining"])
    resume(account, subscription, invoice)


def resume(account: Account, subscription: Doc, invoice: Doc) -> None:
    """Make a subscription active again whose latest invoice is paid."""
    if subscription["status"] in {"past_due", "unpaid"} and subscription["latest_invoice"] == invoice["id"]:
        change(account, subscription, status="active")


def _mark_failed(account: Account, subscription: Doc, invoice: Doc, after_retries: str) -> None:
    is_last = invoice["attempt_count"] >= MAX_ATTEMPTS
    account.store.put(invoice | {"next_payment_attempt": None if is_last else clock.now() + RETRY_SECONDS})
    account.emit("invoice.payment_failed", account.store.get(invoice["id"]) or invoice)
    status = after_retries if is_last else "past_due"
    if status == "canceled":
        cancel(account, subscription, reason="payment_failed")
    elif subscription["status"] != status:
        change(account, subscription, status=status)


def _retry(account: Account, subscription: Doc) -> bool:
    invoice = account.store.get(subscription["latest_invoice"], "invoice")
    if invoice is None or not invoice["next_payment_attempt"] or invoice["next_payment_attempt"] > clock.now():
        return False
    pay_or_fail(account, subscription, invoice)
    return True


def change(account: Account, subscription: Doc, **changed: object) -> Doc:
    """Change fields of a subscription."""
    before = {name: subscription[name] for name in changed if not name.startswith("sandbox_") and subscription[name] != changed[name]}
    subscription |= changed
    account.store.put(subscription)
    account.emit("customer.subscription.updated", subscription, before)
    return subscription


def cancel(account: Account, subscription: Doc, *, reason: str = "cancellation_requested", at: int | None = None) -> Doc:
    """Cancel a subscription now, or as scheduled for `at`."""
    if subscription["status"] == "canceled":
        raise ApiError(f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing")
    now = at or clock.now()
    subscription |= {"status": "canceled", "canceled_at": subscription["canceled_at"] or now, "ended_at": now}
    subscription["cancellation_details"] = {**subscription["cancellation_details"], "reason": reason}
    account.store.put(subscription)
    account.emit("customer.subscription.deleted", subscription)
    return subscription
