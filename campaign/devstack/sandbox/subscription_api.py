"""The HTTP API of recurring payments: subscriptions, invoices and billing portal sessions."""

from flask import Response

from campaign.devstack.sandbox import shapes, subscription_changes, subscription_shapes, subscriptions
from campaign.devstack.sandbox.answers import account, answer, bp, get_object, list_objects, request_params, run_idempotently, show_object
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc


@bp.get("/subscriptions")
def list_subscriptions() -> Response:
    """Without `status`, all that are not canceled, as Stripe lists them."""
    status = request_params().get("status")

    def matches(doc: Doc) -> bool:
        return status in {"all", doc["status"]} or (status is None and doc["status"] != "canceled")

    return list_objects("subscription", matches, handled={"status"})


@bp.get("/subscriptions/<object_id>")
def show_subscription(object_id: str) -> Response:
    return show_object(object_id, "subscription")


@bp.post("/subscriptions/<object_id>")
def update_subscription(object_id: str) -> Response:
    return run_idempotently(lambda params: subscription_changes.update(account(), get_object(object_id, "subscription"), params))


@bp.delete("/subscriptions/<object_id>")
def cancel_subscription(object_id: str) -> Response:
    return run_idempotently(lambda _: subscriptions.cancel(account(), get_object(object_id, "subscription")))


@bp.get("/invoices")
def list_invoices() -> Response:
    wanted = request_params().get("subscription")

    def matches(doc: Doc) -> bool:
        return wanted in {None, doc["parent"]["subscription_details"]["subscription"]}

    return list_objects("invoice", matches, handled={"subscription"})


@bp.get("/invoices/<object_id>")
def show_invoice(object_id: str) -> Response:
    return show_object(object_id, "invoice")


@bp.get("/invoices/<object_id>/lines")
def list_invoice_lines(object_id: str) -> Response:
    try:
        return answer(get_object(object_id, "invoice")["lines"])
    except ApiError as error:
        return answer(error.body, error.status)


@bp.get("/invoice_payments")
def list_invoice_payments() -> Response:
    return list_objects("invoice_payment")


@bp.get("/invoice_payments/<object_id>")
def show_invoice_payment(object_id: str) -> Response:
    return show_object(object_id, "invoice_payment")


@bp.get("/credit_notes")
def list_credit_notes() -> Response:
    return list_objects("credit_note")


@bp.get("/credit_notes/<object_id>")
def show_credit_note(object_id: str) -> Response:
    return show_object(object_id, "credit_note")


@bp.get("/payment_records/<object_id>")
def show_payment_record(object_id: str) -> Response:
    return show_object(object_id, "payment_record")


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
