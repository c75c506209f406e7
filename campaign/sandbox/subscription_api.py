"""The stand-in's HTTP API for giving month after month: subscriptions, invoices, the billing portal."""

from flask import Response

from campaign.sandbox import shapes, subscription_shapes, subscriptions
from campaign.sandbox.answers import account, answer, asked_for, bp, do, found, listed, show
from campaign.sandbox.shapes import Doc
from campaign.sandbox.stripe_account import Refused, public


@bp.get("/subscriptions")
def list_subscriptions() -> Response:
    customer = asked_for().get("customer")
    return listed("subscription", lambda doc: customer in {None, doc["customer"]})


@bp.get("/subscriptions/<object_id>")
def show_subscription(object_id: str) -> Response:
    return show(object_id, "subscription")


@bp.post("/subscriptions/<object_id>")
def update_subscription(object_id: str) -> Response:
    return do(lambda asked: subscriptions.update(account(), found(object_id, "subscription"), asked))


@bp.delete("/subscriptions/<object_id>")
def cancel_subscription(object_id: str) -> Response:
    return do(lambda _: subscriptions.cancel(account(), found(object_id, "subscription")))


@bp.get("/invoices")
def list_invoices() -> Response:
    asked = asked_for()
    wanted, status = asked.get("subscription"), asked.get("status")

    def keep(doc: Doc) -> bool:
        return wanted in {None, doc["parent"]["subscription_details"]["subscription"]} and status in {None, doc["status"]}

    return listed("invoice", keep, show=_with_payments if "data.payments" in (asked.get("expand") or []) else public)


def _with_payments(invoice: Doc) -> Doc:
    payments = {"object": "list", "data": invoice["sandbox_payments"], "has_more": False, "url": "/v1/invoice_payments"}
    return {**public(invoice), "payments": payments}


@bp.get("/invoices/<object_id>")
def show_invoice(object_id: str) -> Response:
    """What paid it is told to whoever asks for that."""
    try:
        invoice = found(object_id, "invoice")
    except Refused as error:
        return answer(error.body, error.status)
    return answer(_with_payments(invoice) if "payments" in (asked_for().get("expand") or []) else public(invoice))


@bp.post("/billing_portal/sessions")
def open_portal() -> Response:
    def act(asked: Doc) -> Doc:
        customer = found(str(asked.get("customer")), "customer")
        session_id = shapes.new_id("bps")
        url = f"{account().address}/p/session/{session_id}"
        return account().store.put(
            subscription_shapes.portal_session(customer=customer["id"], return_url=asked.get("return_url"), url=url, session_id=session_id)
        )

    return do(act)
