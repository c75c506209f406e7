"""The stand-in's HTTP API: Stripe's paths, form encoding, errors, lists, expansion and idempotency keys."""

import itertools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, current_app, request

from campaign.sandbox import shapes
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Account, Refused, public

bp = Blueprint("api", __name__, url_prefix="/v1")

TOKENS = {
    "tok_visa": "4242424242424242",
    "pm_card_visa": "4242424242424242",
    "tok_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclined": "4000000000000002",
}
KEY = re.compile(r"(sk|rk)_test_\w{8,}")


def account() -> Account:
    """The account of this sandbox."""
    found = current_app.extensions["account"]
    assert isinstance(found, Account)
    return found


def nested(pairs: Iterable[tuple[str, str]]) -> Doc:
    """`a[b][0][c]=d` as dictionaries and lists."""
    root: Doc = {}
    for name, value in pairs:
        path = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name)
        at = root
        for step, following in itertools.pairwise(path):
            at = at.setdefault(step, {})
            assert isinstance(at, dict), following
        at[path[-1] if path[-1] else str(len(at))] = value
    listed = _with_lists(root)
    assert isinstance(listed, dict)
    return listed


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {k: _with_lists(v) for k, v in value.items()}
    if inner and all(k.isdigit() for k in inner):
        return [inner[k] for k in sorted(inner, key=int)]
    return inner


@bp.before_request
def _known_key() -> Response | None:
    sent = request.authorization
    given = (sent.username if sent.type == "basic" else sent.token) or "" if sent else ""
    if given.startswith(("sk_live_", "rk_live_")):
        return _json(Refused("This is a sandbox. It refuses live keys.", status=403).body, 403)
    if not KEY.fullmatch(given):
        return _json(Refused("Invalid API Key provided.", status=401).body, 401)
    return None


def _json(doc: Any, status: int = 200) -> Response:
    return Response(
        json.dumps(doc, ensure_ascii=False, indent=1),
        status=status,
        mimetype="application/json",
        headers={"Request-Id": shapes.new_id("req")},
    )


def _asked() -> Doc:
    if request.method == "GET":
        return nested(request.args.items(multi=True))
    return nested(request.form.items(multi=True))


def _do(act: Callable[[Doc], Doc]) -> Response:
    """Run an act once for its idempotency key, as one transaction, and answer with the object that it made."""
    asked, here = _asked(), account()
    key = request.headers.get("Idempotency-Key")
    fingerprint = json.dumps([request.path, asked], sort_keys=True)
    with here.store.transaction():
        if key and (before := here.store.answer(key)):
            return _again(before, fingerprint)
        here.key = key
        try:
            made, status = _expanded(public(act(asked)), asked.get("expand")), 200
        except Refused as error:
            made, status = error.body, error.status
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            made, status = Refused(f"Invalid request: {error}").body, 400
        if key:
            here.store.keep_answer(key, fingerprint, status, json.dumps(made))
    return _json(made, status)


def _again(before: tuple[str, int, str], fingerprint: str) -> Response:
    if before[0] != fingerprint:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        return _json(Refused(message, kind="idempotency_error").body, 400)
    answer = _json(json.loads(before[2]), before[1])
    answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _expanded(doc: Doc, paths: Any) -> Doc:
    for path in paths or []:
        first, _, rest = str(path).removeprefix("data.").partition(".")
        value = doc.get(first)
        if isinstance(value, str) and (found := account().store.get(value)):
            doc[first] = _expanded(public(found), [rest] if rest else None)
    return doc


def _found(object_id: str, kind: str) -> Doc:
    doc = account().store.get(object_id, kind)
    if doc is None:
        raise Refused(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param="id")
    return doc


def _show(object_id: str, kind: str) -> Response:
    try:
        return _json(_expanded(public(_found(object_id, kind)), _asked().get("expand")))
    except Refused as error:
        return _json(error.body, error.status)


def _list(kind: str, keep: Callable[[Doc], bool] = lambda _: True) -> Response:
    asked = _asked()
    limit = min(100, max(1, int(asked.get("limit") or 10)))
    created = asked.get("created")
    since = int(created.get("gte") or 0) if isinstance(created, dict) else 0
    found: list[Doc] = []
    after = asked.get("starting_after")
    while len(found) <= limit:
        page = account().store.newest(kind, limit=500, after=after, since=since)
        found += [public(doc) for doc in page if keep(doc)]
        if len(page) < 500:
            break
        after = page[-1]["id"]
    shown = [_expanded(doc, asked.get("expand")) for doc in found[:limit]]
    return _json({"object": "list", "data": shown, "has_more": len(found) > limit, "url": request.path})


@bp.post("/checkout/sessions")
def open_checkout() -> Response:
    return _do(account().open_checkout)


@bp.get("/checkout/sessions")
def list_checkouts() -> Response:
    asked = _asked()
    wanted = {k: asked[k] for k in ("payment_intent", "status") if k in asked}
    return _list("checkout.session", lambda doc: all(doc[k] == v for k, v in wanted.items()))


@bp.get("/checkout/sessions/<object_id>")
def show_checkout(object_id: str) -> Response:
    return _show(object_id, "checkout.session")


@bp.get("/checkout/sessions/<object_id>/line_items")
def show_lines(object_id: str) -> Response:
    try:
        lines = _found(object_id, "checkout.session")["sandbox_lines"]
    except Refused as error:
        return _json(error.body, error.status)
    return _json({"object": "list", "data": lines, "has_more": False, "url": request.path})


@bp.post("/checkout/sessions/<object_id>/expire")
def expire_checkout(object_id: str) -> Response:
    return _do(lambda _: account().expire(_found(object_id, "checkout.session")))


@bp.get("/payment_pages/<object_id>")
def show_page(object_id: str) -> Response:
    """What Stripe's own page and command line read of a checkout."""
    try:
        session = _found(object_id, "checkout.session")
    except Refused as error:
        return _json(error.body, error.status)
    total = {
        "total": session["amount_total"],
        "subtotal": session["amount_total"],
        "currency": session["currency"],
        "line_items": session["sandbox_lines"],
    }
    return _json({**public(session), "object": "checkout.session", "session_id": session["id"], "line_item_group": total})


@bp.post("/payment_pages/<object_id>/confirm")
def confirm_page(object_id: str) -> Response:
    def act(asked: Doc) -> Doc:
        session = _found(object_id, "checkout.session")
        if "expected_amount" in asked and int(asked["expected_amount"]) != session["amount_total"]:
            raise Refused("The expected amount is not the session's.", param="expected_amount")
        return account().pay_checkout(session, _number(asked.get("payment_method")))

    return _do(act)


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

    return _do(act)


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

    return _do(act)


@bp.post("/charges")
def make_charge() -> Response:
    def act(asked: Doc) -> Doc:
        card = shapes.card_details(_number(asked.get("source")))
        return account().settle(
            shapes.charge(amount=int(asked["amount"]), currency=asked["currency"].lower(), card=card, description=asked.get("description"))
        )

    return _do(act)


@bp.post("/refunds")
def make_refund() -> Response:
    def act(asked: Doc) -> Doc:
        charge_id = asked.get("charge")
        if not charge_id:
            charge_id = _found(str(asked.get("payment_intent")), "payment_intent")["latest_charge"]
        amount = int(asked["amount"]) if "amount" in asked else None
        return account().refund(_found(str(charge_id), "charge"), amount, asked)

    return _do(act)


@bp.get("/refunds")
def list_refunds() -> Response:
    asked = _asked()
    wanted = {k: asked[k] for k in ("payment_intent", "charge") if k in asked}
    return _list("refund", lambda doc: all(doc[k] == v for k, v in wanted.items()))


@bp.post("/customers")
def make_customer() -> Response:
    names = ("email", "name", "phone", "description")
    return _do(lambda asked: account().store.put(shapes.customer(metadata=asked.get("metadata") or {}, **{n: asked.get(n) for n in names})))


@bp.post("/products")
def make_product() -> Response:
    return _do(lambda asked: account().store.put(shapes.product(name=asked["name"], description=asked.get("description"))))


@bp.post("/prices")
def make_price() -> Response:
    return _do(
        lambda asked: account().store.put(
            shapes.price(product_id=asked["product"], unit_amount=int(asked["unit_amount"]), currency=asked["currency"].lower())
        )
    )


@bp.get("/events")
def list_events() -> Response:
    asked = _asked()
    kinds = asked.get("types") or ([asked["type"]] if "type" in asked else [])
    return _list("event", lambda doc: not kinds or doc["type"] in kinds)


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
def show(collection: str, object_id: str) -> Response:
    return _show(object_id, KINDS[collection])


@bp.get(f"/<any({', '.join(k for k in KINDS if k not in {'refunds', 'events'})}):collection>")
def list_all(collection: str) -> Response:
    return _list(KINDS[collection])


@bp.route("/<path:path>", methods=["GET", "POST", "DELETE"])
def unknown(path: str) -> Response:
    message = f"Unrecognized request URL ({request.method}: /v1/{path})."
    return _json(Refused(message, status=404).body, 404)
