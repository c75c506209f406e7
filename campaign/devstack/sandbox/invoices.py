"""Invoices: finalized, charged by card, paid outside Stripe, credited in part or in full, with an object for each payment of one."""

from campaign.devstack.sandbox import clock, invoice_shapes, shapes
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.expansion import INCLUDED
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.store import Store
from campaign.devstack.sandbox.stripe_account import Account


def finalize(account: Account, invoice: Doc, *, has_intent: bool = True) -> Doc:
    """Store an invoice with its default payment: a payment intent for what remains to be paid, which is not confirmed yet."""
    invoice["sandbox_payments"] = []
    if has_intent:
        intent = shapes.payment_intent(
            amount=invoice["amount_remaining"], currency=invoice["currency"], customer=invoice["customer"], created=invoice["created"]
        )
        account.store.put(intent)
        account.emit("payment_intent.created", intent)
        invoice["sandbox_intent"] = intent["id"]
        _add_payment(account, invoice, {"payment_intent": intent["id"], "type": "payment_intent"}, is_default=True)
    return account.store.put(invoice)


def _add_payment(account: Account, invoice: Doc, payment: Doc, *, is_default: bool) -> Doc:
    added = invoice_shapes.invoice_payment(
        invoice=invoice, payment=payment, amount=invoice["amount_remaining"], is_default=is_default, created=clock.now()
    )
    # Stripe promises no order of payments either: the newest comes first.
    invoice["sandbox_payments"] = [added["id"], *invoice["sandbox_payments"]]
    return account.store.put(added)


def payments_of(store: Store, invoice: Doc) -> list[Doc]:
    """The payments of an invoice."""
    stored = store.get(invoice["id"], "invoice") or {}
    return [payment for payment_id in stored.get("sandbox_payments", []) if (payment := store.get(payment_id))]


def charge(account: Account, invoice: Doc, number: str) -> None:
    """Try to pay the invoice by card, with its one payment intent. Raises Declined."""
    intent = account.store.get(invoice["sandbox_intent"], "payment_intent")
    assert intent
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    account.store.put(invoice)
    account.confirm(intent, number)
    _mark_payment(account, invoice, "paid")


def _mark_payment(account: Account, invoice: Doc, status: str) -> None:
    """Set the open payment of an invoice paid or canceled, with its payment intent when it is canceled."""
    for payment in payments_of(account.store, invoice):
        if payment["status"] != "open":
            continue
        payment["status"] = status
        payment["status_transitions"][f"{status}_at"] = clock.now()
        if status == "paid":
            payment["amount_paid"] = payment["amount_requested"]
        account.store.put(payment)
        intent = account.store.get(payment["payment"].get("payment_intent") or "", "payment_intent")
        if status == "canceled" and intent:
            intent |= {"status": "canceled", "canceled_at": clock.now(), "cancellation_reason": "void_invoice"}
            account.store.put(intent)
            account.emit("payment_intent.canceled", intent)
        if status == "paid":
            account.emit("invoice_payment.paid", payment)


def pay_part(account: Account, invoice: Doc, number: str, amount: int) -> Doc:
    """Pay a part of an open invoice with a payment of its own, by this card; the rest stays due. Raises Declined."""
    check_is_open(invoice)
    if not 0 < amount < invoice["amount_remaining"]:
        raise ApiError("The amount must be less than what remains of the invoice.", param="amount")
    intent = shapes.payment_intent(amount=amount, currency=invoice["currency"], customer=invoice["customer"], created=clock.now())
    account.store.put(intent)
    account.emit("payment_intent.created", intent)
    account.confirm(intent, number)
    payment = _add_payment(account, invoice, {"payment_intent": intent["id"], "type": "payment_intent"}, is_default=False)
    payment |= {"status": "paid", "amount_paid": amount, "amount_requested": amount}
    payment["status_transitions"]["paid_at"] = clock.now()
    account.store.put(payment)
    invoice |= {"amount_paid": invoice["amount_paid"] + amount, "amount_remaining": invoice["amount_remaining"] - amount}
    account.store.put(invoice)
    _reduce_payment(account, invoice)
    account.emit("invoice_payment.paid", payment)
    return update(account, invoice)


def mark_uncollectible(account: Account, invoice: Doc) -> Doc:
    """Write off what remains of an open invoice. It can still be paid."""
    check_is_open(invoice)
    if invoice["status"] == "uncollectible":
        raise ApiError("This invoice is uncollectible already.")
    invoice |= {"status": "uncollectible", "next_payment_attempt": None}
    invoice["status_transitions"] = {**invoice["status_transitions"], "marked_uncollectible_at": clock.now()}
    account.emit("invoice.marked_uncollectible", account.store.put(invoice))
    return update(account, invoice)


def mark_paid(account: Account, invoice: Doc, *, amount: int) -> Doc:
    """Mark an invoice paid, of which `amount` was paid and the rest credited."""
    invoice |= {"status": "paid", "amount_paid": invoice["amount_paid"] + amount, "amount_remaining": 0, "next_payment_attempt": None}
    invoice["status_transitions"] = {**invoice["status_transitions"], "paid_at": clock.now()}
    account.store.put(invoice)
    account.emit("invoice.paid", invoice)
    return invoice


def pay_outside_stripe(account: Account, invoice: Doc) -> Doc:
    """Mark an invoice paid by a payment that Stripe did not process: its payment intent is canceled, and a payment record is added."""
    check_is_open(invoice)
    amount = invoice["amount_remaining"]
    _mark_payment(account, invoice, "canceled")
    record = invoice_shapes.payment_record(amount=amount, currency=invoice["currency"], customer=invoice["customer"], paid_at=clock.now())
    account.store.put(record)
    _add_payment(account, invoice, {"payment_record": record["id"], "type": "payment_record"}, is_default=False)
    invoice |= {"attempted": True, "sandbox_paid_off_stripe": amount}
    account.store.put(invoice)
    _mark_payment(account, invoice, "paid")
    return mark_paid(account, invoice, amount=amount)


def credit(account: Account, invoice: Doc, amount: int | None) -> Doc:
    """Issue a credit note for `amount` cents, or for all that remains. An open invoice of which nothing remains becomes paid."""
    kind = "post_payment" if invoice["status"] == "paid" else "pre_payment"
    most = invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"] if kind == "post_payment" else invoice["amount_remaining"]
    cents = most if amount is None else amount
    if invoice["status"] not in {"open", "paid"} or not 0 < cents <= most:
        raise ApiError("The credit note is for more than what is left of the invoice.", param="amount")
    note = account.store.put(invoice_shapes.credit_note(invoice=invoice, amount=cents, kind=kind))
    account.emit("credit_note.created", note)
    invoice[f"{kind}_credit_notes_amount"] += cents
    if kind == "post_payment":
        return update(account, invoice)
    invoice |= {"amount_due": invoice["amount_due"] - cents, "amount_remaining": invoice["amount_remaining"] - cents}
    account.store.put(invoice)
    if invoice["amount_remaining"] == 0:
        _mark_payment(account, invoice, "canceled")
        return mark_paid(account, invoice, amount=0)
    _reduce_payment(account, invoice)
    return update(account, invoice)


def _reduce_payment(account: Account, invoice: Doc) -> None:
    """Bring the default payment and its payment intent to what remains of the invoice."""
    for payment in payments_of(account.store, invoice):
        if payment["is_default"] and payment["status"] == "open":
            account.store.put(payment | {"amount_requested": invoice["amount_remaining"]})
            intent = account.store.get(payment["payment"]["payment_intent"], "payment_intent")
            assert intent
            account.store.put(intent | {"amount": invoice["amount_remaining"]})


def update(account: Account, invoice: Doc) -> Doc:
    """Store a changed invoice and emit its event."""
    account.store.put(invoice)
    account.emit("invoice.updated", invoice)
    return invoice


def check_is_open(invoice: Doc) -> None:
    """Raises ApiError when the invoice cannot be paid."""
    if invoice["status"] == "paid":
        raise ApiError("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] not in {"open", "uncollectible"}:
        raise ApiError(f"This invoice is {invoice['status']} and cannot be paid.", code="invoice_not_editable")


def _payment_list(store: Store, invoice: Doc) -> Doc:
    url = f"/v1/invoice_payments?invoice={invoice['id']}"
    return {"object": "list", "data": payments_of(store, invoice), "has_more": False, "url": url}


def _amount_paid_off_stripe(store: Store, invoice: Doc) -> int:
    return int((store.get(invoice["id"], "invoice") or {}).get("sandbox_paid_off_stripe", 0))


# Stripe sends neither in events, nor in a response whose request does not expand it.
INCLUDED["invoice", "payments"] = _payment_list
INCLUDED["invoice", "amount_paid_off_stripe"] = _amount_paid_off_stripe
