"""Giving month after month: a checkout begins it, the clock makes invoices, cards pay them or fail, the donor or Stripe ends it."""

from datetime import UTC, datetime

from campaign.sandbox import clock, shapes, subscription_shapes
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import DECLINES, Account, Declined, Refused

FAILS_LATER = "4000000000000341"
DECLINED = "4000000000000002"
RETRY_SECONDS = 3 * 24 * 3600
MOST_ATTEMPTS = 4


def a_month_after(moment: int) -> int:
    """The same day of the next month, or its last."""
    at = datetime.fromtimestamp(moment, UTC)
    year, month = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)
    for day in (at.day, 30, 29, 28):
        try:
            return int(at.replace(year=year, month=month, day=day).timestamp())
        except ValueError:
            continue
    raise AssertionError(moment)


def pay(account: Account, session: Doc, number: str, *, name: str = "", email: str | None = None) -> Doc:
    """Charge the card for a checkout, of one payment or of the first month."""
    if session["mode"] == "payment":
        return account.pay_checkout(session, number, name=name, email=email)
    if session["status"] != "open":
        raise Refused("This Checkout Session is not open any more.", code="checkout_session_not_open")
    return _begin(account, session, number, name=name, email=email or session["customer_email"])


def _begin(account: Account, session: Doc, number: str, *, name: str, email: str | None) -> Doc:
    asked, now = session["sandbox_subscription"], clock.now()
    customer = account.store.put(shapes.customer(email=email, name=name or None))
    items = [
        subscription_shapes.item(price=line["price"], quantity=line["quantity"], period_start=now, period_end=a_month_after(now))
        for line in session["sandbox_lines"]
    ]
    made = subscription_shapes.subscription(
        customer=customer["id"],
        currency=session["currency"],
        items=items,
        metadata=asked.get("metadata") or {},
        description=asked.get("description"),
    )
    made["sandbox_card"] = number
    invoice = subscription_shapes.invoice(subscription=made, amount=session["amount_total"], reason="subscription_create", email=email)
    _charge(account, invoice, number)  # Declined, nothing else has begun.
    account.store.put(made | {"latest_invoice": invoice["id"]})
    account.happened("customer.subscription.created", made)
    _paid(account, invoice)
    session |= {"subscription": made["id"], "customer": customer["id"], "invoice": invoice["id"]}
    account.complete(session, {"id": None}, payment_status="paid", name=name, email=email)
    return session


def _charge(account: Account, invoice: Doc, number: str) -> None:
    """Try to have the invoice paid; raises Declined."""
    intent = shapes.payment_intent(amount=invoice["amount_due"], currency=invoice["currency"], customer=invoice["customer"])
    account.store.put(intent)
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    invoice["sandbox_payments"] = [subscription_shapes.invoice_payment(invoice=invoice, intent=intent["id"], status="open")]
    account.store.put(invoice)
    account.confirm(intent, number)
    invoice["sandbox_payments"] = [subscription_shapes.invoice_payment(invoice=invoice, intent=intent["id"], status="paid")]


def _paid(account: Account, invoice: Doc) -> None:
    invoice |= {"status": "paid", "amount_paid": invoice["amount_due"], "amount_remaining": 0, "next_payment_attempt": None}
    invoice["status_transitions"] = {**invoice["status_transitions"], "paid_at": clock.now()}
    account.store.put(invoice)
    account.happened("invoice.paid", invoice)


def renew_due(account: Account) -> None:
    """Invoices of the months that have begun by the account's clock, and second tries of those that failed."""
    while any(_renew_one(account, one["id"]) for one in account.store.newest("subscription", limit=1000)):
        pass


def _renew_one(account: Account, name: str) -> bool:
    with account.store.transaction():
        account.key = None
        made = account.store.get(name, "subscription")
        if made is None or made["status"] not in {"active", "past_due"}:
            return False
        if made["status"] == "past_due":
            return _try_again(account, made)
        if period_end(made) > clock.now():
            return False
        amount = sum(one["price"]["unit_amount"] * one["quantity"] for one in made["items"]["data"])
        customer = account.store.get(made["customer"]) or {}
        invoice = subscription_shapes.invoice(
            subscription=made, amount=amount, reason="subscription_cycle", email=customer.get("email"), created=period_end(made)
        )
        for one in made["items"]["data"]:
            one |= {"current_period_start": one["current_period_end"], "current_period_end": a_month_after(one["current_period_end"])}
        made["latest_invoice"] = invoice["id"]
        account.store.put(made)
        _attempt(account, made, invoice)
        return True


def period_end(made: Doc) -> int:
    """Until when a subscription is paid."""
    return int(made["items"]["data"][0]["current_period_end"])


def _attempt(account: Account, made: Doc, invoice: Doc) -> None:
    number = made["sandbox_card"]
    try:
        _charge(account, invoice, DECLINED if number == FAILS_LATER or number in DECLINES else number)
    except Declined:
        _failed(account, made, invoice)
        return
    _paid(account, invoice)
    if made["status"] != "active":
        change(account, made, status="active")


def _failed(account: Account, made: Doc, invoice: Doc) -> None:
    is_last = invoice["attempt_count"] >= MOST_ATTEMPTS
    account.store.put(invoice | {"next_payment_attempt": None if is_last else clock.now() + RETRY_SECONDS})
    account.happened("invoice.payment_failed", account.store.get(invoice["id"]) or invoice)
    if is_last:
        cancel(account, made, reason="payment_failed")
    elif made["status"] != "past_due":
        change(account, made, status="past_due")


def _try_again(account: Account, made: Doc) -> bool:
    invoice = account.store.get(made["latest_invoice"], "invoice")
    if invoice is None or not invoice["next_payment_attempt"] or invoice["next_payment_attempt"] > clock.now():
        return False
    _attempt(account, made, invoice)
    return True


def change(account: Account, made: Doc, **changed: object) -> Doc:
    """Something about it is different from now on."""
    before = {name: made[name] for name in changed if not name.startswith("sandbox_")}
    made |= changed
    account.store.put(made)
    account.happened("customer.subscription.updated", made, before)
    return made


def cancel(account: Account, made: Doc, *, reason: str = "cancellation_requested") -> Doc:
    """It ends now."""
    if made["status"] == "canceled":
        raise Refused(f"No such subscription: '{made['id']}'", status=404, code="resource_missing")
    now = clock.now()
    made |= {"status": "canceled", "canceled_at": now, "ended_at": now}
    made["cancellation_details"] = {"comment": None, "feedback": None, "reason": reason}
    account.store.put(made)
    account.happened("customer.subscription.deleted", made)
    return made


def update(account: Account, made: Doc, asked: Doc) -> Doc:
    """Other sums from the next month on, or an end at the end of the month."""
    if made["status"] == "canceled":
        raise Refused("A canceled subscription can only update its cancellation_details.")
    items = made["items"]["data"]
    for wanted in asked.get("items") or []:
        found = next((one for one in items if one["id"] == wanted.get("id")), None)
        if found is None:
            raise Refused(f"No such subscription_item: '{wanted.get('id')}'", status=404, code="resource_missing")
        if wanted.get("deleted") == "true":
            items.remove(found)
        elif data := wanted.get("price_data"):
            price = shapes.price(product_id=data["product"], unit_amount=int(data["unit_amount"]), currency=data["currency"].lower())
            found["price"] = account.store.put(price | {"type": "recurring", "recurring": _monthly(data["recurring"])})
    ends = asked.get("cancel_at_period_end")
    return change(account, made, cancel_at_period_end=made["cancel_at_period_end"] if ends is None else ends == "true")


def _monthly(asked: Doc) -> Doc:
    return {"interval": asked["interval"], "interval_count": 1, "meter": None, "trial_period_days": None, "usage_type": "licensed"}
