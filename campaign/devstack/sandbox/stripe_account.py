"""The sandbox's one account: opening, paying, declining and expiring checkouts. Each operation emits the events that Stripe would send.

Refunds and disputes are in aftermath.py, bank debits in debits.py, payouts in payouts.py, subscriptions in subscriptions.py.
"""

from campaign.devstack.sandbox import clock, money_shapes, shapes
from campaign.devstack.sandbox.account_setup import session_payment_methods
from campaign.devstack.sandbox.errors import ApiError, Declined, public
from campaign.devstack.sandbox.products import create_lines
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.store import Store

__all__ = ("DECLINES", "Account", "ApiError", "Declined")

DECLINES = {
    "4000000000000002": ("card_declined", "generic_decline", "Your card was declined."),
    "4000000000009995": ("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "4000000000009987": ("card_declined", "lost_card", "Your card was declined."),
    "4000000000000069": ("expired_card", None, "Your card has expired."),
    "4000000000000127": ("incorrect_cvc", None, "Your card's security code is incorrect."),
    "4000000000000119": ("processing_error", None, "An error occurred while processing your card. Try again in a little bit."),
}
DISPUTED_CARD, REFUND_PENDING_CARD, REFUND_FAILING_CARD = "4000000000000259", "4000000000007726", "4000000000005126"
GOOD_CARDS = {
    "4242424242424242",
    "4000001240000000",
    "5555555555554444",
    "378282246310005",
    "4000002500003155",
    "4000000000000341",  # Declined later, when a subscription charges it.
    DISPUTED_CARD,
    REFUND_PENDING_CARD,
    REFUND_FAILING_CARD,
}
MIN_LIFETIME_SECONDS, MAX_LIFETIME_SECONDS = 30 * 60, 24 * 3600


class Account:
    """One test account, in Canada."""

    def __init__(self, store: Store, address: str) -> None:
        self.store = store
        self.address = address
        self.webhook = ""
        self.key: str | None = None

    def emit(self, kind: str, subject: Doc, previous: Doc | None = None) -> Doc:
        """Store an event about `subject` and queue it for the webhook."""
        event = self.store.put(shapes.event(kind=kind, subject=public(subject), previous=previous, key=self.key))
        self.store.enqueue_delivery(event["id"], late=float(self.store.switch("delivery_late", "0")))
        return event

    def open_checkout(self, params: Doc) -> Doc:
        """Create a Checkout Session from the parameters of the request. Raises ApiError."""
        mode = params.get("mode")
        if mode not in {"payment", "subscription"}:
            raise ApiError("Only the modes payment and subscription are supported by this sandbox.", param="mode")
        if mode == "subscription" and params.get("submit_type"):
            raise ApiError("You can not pass `submit_type` in `subscription` mode.", param="submit_type")
        now = clock.request_time()
        expires_at = int(params.get("expires_at") or now + MAX_LIFETIME_SECONDS)
        if not now + MIN_LIFETIME_SECONDS <= expires_at <= now + MAX_LIFETIME_SECONDS:
            raise ApiError(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.", param="expires_at"
            )
        offered = session_payment_methods(self.store, params)
        lines = create_lines(self.store, params.get("line_items") or [])
        session_id = shapes.new_id("cs_test")
        copied = ("cancel_url", "client_reference_id", "customer_email", "locale", "submit_type", "success_url")
        session = shapes.checkout_session(
            url=f"{self.address}/c/pay/{session_id}",
            session_id=session_id,
            amount=sum(line["amount_total"] for line in lines),
            currency=lines[0]["currency"],
            expires_at=expires_at,
            metadata=params.get("metadata") or {},
            mode=mode,
            created=now,
            allowed_payment_method_types=params.get("allowed_payment_method_types"),
            payment_method_types=offered,
            **{name: params.get(name) for name in copied},
        )
        session["sandbox_lines"] = lines
        session["sandbox_intent"] = params.get("payment_intent_data") or {}
        session["sandbox_subscription"] = params.get("subscription_data") or {}
        self.store.put(session)
        return session

    def pay_checkout(self, session: Doc, number: str, *, name: str = "", email: str | None = None) -> Doc:
        """Charge the card for the checkout. Raises Declined and leaves the checkout open when the card is declined."""
        check_is_open(session)
        intent = self.get_or_create_intent(session)
        paid = self.confirm(intent, number, name=name, email=email or session["customer_email"])
        return self.complete(session, paid, payment_status="paid", name=name, email=email)

    def get_or_create_intent(self, session: Doc) -> Doc:
        """The payment intent of a checkout: one for all attempts to pay it, created with the first."""
        if found := self.store.get(session.get("sandbox_intent_id") or "", "payment_intent"):
            return found
        params = session["sandbox_intent"]
        intent = shapes.payment_intent(
            amount=session["amount_total"],
            currency=session["currency"],
            metadata=params.get("metadata") or {},
            description=params.get("description"),
        )
        self.store.put(intent)
        self.store.put(session | {"sandbox_intent_id": intent["id"]})
        self.emit("payment_intent.created", intent)
        return intent

    def complete(self, session: Doc, intent: Doc, *, payment_status: str, name: str, email: str | None) -> Doc:
        """Mark a checkout complete, with the donor's details."""
        address = email or session["customer_email"]
        details = {"address": dict(shapes.NO_ADDRESS), "email": address, "name": name or None, "phone": None}
        session |= {
            "status": "complete",
            "payment_status": payment_status,
            "payment_intent": intent["id"],
            "url": None,
            "customer_details": {**details, "tax_exempt": "none", "tax_ids": [], "business_name": None, "individual_name": None},
        }
        self.store.put(session)
        self.emit("checkout.session.completed", session)
        return session

    def confirm(self, intent: Doc, number: str, *, name: str = "", email: str | None = None) -> Doc:
        """Charge a card for a payment intent. Raises Declined, or ApiError when it is not a test card."""
        card = shapes.card_details(number)
        if number in DECLINES:
            self._decline(intent, number, card)
        if number not in GOOD_CARDS:
            raise ApiError("This is not a test card. Use 4242 4242 4242 4242.", status=402, code="incorrect_number", kind="card_error")
        method = self.store.put(shapes.payment_method(card=card))
        charge = shapes.charge(
            amount=intent["amount"],
            currency=intent["currency"],
            card=card,
            payment_intent=intent["id"],
            payment_method=method["id"],
            customer=intent["customer"],
            metadata=intent["metadata"],
            description=intent["description"],
        )
        charge["billing_details"] |= {"email": email, "name": name or None}
        self.capture(charge)
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "latest_charge": charge["id"],
            "payment_method": method["id"],
        }
        self.store.put(intent)
        self.emit("payment_intent.succeeded", intent)
        return intent

    def capture(self, charge: Doc) -> Doc:
        """Add a charge to the balance, less Stripe's fee: 2.9 % and 30 cents for a Canadian card, 1 % and 40 cents for a bank debit."""
        by_card = charge["payment_method_details"]["type"] == "card"
        fee = (charge["amount"] * 29 + 500) // 1000 + 30 if by_card else min(500, (charge["amount"] + 50) // 100 + 40)
        charge["balance_transaction"] = self.add_balance_transaction(
            charge["amount"],
            fee=fee,
            currency=charge["currency"],
            source=charge["id"],
            kind="charge" if by_card else "payment",
            category="charge",
        )
        self.store.put(charge)
        self.emit("charge.succeeded", charge)
        return charge

    def add_balance_transaction(
        self, amount: int, *, currency: str, source: str, kind: str, category: str | None = None, fee: int = 0
    ) -> str:
        """Add `amount` cents less `fee` to the balance and return the id of the balance transaction."""
        transaction = money_shapes.balance_transaction(amount=amount, fee=fee, currency=currency, source=source, kind=kind)
        self.store.put({**transaction, "reporting_category": category or kind})
        return str(transaction["id"])

    def _decline(self, intent: Doc, number: str, card: Doc) -> None:
        """Fail a charge. The payment intent has no payment method afterwards: only its error and the charge name the card."""
        code, decline_code, message = DECLINES[number]
        declined, method = Declined(code, decline_code, message), shapes.payment_method(card=card)
        charge = shapes.charge(
            amount=intent["amount"],
            currency=intent["currency"],
            card=card,
            payment_intent=intent["id"],
            payment_method=method["id"],
            customer=intent["customer"],
            paid=False,
            captured=False,
            amount_captured=0,
            status="failed",
            failure_code=code,
            failure_message=message,
            metadata=intent["metadata"],
        )
        charge["outcome"] |= {
            "network_status": "declined_by_network",
            "reason": decline_code or code,
            "type": "issuer_declined",
            "seller_message": message,
        }
        self.store.put(charge)
        self.emit("charge.failed", charge)
        error = shapes.payment_error(declined.body["error"], charge=charge["id"], payment_method=method)
        intent |= {"last_payment_error": error, "latest_charge": charge["id"], "payment_method": None, "status": "requires_payment_method"}
        self.store.put(intent)
        self.emit("payment_intent.payment_failed", intent)
        raise declined

    def expire(self, session: Doc) -> Doc:
        """Expire an open checkout, and cancel its payment intent if the customer has tried to pay."""
        if session["status"] != "open":
            raise ApiError(f"This Checkout Session is {session['status']} and cannot be expired.")
        if intent := self.store.get(session.get("sandbox_intent_id") or "", "payment_intent"):
            intent |= {"status": "canceled", "canceled_at": clock.now(), "cancellation_reason": "automatic"}
            self.store.put(intent)
            self.emit("payment_intent.canceled", intent)
        session |= {"status": "expired", "url": None}
        self.store.put(session)
        self.emit("checkout.session.expired", session)
        return session

    def expire_overdue(self) -> None:
        """Expire the open checkouts that are past their expiry."""
        now = clock.request_time()
        for session in self.store.newest("checkout.session", limit=2000, since=now - 2 * MAX_LIFETIME_SECONDS):
            if session["status"] == "open" and session["expires_at"] <= now:
                with self.store.transaction():
                    current = self.store.get(session["id"], "checkout.session")
                    if current and current["status"] == "open":
                        self.expire(current)


def check_is_open(session: Doc) -> None:
    """Raises ApiError when the checkout can no longer be paid."""
    if session["status"] != "open" or session["expires_at"] <= clock.request_time():
        raise ApiError("This Checkout Session is no longer open.", code="checkout_session_not_open")
