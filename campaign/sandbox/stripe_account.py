"""What happens at the stand-in's one account: checkouts are opened, paid, declined or expire; payments are refunded; each act makes its events."""

import time
from typing import Any

from campaign.sandbox import shapes
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
GOOD_CARDS = {"4242424242424242", "4000001240000000", "5555555555554444", "378282246310005", "4000002500003155"}
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

    def happened(self, kind: str, about: Doc, previous: Doc | None = None) -> None:
        """Write the event and owe it to the webhook."""
        event = shapes.event(kind=kind, about=about, previous=previous, key=self.key)
        self.store.put(event)
        self.store.owe_delivery(event["id"])

    def open_checkout(self, asked: Doc) -> Doc:
        """A Checkout Session from the parameters of the request."""
        if asked.get("mode") != "payment":
            raise Refused("Only mode=payment is known to this sandbox.", param="mode")
        lines = [self._line(line) for line in asked.get("line_items") or []]
        if not lines:
            raise Refused("Missing required param: line_items.", param="line_items", code="parameter_missing")
        now = int(time.time())
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
            **{name: asked.get(name) for name in copied},
        )
        session["sandbox_lines"] = lines
        session["sandbox_intent"] = asked.get("payment_intent_data") or {}
        self.store.put(session)
        return session

    def _line(self, asked: Doc) -> Doc:
        quantity = int(asked.get("quantity") or 1)
        if data := asked.get("price_data"):
            name = (data.get("product_data") or {}).get("name") or "Product"
            product = self.store.put(shapes.product(name=name))
            price = shapes.price(product_id=product["id"], unit_amount=int(data["unit_amount"]), currency=data["currency"].lower())
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
        asked = session["sandbox_intent"]
        intent = shapes.payment_intent(
            amount=session["amount_total"],
            currency=session["currency"],
            metadata=asked.get("metadata") or {},
            description=asked.get("description"),
        )
        self.store.put(intent)
        self.happened("payment_intent.created", intent)
        paid = self.confirm(intent, number, name=name, email=email or session["customer_email"])
        details = {"address": dict(shapes.NO_ADDRESS), "email": email or session["customer_email"], "name": name or None, "phone": None}
        session |= {
            "status": "complete",
            "payment_status": "paid",
            "payment_intent": paid["id"],
            "url": None,
            "customer_details": {**details, "tax_exempt": "none", "tax_ids": [], "business_name": None, "individual_name": None},
        }
        self.store.put(session)
        self.happened("checkout.session.completed", public(session))
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
        """Put a charge in the balance, less Stripe's fee for a Canadian card: 2.9 % and 30 cents."""
        fee = (charge["amount"] * 29 + 500) // 1000 + 30
        settled = shapes.balance_transaction(
            amount=charge["amount"], fee=fee, currency=charge["currency"], source=charge["id"], kind="charge"
        )
        self.store.put(settled)
        charge["balance_transaction"] = settled["id"]
        self.store.put(charge)
        self.happened("charge.succeeded", charge)
        return charge

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
        self.happened("checkout.session.expired", public(session))
        return session

    def expire_ended(self) -> None:
        """End the checkouts whose time is over."""
        now = int(time.time())
        for session in self.store.newest("checkout.session", limit=2000, since=now - 2 * LONGEST_SECONDS):
            if session["status"] == "open" and session["expires_at"] <= now:
                with self.store.transaction():
                    current = self.store.get(session["id"], "checkout.session")
                    if current and current["status"] == "open":
                        self.expire(current)

    def refund(self, charge: Doc, amount: int | None, asked: Doc) -> Doc:
        """Give back a charge, or a part of it."""
        left = charge["amount_captured"] - charge["amount_refunded"]
        cents = left if amount is None else amount
        if charge["status"] != "succeeded" or left == 0:
            raise Refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if not 0 < cents <= left:
            raise Refused(
                f"Refund amount (${cents // 100}.{cents % 100:02d}) is greater than unrefunded amount on charge (${left // 100}.{left % 100:02d})",
                param="amount",
            )
        made = shapes.refund(
            amount=cents,
            currency=charge["currency"],
            charge_id=charge["id"],
            intent_id=charge["payment_intent"],
            reason=asked.get("reason"),
            metadata=asked.get("metadata") or {},
        )
        moved = shapes.balance_transaction(amount=-cents, fee=0, currency=charge["currency"], source=made["id"], kind="refund")
        self.store.put(moved)
        made["balance_transaction"] = moved["id"]
        self.store.put(made)
        before = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
        charge["amount_refunded"] += cents
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
        self.store.put(charge)
        self.happened("refund.created", made)
        self.happened("charge.refunded", charge, before)
        return made


def public(doc: Doc) -> dict[str, Any]:
    """The object without what only the sandbox needs to know."""
    return {k: v for k, v in doc.items() if not k.startswith("sandbox_")}
