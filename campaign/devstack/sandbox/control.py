"""Controls of the sandbox, for HTTP clients and its home page: event delivery, faults, the clock, and the acts of banks and donors.

Those of subscriptions, invoices and the shop are in billing_controls.py, those of the account's setup in setup_controls.py.
"""

import json
import re
import time
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, render_template, request
from werkzeug.wrappers import Response as Answer

from campaign.devstack.sandbox import aftermath, clock, debits, faults, payouts, subscriptions
from campaign.devstack.sandbox.answers import account, get_object
from campaign.devstack.sandbox.errors import ApiError, public
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.words import words

bp = Blueprint("control", __name__, url_prefix="/control")

ORDERS = {"oldest", "newest", "random"}
MAX_COPIES = 20
MAX_SECONDS_AHEAD = 3650 * 24 * 3600
# The fields of an object that the page after an action shows.
SHOWN = ("object", "id", "status", "payment_status", "amount", "amount_paid", "ahead", "skew")


def _is_browser() -> bool:
    # Chromium accepts images as gladly as pages, and programs often accept anything: only a browser names HTML.
    return "text/html" in request.headers.get("Accept", "")


def _language() -> str:
    return request.accept_languages.best_match(["en", "fr"], "en")


def respond(doc: Doc, status: int = 200) -> Answer:
    """Respond with the object that was changed, or with an error: to a browser as a small page, to programs as JSON."""
    if not _is_browser():
        response = jsonify(public(doc))
        response.status_code = status
        return response
    error = doc.get("error")
    shown = [(name, str(doc[name])) for name in SHOWN if doc.get(name) is not None]
    page = render_template("control.html", w=words(_language()), language=_language(), error=error and error["message"], shown=shown)
    return Response(page, status=status)


@bp.errorhandler(ApiError)
def _respond_api_error(error: ApiError) -> Answer:
    return respond(error.body, error.status)


@bp.errorhandler(KeyError)
@bp.errorhandler(ValueError)
@bp.errorhandler(AssertionError)
@bp.errorhandler(re.error)
def _respond_bad_request(error: Exception) -> Answer:
    return respond({"error": {"message": f"{type(error).__name__}: {error}"}}, 400)


def act(change: Callable[[], Doc]) -> Answer:
    """Make a change in one transaction, and respond with the object that it returns."""
    with account().store.transaction():
        account().key = None
        doc = change()
    return respond(doc)


def form_cents(name: str) -> int | None:
    """The sum in cents of this field of the form; None when it is empty."""
    return int(request.form[name]) if request.form.get(name) else None


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
    return respond(changes)


@bp.post("/events/<event_id>/deliver")
def deliver(event_id: str) -> Answer:
    """Send an event now, whether or not it was sent before."""
    event = get_object(event_id, "event")
    account().store.requeue_delivery(event_id)
    return respond(event)


@bp.post("/events")
def create_event() -> Answer:
    """Send an event of any `type` about an `object`, with `changes` (JSON) that the stored object does not have: a false event."""
    subject = get_object(request.form["object"], request.form["kind"])
    changes = json.loads(request.form.get("changes") or "{}")
    return act(lambda: account().emit(request.form["type"], public(subject) | changes))


@bp.post("/disputes")
def dispute() -> Answer:
    """Dispute a `charge` or `payment_intent`, for `amount` cents, which may be more than was charged, or all of it.

    `reason` is one of Stripe's; `status` is needs_response, prevented, or warning_needs_response for an inquiry.
    """
    form = request.form
    reason, status = form.get("reason") or "fraudulent", form.get("status") or "needs_response"
    return act(lambda: aftermath.create_dispute(account(), _charge(), form_cents("amount"), reason, status))


@bp.post("/disputes/<dispute_id>")
def decide_dispute(dispute_id: str) -> Answer:
    """Set the `status` of a dispute: under_review, won or lost; appeal_needs_response and appeal_under_review after a loss.

    `reinstated` is the part in cents that returns to the balance when it is won, by default all.
    """
    status, reinstated = request.form["status"], form_cents("reinstated")
    return act(lambda: aftermath.set_dispute_status(account(), get_object(dispute_id, "dispute"), status, reinstated))


@bp.post("/refunds/<refund_id>")
def change_refund(refund_id: str) -> Answer:
    """Set the `status` of a refund, for example failed."""
    return act(lambda: aftermath.set_refund_status(account(), get_object(refund_id, "refund"), request.form["status"]))


@bp.post("/debits/<session_id>")
def end_debit(session_id: str) -> Answer:
    """End the bank debit of this checkout with `outcome` succeeded, failed or canceled; verified submits one that waits for that.

    After it has succeeded, returned is a dispute by the bank that is lost at once, and failed_after_success a payment that fails after all.
    """
    end = debits.OUTCOMES[request.form["outcome"]]
    return act(lambda: end(account(), get_object(session_id, "checkout.session")))


@bp.post("/payouts")
def pay_out() -> Answer:
    """Pay out the whole balance, or with `only_available` the part that is available now, as an automatic payout.

    With `method` standard or instant and an `amount` in cents, someone requests the payout: it is manual.
    """
    form, include_pending = request.form, not request.form.get("only_available")
    currency = form.get("currency") or "cad"
    if form.get("method"):
        params = {"amount": form["amount"], "currency": currency, "method": form["method"]}
        return act(lambda: payouts.create_manual_payout(account(), params, include_pending=include_pending))
    return act(lambda: payouts.create_payout(account(), currency=currency, include_pending=include_pending))


@bp.post("/payouts/<payout_id>")
def decide_payout(payout_id: str) -> Answer:
    """Set the `status` of a payout: paid or failed; for a manual one also in_transit, or canceled while it is pending."""
    return act(lambda: payouts.set_payout_status(account(), get_object(payout_id, "payout"), request.form["status"]))


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
    return respond({"faults": faults.pending(account().store)})


@bp.post("/clock")
def move_clock() -> Answer:
    """Move the account's clock ahead by `seconds` or `days`, and renew the subscriptions that are due.

    `skew` sets by how many seconds all of Stripe's clocks differ from ours, those that requests are judged by included.
    """
    if "skew" in request.form:
        account().store.set_switch("skew", str(int(request.form["skew"])))
        clock.set_skew(int(request.form["skew"]))
    more = int(request.form.get("seconds") or 0) + int(request.form.get("days") or 0) * 24 * 3600
    if more > MAX_SECONDS_AHEAD:
        raise ValueError("The clock moves at most ten years at a time.")
    advance(more)
    subscriptions.renew_due(account())
    return respond(
        {"now": clock.now(), "ahead": int(account().store.switch("ahead", "0")), "skew": clock.request_time() - int(time.time())}
    )


def advance(seconds: int) -> None:
    """Move the account's clock ahead. Raises ValueError for a negative number."""
    if seconds < 0:
        raise ValueError("The clock only moves ahead.")
    ahead = int(account().store.switch("ahead", "0")) + seconds
    account().store.set_switch("ahead", str(ahead))
    clock.set_ahead(ahead)
