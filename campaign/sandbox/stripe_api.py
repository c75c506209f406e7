"""The stand-in's HTTP API: Stripe's paths for checkouts, payments, events and what surrounds them; money_api.py has those of the money after that."""

from typing import Any

from flask import Response, request

from campaign.sandbox import shapes, subscriptions
from campaign.sandbox.answers import account, answer, asked_for, bp, do, found, listed, show
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Refused, public

TOKENS = {
    "tok_visa": "4242424242424242",
    "pm_card_visa": "4242424242424242",
    "tok_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
}


@bp.post("/checkout/sessions")
def open_checkout() -> Response:
    return do(account().open_checkout)


@bp.get("/checkout/sessions")
def list_checkouts() -> Response:
    asked = asked_for()
    wanted = {k: asked[k] for k in ("payment_intent", "status") if k in asked}
    return listed("checkout.session", lambda doc: all(doc[k] == v for k, v in wanted.items()))


@bp.get("/checkout/sessions/<object_id>")
def show_checkout(object_id: str) -> Response:
    return show(object_id, "checkout.session")


@bp.get("/checkout/sessions/<object_id>/line_items")
def show_lines(object_id: str) -> Response:
    try:
        lines = found(object_id, "checkout.session")["sandbox_lines"]
    except Refused as error:
        return answer(error.body, error.status)
    return answer({"object": "list", "data": lines, "has_more": False, "url": request.path})


@bp.post("/checkout/sessions/<object_id>/expire")
def expire_checkout(object_id: str) -> Response:
    return do(lambda _: account().expire(found(object_id, "checkout.session")))


@bp.get("/payment_pages/<object_id>")
def show_page(object_id: str) -> Response:
    """What Stripe's own page and command line read of a checkout."""
    try:
        session = found(object_id, "checkout.session")
    except Refused as error:
        return answer(error.body, error.status)
    total = {
        "total": session["amount_total"],
        "subtotal": session["amount_total"],
        "currency": session["currency"],
        "line_items": session["sandbox_lines"],
    }
    return answer({**public(session), "object": "checkout.session", "session_id": session["id"], "line_item_group": total})


@bp.post("/payment_pages/<object_id>/confirm")
def confirm_page(object_id: str) -> Response:
    def act(asked: Doc) -> Doc:
        session = found(object_id, "checkout.session")
        if "expected_amount" in asked and int(asked["expected_amount"]) != session["amount_total"]:
            raise Refused("The expected amount is not the session's.", param="expected_amount")
        return subscriptions.pay(account(), session, _number(asked.get("payment_method")))

    return do(act)


def _number(name: Any) -> str:
    """The card behind a token, a well-known payment method or one that was made here."""
    if name in TOKENS:
        return TOKENS[name]
    method = account().store.get(str(name), "payment_method")
    if method is None:
        raise Refused(f"No such PaymentMethod: '{name}'", code="resource_missing", param="payment_method")
    return next((n for n in TOKENS.values() if n.endswith(method["card"]["last4"])), TOKENS["tok_visa"])


@bp.post("/payment_methods")
def make_method() -> Response:
    def act(asked: Doc) -> Doc:
        card = asked.get("card") or {}
        number = TOKENS.get(str(card.get("token")), str(card.get("number") or TOKENS["tok_visa"]))
        method = shapes.payment_method(card=shapes.card_details(number))
        billing = asked.get("billing_details") or {}
        method["billing_details"] |= {k: v for k, v in billing.items() if k != "address"}
        return account().store.put(method)

    return do(act)


@bp.post("/payment_intents")
def make_intent() -> Response:
    def act(asked: Doc) -> Doc:
        here = account()
        intent = shapes.payment_intent(
            amount=int(asked["amount"]),
            currency=asked["currency"].lower(),
            description=asked.get("description"),
            metadata=asked.get("metadata") or {},
            shipping=asked.get("shipping"),
        )
        here.store.put(intent)
        here.happened("payment_intent.created", intent)
        return here.confirm(intent, _number(asked.get("payment_method"))) if asked.get("confirm") == "true" else intent

    return do(act)


@bp.post("/charges")
def make_charge() -> Response:
    def act(asked: Doc) -> Doc:
        card = shapes.card_details(_number(asked.get("source")))
        return account().settle(
            shapes.charge(amount=int(asked["amount"]), currency=asked["currency"].lower(), card=card, description=asked.get("description"))
        )

    return do(act)


@bp.post("/customers")
def make_customer() -> Response:
    names = ("email", "name", "phone", "description")
    return do(lambda asked: account().store.put(shapes.customer(metadata=asked.get("metadata") or {}, **{n: asked.get(n) for n in names})))


@bp.post("/products")
def make_product() -> Response:
    return do(lambda asked: account().store.put(shapes.product(name=asked["name"], description=asked.get("description"))))


@bp.post("/prices")
def make_price() -> Response:
    return do(
        lambda asked: account().store.put(
            shapes.price(product_id=asked["product"], unit_amount=int(asked["unit_amount"]), currency=asked["currency"].lower())
        )
    )


@bp.get("/events")
def list_events() -> Response:
    asked = asked_for()
    kinds = asked.get("types") or ([asked["type"]] if "type" in asked else [])
    return listed("event", lambda doc: not kinds or doc["type"] in kinds)


KINDS = {
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "customers": "customer",
    "products": "product",
    "prices": "price",
    "payment_methods": "payment_method",
    "balance_transactions": "balance_transaction",
    "events": "event",
}


@bp.get(f"/<any({', '.join(KINDS)}):collection>/<object_id>")
def show_any(collection: str, object_id: str) -> Response:
    return show(object_id, KINDS[collection])


@bp.get(f"/<any({', '.join(k for k in KINDS if k not in {'refunds', 'events'})}):collection>")
def list_all(collection: str) -> Response:
    return listed(KINDS[collection])


@bp.route("/<path:path>", methods=["GET", "POST", "DELETE"])
def unknown(path: str) -> Response:
    message = f"Unrecognized request URL ({request.method}: /v1/{path})."
    return answer(Refused(message, status=404).body, 404)
