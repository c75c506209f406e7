"""Controls of the sandbox, for HTTP clients and its home page: event delivery, faults, the clock, and the acts of banks and donors."""

import json
import re
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as Answer

from campaign.devstack.sandbox import aftermath, clock, debits, faults, payouts, subscriptions
from campaign.devstack.sandbox.answers import account, get_object
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import ApiError, public

bp = Blueprint("control", __name__, url_prefix="/control")

ORDERS = {"oldest", "newest", "random"}
MAX_COPIES = 20


@bp.errorhandler(ApiError)
def _respond_api_error(error: ApiError) -> tuple[Response, int]:
    return jsonify(error.body), error.status


@bp.errorhandler(KeyError)
@bp.errorhandler(ValueError)
@bp.errorhandler(AssertionError)
@bp.errorhandler(re.error)
def _respond_bad_request(error: Exception) -> tuple[Response, int]:
    return jsonify({"error": {"message": f"{type(error).__name__}: {error}"}}), 400


def _respond(doc: Doc) -> Answer:
    """Redirect a browser to the home page; respond to other clients with the object."""
    if request.accept_mimetypes.best == "text/html":
        return redirect("/", 303)
    return jsonify(public(doc))


def _act(act: Callable[[], Doc]) -> Answer:
    with account().store.transaction():
        account().key = None
        doc = act()
    return _respond(doc)


def _charge() -> Doc:
    """The charge that the form names by its own id or by its payment intent."""
    if charge_id := request.form.get("charge"):
        return get_object(charge_id, "charge")
    return get_object(str(get_object(request.form["payment_intent"], "payment_intent")["latest_charge"]), "charge")


@bp.post("/delivery")
def delivery() -> Answer:
    """Configure event delivery: `state` on or off, `order` oldest, newest or random, `copies` of each event, `late` in seconds."""
    store, form = account().store, request.form
    changes = {name: form[name] for name in ("state", "order", "copies", "late") if name in form}
    if changes.get("state", "on") not in {"on", "off"} or changes.get("order", "oldest") not in ORDERS:
        raise ValueError("state is on or off; order is oldest, newest or random")
    if not 1 <= int(changes.get("copies", 1)) <= MAX_COPIES or float(changes.get("late", 0)) < 0:
        raise ValueError(f"copies are 1 to {MAX_COPIES}; late is in seconds")
    for name, value in changes.items():
        store.set_switch("delivery" if name == "state" else f"delivery_{name}", value)
    return _respond(changes)


@bp.post("/events/<event_id>/deliver")
def deliver(event_id: str) -> Answer:
    """Send an event now, whether or not it was sent before."""
    event = get_object(event_id, "event")
    account().store.requeue_delivery(event_id)
    return _respond(event)


@bp.post("/events")
def create_event() -> Answer:
    """Send an event of any `type` about an `object`, with `changes` (JSON) that the stored object does not have: a false event."""
    subject = get_object(request.form["object"], request.form["kind"])
    changes = json.loads(request.form.get("changes") or "{}")
    return _act(lambda: account().emit(request.form["type"], public(subject) | changes))


@bp.post("/disputes")
def dispute() -> Answer:
    """Dispute a `charge` or `payment_intent`, for `amount` cents or all of it."""
    amount = int(request.form["amount"]) if request.form.get("amount") else None
    return _act(lambda: aftermath.create_dispute(account(), _charge(), amount, request.form.get("reason") or "fraudulent"))


@bp.post("/disputes/<dispute_id>")
def decide_dispute(dispute_id: str) -> Answer:
    """Set the `status` of a dispute: under_review, won or lost."""
    return _act(lambda: aftermath.set_dispute_status(account(), get_object(dispute_id, "dispute"), request.form["status"]))


@bp.post("/refunds/<refund_id>")
def change_refund(refund_id: str) -> Answer:
    """Set the `status` of a refund, for example failed."""
    return _act(lambda: aftermath.set_refund_status(account(), get_object(refund_id, "refund"), request.form["status"]))


@bp.post("/debits/<session_id>")
def end_debit(session_id: str) -> Answer:
    """End the bank debit of this checkout with `outcome` succeeded or failed."""
    succeeded = {"succeeded": True, "failed": False}[request.form["outcome"]]
    return _act(lambda: debits.end_debit(account(), get_object(session_id, "checkout.session"), succeeded=succeeded))


@bp.post("/payouts")
def pay_out() -> Answer:
    """Pay out the whole balance, or with `only_available` the part that is available now."""
    include_pending = not request.form.get("only_available")
    return _act(lambda: payouts.create_payout(account(), currency=request.form.get("currency") or "cad", include_pending=include_pending))


@bp.post("/payouts/<payout_id>")
def decide_payout(payout_id: str) -> Answer:
    """Set the `status` of a payout: paid or failed."""
    return _act(lambda: payouts.set_payout_status(account(), get_object(payout_id, "payout"), request.form["status"]))


@bp.post("/subscriptions/<subscription_id>")
def change_card(subscription_id: str) -> Answer:
    """Charge this `card` for the subscription from now on, for example one that is declined."""
    card = request.form["card"]
    return _act(lambda: subscriptions.change(account(), get_object(subscription_id, "subscription"), sandbox_card=card))


@bp.post("/faults")
def inject_fault() -> Answer:
    """Inject fault `kind` into the next `times` requests whose `path` (a regular expression) and `method` match; `seconds` for slow ones."""
    form = request.form
    if form["kind"] == "none":
        faults.clear(account().store)
    else:
        faults.inject(
            account().store,
            kind=form["kind"],
            path=form.get("path", ""),
            method=form.get("method", ""),
            times=int(form.get("times") or 1),
            seconds=float(form.get("seconds") or 0),
        )
    return _respond({"faults": faults.pending(account().store)})


@bp.post("/clock")
def move_clock() -> Answer:
    """Move the account's clock ahead by `seconds` or `days`, and renew the subscriptions that are due."""
    more = int(request.form.get("seconds") or 0) + int(request.form.get("days") or 0) * 24 * 3600
    if more < 0:
        raise ValueError("The clock only moves ahead.")
    ahead = int(account().store.switch("ahead", "0")) + more
    account().store.set_switch("ahead", str(ahead))
    clock.set_ahead(ahead)
    subscriptions.renew_due(account())
    return _respond({"now": clock.now(), "ahead": ahead})
