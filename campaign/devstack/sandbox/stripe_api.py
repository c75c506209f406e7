"""The HTTP API of checkouts, payments, customers, products and events, and the error for unknown paths."""

from fnmatch import fnmatchcase
from typing import Any

from flask import Response, request

from campaign.devstack.sandbox import products, shapes, subscriptions
from campaign.devstack.sandbox.answers import account, answer, bp, get_object, list_objects, request_params, run_idempotently, show_object
from campaign.devstack.sandbox.checkout_rules import check_combinations
from campaign.devstack.sandbox.errors import ApiError, public
from campaign.devstack.sandbox.expansion import INCLUDED
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.store import Store

TOKENS = {
    "tok_visa": "4242424242424242",
    "pm_card_visa": "4242424242424242",
    "tok_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
}


@bp.post("/checkout/sessions")
def open_checkout() -> Response:
    def act(params: Doc) -> Doc:
        check_combinations(params)
        return account().open_checkout(params)

    return run_idempotently(act)


@bp.get("/checkout/sessions")
def list_checkouts() -> Response:
    intent = request.args.get("payment_intent")
    return list_objects(
        "checkout.session",
        lambda session: intent in {None, session["payment_intent"], session.get("sandbox_intent_id")},
        handled={"payment_intent"},
    )


@bp.get("/checkout/sessions/<object_id>")
def show_checkout(object_id: str) -> Response:
    return show_object(object_id, "checkout.session")


@bp.get("/checkout/sessions/<object_id>/line_items")
def show_lines(object_id: str) -> Response:
    try:
        lines = get_object(object_id, "checkout.session")["sandbox_lines"]
    except ApiError as error:
        return answer(error.body, error.status)
    return answer({"object": "list", "data": lines, "has_more": False, "url": request.path})


@bp.post("/checkout/sessions/<object_id>/expire")
def expire_checkout(object_id: str) -> Response:
    return run_idempotently(lambda _: account().expire(get_object(object_id, "checkout.session")))


def _line_list(store: Store, session: Doc) -> Doc:
    lines = (store.get(session["id"], "checkout.session") or {})["sandbox_lines"]
    return {"object": "list", "data": lines, "has_more": False, "url": f"/v1/checkout/sessions/{session['id']}/line_items"}


INCLUDED["checkout.session", "line_items"] = _line_list


@bp.get("/payment_pages/<object_id>")
def show_page(object_id: str) -> Response:
    """A checkout as Stripe's hosted page and command line read it."""
    try:
        session = get_object(object_id, "checkout.session")
    except ApiError as error:
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
    def act(params: Doc) -> Doc:
        session = get_object(object_id, "checkout.session")
        if "expected_amount" in params and int(params["expected_amount"]) != session["amount_total"]:
            raise ApiError("The expected amount is not the amount of the session.", param="expected_amount")
        return subscriptions.pay_checkout(account(), session, _card_number(params.get("payment_method")))

    return run_idempotently(act)


def _card_number(name: Any) -> str:
    """The card number of a test token, a test payment method, or a payment method created in this sandbox."""
    if name in TOKENS:
        return TOKENS[name]
    method = account().store.get(str(name), "payment_method")
    if method is None:
        raise ApiError(f"No such PaymentMethod: '{name}'", code="resource_missing", param="payment_method")
    return next((n for n in TOKENS.values() if n.endswith(method["card"]["last4"])), TOKENS["tok_visa"])


@bp.post("/payment_methods")
def create_payment_method() -> Response:
    def act(params: Doc) -> Doc:
        card = params.get("card") or {}
        number = TOKENS.get(str(card.get("token")), str(card.get("number") or TOKENS["tok_visa"]))
        method = shapes.payment_method(card=shapes.card_details(number))
        billing = params.get("billing_details") or {}
        method["billing_details"] |= {k: v for k, v in billing.items() if k != "address"}
        return account().store.put(method)

    return run_idempotently(act)


@bp.post("/payment_intents")
def create_intent() -> Response:
    def act(params: Doc) -> Doc:
        sandbox_account = account()
        intent = shapes.payment_intent(
            amount=int(params["amount"]),
            currency=params["currency"].lower(),
            description=params.get("description"),
            metadata=params.get("metadata") or {},
            shipping=params.get("shipping"),
        )
        sandbox_account.store.put(intent)
        sandbox_account.emit("payment_intent.created", intent)
        return sandbox_account.confirm(intent, _card_number(params.get("payment_method"))) if params.get("confirm") == "true" else intent

    return run_idempotently(act)


@bp.post("/charges")
def create_charge() -> Response:
    def act(params: Doc) -> Doc:
        card = shapes.card_details(_card_number(params.get("source")))
        return account().capture(
            shapes.charge(
                amount=int(params["amount"]), currency=params["currency"].lower(), card=card, description=params.get("description")
            )
        )

    return run_idempotently(act)


@bp.post("/customers")
def create_customer() -> Response:
    names = ("email", "name", "phone", "description")
    return run_idempotently(
        lambda params: account().store.put(shapes.customer(metadata=params.get("metadata") or {}, **{n: params.get(n) for n in names}))
    )


@bp.post("/products")
def create_product() -> Response:
    return run_idempotently(lambda params: products.create_product(account().store, params))


@bp.post("/prices")
def create_price() -> Response:
    return run_idempotently(lambda params: products.create_price(account().store, params, ""))


@bp.get("/events")
def list_events() -> Response:
    params = request_params()
    kinds = params.get("types") or ([params["type"]] if "type" in params else [])
    undelivered = account().store.undelivered() if params.get("delivery_success") == "false" else None
    return list_objects(
        "event",
        lambda doc: (
            (not kinds or any(fnmatchcase(doc["type"], kind) for kind in kinds)) and (undelivered is None or doc["id"] in undelivered)
        ),
        handled={"type", "types", "delivery_success"},
    )


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
    return show_object(object_id, KINDS[collection])


@bp.get(f"/<any({', '.join(k for k in KINDS if k not in {'refunds', 'events'})}):collection>")
def list_all(collection: str) -> Response:
    return list_objects(KINDS[collection])


@bp.route("/<path:path>", methods=["GET", "POST", "DELETE"])
def unknown(path: str) -> Response:
    message = f"Unrecognized request URL ({request.method}: /v1/{path})."
    return answer(ApiError(message, status=404).body, 404)
