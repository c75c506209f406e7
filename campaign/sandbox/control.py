"""The stand-in's controls, by HTTP and from its page: how events are sent, what goes wrong, and what banks and donors do."""

import json
import re
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as Answer

from campaign.sandbox import aftermath, clock, debits, faults, payouts, subscriptions
from campaign.sandbox.answers import account, found
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Refused, public

bp = Blueprint("control", __name__, url_prefix="/control")

ORDERS = {"oldest", "newest", "random"}
MOST_COPIES = 20


@bp.errorhandler(Refused)
def _refused(error: Refused) -> tuple[Response, int]:
    return jsonify(error.body), error.status


@bp.errorhandler(KeyError)
@bp.errorhandler(ValueError)
@bp.errorhandler(AssertionError)
@bp.errorhandler(re.error)
def _unclear(error: Exception) -> tuple[Response, int]:
    return jsonify({"error": {"message": f"{type(error).__name__}: {error}"}}), 400


def _done(doc: Doc) -> Answer:
    """Back to the page for whoever came from it, else what was made."""
    if request.accept_mimetypes.best == "text/html":
        return redirect("/", 303)
    return jsonify(public(doc))


def _act(act: Callable[[], Doc]) -> Answer:
    with account().store.transaction():
        account().key = None
        made = act()
    return _done(made)


def _charge() -> Doc:
    """The charge that the form names, itself or by its payment."""
    if charge_id := request.form.get("charge"):
        return found(charge_id, "charge")
    return found(str(found(request.form["payment_intent"], "payment_intent")["latest_charge"]), "charge")


@bp.post("/delivery")
def delivery() -> Answer:
    """How events are sent: `state` on or off, `order` oldest, newest or random, `copies` of each, `late` by so many seconds."""
    store, given = account().store, request.form
    wished = {name: given[name] for name in ("state", "order", "copies", "late") if name in given}
    if wished.get("state", "on") not in {"on", "off"} or wished.get("order", "oldest") not in ORDERS:
        raise ValueError("state is on or off; order is oldest, newest or random")
    if not 1 <= int(wished.get("copies", 1)) <= MOST_COPIES or float(wished.get("late", 0)) < 0:
        raise ValueError(f"copies are 1 to {MOST_COPIES}; late is in seconds")
    for name, value in wished.items():
        store.set_switch("delivery" if name == "state" else f"delivery_{name}", value)
    return _done(wished)


@bp.post("/events/<event_id>/deliver")
def deliver(event_id: str) -> Answer:
    """Send an event (again), now."""
    event = found(event_id, "event")
    account().store.owe_again(event_id)
    return _done(event)


@bp.post("/events")
def tell() -> Answer:
    """Send an event of any `type` about an `object`, with `changes` (JSON) that the API does not know: a lie."""
    about = found(request.form["object"], request.form["kind"])
    changes = json.loads(request.form.get("changes") or "{}")
    return _act(lambda: account().happened(request.form["type"], public(about) | changes))


@bp.post("/disputes")
def dispute() -> Answer:
    """A donor's bank disputes a `charge` or `payment_intent`, of `amount` or all of it."""
    amount = int(request.form["amount"]) if request.form.get("amount") else None
    return _act(lambda: aftermath.dispute(account(), _charge(), amount, request.form.get("reason") or "fraudulent"))


@bp.post("/disputes/<dispute_id>")
def decide_dispute(dispute_id: str) -> Answer:
    """`status` is under_review, won or lost."""
    return _act(lambda: aftermath.decide_dispute(account(), found(dispute_id, "dispute"), request.form["status"]))


@bp.post("/refunds/<refund_id>")
def change_refund(refund_id: str) -> Answer:
    """`status` is what becomes of the refund, failed for instance."""
    return _act(lambda: aftermath.change_refund(account(), found(refund_id, "refund"), request.form["status"]))


@bp.post("/debits/<session_id>")
def end_debit(session_id: str) -> Answer:
    """The bank says that the debit of this checkout has `outcome` succeeded or failed."""
    succeeded = {"succeeded": True, "failed": False}[request.form["outcome"]]
    return _act(lambda: debits.end_debit(account(), found(session_id, "checkout.session"), succeeded=succeeded))


@bp.post("/payouts")
def pay_out() -> Answer:
    """Pay out what the balance holds: all of it, or with `only_available` what is available by now."""
    all_of_it = not request.form.get("only_available")
    return _act(lambda: payouts.pay_out(account(), currency=request.form.get("currency") or "cad", all_of_it=all_of_it))


@bp.post("/payouts/<payout_id>")
def decide_payout(payout_id: str) -> Answer:
    """`status` is paid or failed."""
    return _act(lambda: payouts.decide_payout(account(), found(payout_id, "payout"), request.form["status"]))


@bp.post("/subscriptions/<subscription_id>")
def change_card(subscription_id: str) -> Answer:
    """From now on this `card` is charged, one that is declined for instance."""
    card = request.form["card"]
    return _act(lambda: subscriptions.change(account(), found(subscription_id, "subscription"), sandbox_card=card))


@bp.post("/faults")
def ask_for_fault() -> Answer:
    """`kind` goes wrong for the next `times` requests whose `path` (an expression) and `method` match; `seconds` for slow ones."""
    given = request.form
    if given["kind"] == "none":
        faults.forget(account().store)
    else:
        faults.ask_for(
            account().store,
            kind=given["kind"],
            path=given.get("path", ""),
            method=given.get("method", ""),
            times=int(given.get("times") or 1),
            seconds=float(given.get("seconds") or 0),
        )
    return _done({"faults": faults.waiting(account().store)})


@bp.post("/clock")
def move_clock() -> Answer:
    """The account's clock goes ahead of ours by so many more `seconds` or `days`."""
    more = int(request.form.get("seconds") or 0) + int(request.form.get("days") or 0) * 24 * 3600
    if more < 0:
        raise ValueError("The clock only goes ahead.")
    ahead = int(account().store.switch("ahead", "0")) + more
    account().store.set_switch("ahead", str(ahead))
    clock.set_ahead(ahead)
    subscriptions.renew_due(account())
    return _done({"now": clock.now(), "ahead": ahead})
