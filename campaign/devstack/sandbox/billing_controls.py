"""Controls of subscriptions and invoices, as a donor, Stripe's dashboard or the staff's bookkeeping change them, and of a shop."""

from flask import request
from werkzeug.wrappers import Response as Answer

from campaign.devstack.sandbox import clock, invoices, shop, subscription_changes, subscriptions
from campaign.devstack.sandbox.answers import account, get_object
from campaign.devstack.sandbox.control import act, advance, bp, form_cents
from campaign.devstack.sandbox.shapes import Doc


def _subscription(subscription_id: str) -> Doc:
    return get_object(subscription_id, "subscription")


@bp.post("/subscriptions/<subscription_id>")
def change_card(subscription_id: str) -> Answer:
    """Charge this `card` for the subscription from now on, for example one that is declined."""
    card = request.form["card"]
    return act(lambda: subscriptions.change(account(), _subscription(subscription_id), sandbox_card=card))


@bp.post("/subscriptions/<subscription_id>/months")
def pass_month(subscription_id: str) -> Answer:
    """Move the account's clock to the next month of the subscription and bring its invoice to this `outcome`.

    paid; failed (past due, the card is retried); unpaid (the last retry fails); outside_stripe (paid out of band, its payment intent
    canceled), outside_stripe_without_intent; cheque (the card fails, then out of band); forgiven (the card fails, then a credit note for
    all); partly_credited (the card fails, a credit note for `credited` cents or half, the rest by card).
    """

    def change() -> Doc:
        subscription = _subscription(subscription_id)
        advance(max(0, subscriptions.period_end(subscription) - clock.now()))
        return subscription_changes.pass_month(account(), subscription, request.form["outcome"], form_cents("credited"))

    return act(change)


@bp.post("/subscriptions/<subscription_id>/items")
def change_items(subscription_id: str) -> Answer:
    """Change the amount at Stripe: a new price of `cents` on the same product, for the largest `item` or the one named.

    With `remove` and no `cents` the smallest item, such as a covered fee, is removed, or the `item` named.
    """
    item, cents = request.form.get("item") or None, form_cents("cents")
    if request.form.get("remove"):
        return act(lambda: subscription_changes.remove_item(account(), _subscription(subscription_id), item))
    if cents is None:
        raise ValueError("cents or remove")
    return act(lambda: subscription_changes.change_price(account(), _subscription(subscription_id), cents, item))


@bp.post("/subscriptions/<subscription_id>/cancellation")
def schedule_cancellation(subscription_id: str) -> Answer:
    """Schedule the end, as in the portal: `at` is period_end, seconds since 1970 (`cancel_at`), none to undo it, or now."""
    at = request.form["at"]
    if at == "now":
        return act(lambda: subscriptions.cancel(account(), _subscription(subscription_id)))
    return act(lambda: subscription_changes.schedule_cancellation(account(), _subscription(subscription_id), at))


@bp.post("/after_retries")
def set_after_retries() -> Answer:
    """Set what a subscription becomes after the last retry of its card: `status` canceled, unpaid or past_due."""
    status = request.form["status"]
    if status not in subscriptions.AFTER_RETRIES:
        raise ValueError(f"status is one of {', '.join(subscriptions.AFTER_RETRIES)}")
    account().store.set_switch("after_retries", status)
    return act(lambda: {"status": status})


@bp.post("/invoices/<invoice_id>/pay")
def pay_invoice(invoice_id: str) -> Answer:
    """Pay an open invoice with this `card`, or without one out of band. An unpaid subscription becomes active by its latest invoice.

    With an `amount` in cents the card pays that part, and the rest stays due.
    """
    card, amount = request.form.get("card") or None, form_cents("amount")
    if amount is not None:
        if card is None:
            raise ValueError("A part is paid with a card.")
        return act(lambda: invoices.pay_part(account(), get_object(invoice_id, "invoice"), card, amount))
    return act(lambda: subscription_changes.pay_invoice(account(), get_object(invoice_id, "invoice"), card))


@bp.post("/invoices/<invoice_id>/write_offs")
def write_off_invoice(invoice_id: str) -> Answer:
    """Mark an open invoice uncollectible."""
    return act(lambda: invoices.mark_uncollectible(account(), get_object(invoice_id, "invoice")))


@bp.post("/invoices/<invoice_id>/credit_notes")
def credit_invoice(invoice_id: str) -> Answer:
    """Issue a credit note for `amount` cents or all that remains: before the payment of an open invoice, after that of a paid one."""
    return act(lambda: invoices.credit(account(), get_object(invoice_id, "invoice"), form_cents("amount")))


@bp.post("/shop")
def sell() -> Answer:
    """A shop on the same account sells something: `kind` payment, subscription or refund, of `amount` cents, by default 25 dollars."""
    kind, amount = request.form.get("kind") or "payment", form_cents("amount") or 25_00
    if amount <= 0:
        raise ValueError("The amount is positive.")
    return act(lambda: shop.SALES[kind](account(), amount))
