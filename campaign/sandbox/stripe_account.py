"""What happens at the stand-in's one account: checkouts are opened, paid, declined or expire; each act makes its events.

What becomes of a charge afterwards stands in aftermath.py, bank debits in debits.py, payouts in payouts.py.
"""

from typing import Any

from campaign.sandbox import clock, money_shapes, shapes
from campaign.sandbox.shapes import Doc
from campaign.sandbox.store import Store

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
    "4000000000000341",  # Fails later, when a subscription charges it.
    DISPUTED_CARD,
    REFUND_PENDING_CARD,
    REFUND_FAILING_CARD,
}
SHORTEST_SECONDS, LONGEST_SECONDS = 30 * 60, 24 * 3600
SLACK_SECONDS = 60


class Refused(Exception):
    """Stripe's error: what the caller did wrong."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {k: v for k, v in {"type": kind, "message": message, "code": code, "param": param}.items() if v}}


class Declined(Refused):
    """The card was declined; the checkout stays open."""

    def __init__(self, code: str, decline_code: str | None, message: str) -> None:
        super().__init__(message, status=402, code=code, kind="card_error")
        if decline_code:
            self.body["error"]["decline_code"] = decline_code


class Account:
    """One test account, in Canada."""

    def __init__(self, store: Store, address: str) -> None:
        self.store = store
        self.address = address
        self.key: str | None = None

    def happened(self, kind: str, about: Doc, previous: Doc | None = None) -> Doc:
        """Write the event and owe it to the webhook."""
        event = self.store.put(shapes.event(kind=kind, about=public(about), previous=previous, key=self.key))
        self.store.owe_delivery(event["id"], late=float(self.store.switch("delivery_late", "0")))
        return event

    def open_checkout(self, asked: Doc) -> Doc:
        """A Checkout Session from the parameters of the request."""
        mode = asked.get("mode")
        if mode not in {"payment", "subscription"}:
            raise Refused("Only the modes payment and subscription are known to this sandbox.", param="mode")
        if mode == "subscription" and asked.get("submit_type"):
            raise Refused("You can not pass `submit_type` in `subscription` mode.", param="submit_type")
        lines = [self._line(line) for line in asked.get("line_items") or []]
        if not lines:
            raise Refused("Missing required param: line_items.", param="line_items", code="parameter_missing")
        now = clock.now()
        expires_at = int(asked.get("expires_at") or now + LONGEST_SECONDS)
        if not now + SHORTEST_SECONDS - SLACK_SECONDS <= expires_at <= now + LONGEST_SECONDS + SLACK_SECONDS:
            raise Refused(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.", param="expires_at"
            )
        session_id = shapes.new_id("cs_test")
        copied = ("cancel_url", "client_reference_id", "customer_email", "locale", "submit_type", "success_url")
        session = shapes.checkout_session(
            url=f"{self.address}/c/pay/{session_id}",
            session_id=session_id,
            amount=sum(line["amount_total"] for line in lines),
            currency=lines[0]["currency"],
            expires_at=expires_at,
            metadata=asked.get("metadata") or {},
            mode=mode,
            payment_method_types=asked.get("allowed_payment_method_types") or ["card"],
            **{name: asked.get(name) for name in copied},
        )
        session["sandbox_lines"] = lines
        session["sandbox_intent"] = asked.get("payment_intent_data") or {}
        session["sandbox_subscription"] = asked.get("subscription_data") or {}
        self.store.put(session)
        return session

    def _line(self, asked: Doc) -> Doc:
        quantity = int(asked.get("quantity") or 1)
        if data := asked.get("price_data"):
            name = (data.get("product_data") or {}).get("name") or "Product"
            product = self.store.put(shapes.product(name=name))
            price = shapes.price(product_id=product["id"], unit_amount=int(data["unit_amount"]), currency=data["currency"].lower())
            if data.get("recurring"):
                price |= {"type": "recurring", "recurring": {"interval": data["recurring"]["interval"], "interval_count": 1}}
            self.store.put(price)
        else:
            found = self.store.get(str(asked.get("price")), "price")
            if found is None:
                raise Refused(f"No such price: '{asked.get('price')}'", param="line_items[0][price]", code="resource_missing")
            price, name = found, (self.store.get(found["product"]) or {}).get("name", "Product")
        return shapes.line_item(description=name, amount=price["unit_amount"], quantity=quantity, currency=price["currency"], price=price)

    def pay_checkout(self, session: Doc, number: str, *, name: str = "", email: str | None = None) -> Doc:
        """Charge the card for the checkout; raises Declined and leaves it open when the card does not go."""
        if session["status"] != "open":
            raise Refused("This Checkout Session is not open any more.", code="checkout_session_not_open")
        intent = self.intent_of(session)
        paid = self.confirm(intent, number, name=name, email=email or session["customer_email"])
        return self.complete(session, paid, payment_status="paid", name=name, email=email)

    def intent_of(self, session: Doc) -> Doc:
        """The payment of a checkout, begun."""
        asked = session["sandbox_intent"]
        intent = shapes.payment_intent(
            amount=session["amount_total"],
            currency=session["currency"],
            metadata=asked.get("metadata") or {},
            description=asked.get("description"),
        )
        self.store.put(intent)
        self.happened("payment_intent.created", intent)
        return intent

    def complete(self, session: Doc, intent: Doc, *, payment_status: str, name: str, email: str | None) -> Doc:
        """The donor has done what a checkout is for."""
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
        self.happened("checkout.session.completed", session)
        return session

    def confirm(self, intent: Doc, number: str, *, name: str = "", email: str | None = None) -> Doc:
        """Charge a card for a payment intent."""
        card = shapes.card_details(number)
        if number in DECLINES:
            self._decline(intent, number, card)
        if number not in GOOD_CARDS:
            raise Refused("This is not a test card. Use 4242 4242 4242 4242.", status=402, code="incorrect_number", kind="card_error")
        method = self.store.put(shapes.payment_method(card=card))
        charge = shapes.charge(
            amount=intent["amount"],
            currency=intent["currency"],
            card=card,
            payment_intent=intent["id"],
            payment_method=method["id"],
            metadata=intent["metadata"],
            description=intent["description"],
        )
        charge["billing_details"] |= {"email": email, "name": name or None}
        self.settle(charge)
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge["id"],
            "payment_method": method["id"],
        }
        self.store.put(intent)
        self.happened("payment_intent.succeeded", intent)
        return intent

    def settle(self, charge: Doc) -> Doc:
        """Put a charge in the balance, less Stripe's fee: 2.9 % and 30 cents for a Canadian card, 1 % and 40 cents for a bank debit."""
        by_card = charge["payment_method_details"]["type"] == "card"
        fee = (charge["amount"] * 29 + 500) // 1000 + 30 if by_card else min(500, (charge["amount"] + 50) // 100 + 40)
        charge["balance_transaction"] = self.move(
            charge["amount"], fee=fee, currency=charge["currency"], source=charge["id"], kind="charge"
        )
        self.store.put(charge)
        self.happened("charge.succeeded", charge)
        return charge

    def move(self, amount: int, *, currency: str, source: str, kind: str, category: str | None = None, fee: int = 0) -> str:
        """What an act does to the balance; the name of the transaction."""
        settled = money_shapes.balance_transaction(amount=amount, fee=fee, currency=currency, source=source, kind=kind)
        self.store.put({**settled, "reporting_category": category or kind})
        return str(settled["id"])

    def _decline(self, intent: Doc, number: str, card: Doc) -> None:
        code, decline_code, message = DECLINES[number]
        declined = Declined(code, decline_code, message)
        charge = shapes.charge(
            amount=intent["amount"],
            currency=intent["currency"],
            card=card,
            payment_intent=intent["id"],
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
        self.happened("charge.failed", charge)
        intent |= {"last_payment_error": declined.body["error"], "latest_charge": charge["id"], "status": "requires_payment_method"}
        self.store.put(intent)
        self.happened("payment_intent.payment_failed", intent)
        raise declined

    def expire(self, session: Doc) -> Doc:
        """End an open checkout."""
        if session["status"] != "open":
            raise Refused(f"This Checkout Session is {session['status']} and cannot be expired.")
        session |= {"status": "expired", "url": None}
        self.store.put(session)
        self.happened("checkout.session.expired", session)
        return session

    def expire_ended(self) -> None:
        """End the checkouts whose time is over."""
        now = clock.now()
        for session in self.store.newest("checkout.session", limit=2000, since=now - 2 * LONGEST_SECONDS):
            if session["status"] == "open" and session["expires_at"] <= now:
                with self.store.transaction():
                    current = self.store.get(session["id"], "checkout.session")
                    if current and current["status"] == "open":
                        self.expire(current)


def public(doc: Doc) -> dict[str, Any]:
    """The object without what only the sandbox needs to know."""
    return {k: v for k, v in doc.items() if not k.startswith("sandbox_")}
