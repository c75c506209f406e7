"""The HTTP API of recurring payments: subscriptions, invoices and billing portal sessions."""

from flask import Response

from campaign.devstack.sandbox import shapes, subscription_shapes, subscriptions
from campaign.devstack.sandbox.answers import account, answer, bp, get_object, list_objects, request_params, run_idempotently, show_object
from campaign.devstack.sandbox.shapes import Doc
from campaign.devstack.sandbox.stripe_account import ApiError, public


@bp.get("/subscriptions")
def list_subscriptions() -> Response:
    customer = request_params().get("customer")
    return list_objects("subscription", lambda doc: customer in {None, doc["customer"]})


@bp.get("/subscriptions/<object_id>")
def show_subscription(object_id: str) -> Response:
    return show_object(object_id, "subscription")


@bp.post("/subscriptions/<object_id>")
def update_subscription(object_id: str) -> Response:
    return run_idempotently(lambda params: subscriptions.update(account(), get_object(object_id, "subscription"), params))


@bp.delete("/subscriptions/<object_id>")
def cancel_subscription(object_id: str) -> Response:
    return run_idempotently(lambda _: subscriptions.cancel(account(), get_object(object_id, "subscription")))


@bp.get("/invoices")
def list_invoices() -> Response:
    params = request_params()
    wanted, status = params.get("subscription"), params.get("status")

    def matches(doc: Doc) -> bool:
        return wanted in {None, doc["parent"]["subscription_details"]["subscription"]} and status in {None, doc["status"]}

    return list_objects("invoice", matches, shape=_with_payments if "data.payments" in (params.get("expand") or []) else public)


def _with_payments(invoice: Doc) -> Doc:
    payments = {"object": "list", "data": invoice["sandbox_payments"], "has_more": False, "url": "/v1/invoice_payments"}
    return {**public(invoice), "payments": payments}


@bp.get("/invoices/<object_id>")
def show_invoice(object_id: str) -> Response:
    """The invoice, with its payments only when `expand` asks for them."""
    try:
        invoice = get_object(object_id, "invoice")
    except ApiError as error:
        return answer(error.body, error.status)
    return answer(_with_payments(invoice) if "payments" in (request_params().get("expand") or []) else public(invoice))


@bp.post("/billing_portal/sessions")
def open_portal() -> Response:
    def act(params: Doc) -> Doc:
        customer = get_object(str(params.get("customer")), "customer")
        session_id = shapes.new_id("bps")
        url = f"{account().address}/p/session/{session_id}"
        return account().store.put(
            subscription_shapes.portal_session(customer=customer["id"], return_url=params.get("return_url"), url=url, session_id=session_id)
        )

    return run_idempotently(act)
