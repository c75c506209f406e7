"""The HTTP API of the account's setup, which is read to check a configuration: webhook endpoints, payment methods, the billing portal."""

from flask import Response, request

from campaign.devstack.sandbox import account_setup
from campaign.devstack.sandbox.answers import account, answer, bp
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import Doc


@bp.get("/webhook_endpoints")
def list_webhook_endpoints() -> Response:
    endpoint = account_setup.webhook_endpoint(account().store, account().webhook)
    return _respond_list([endpoint] if endpoint else [])


@bp.get("/webhook_endpoints/<object_id>")
def show_webhook_endpoint(object_id: str) -> Response:
    return _respond_one(account_setup.webhook_endpoint(account().store, account().webhook), object_id)


@bp.get("/payment_method_configurations")
def list_payment_method_configurations() -> Response:
    return _respond_list([account_setup.payment_method_configuration(account().store)])


@bp.get("/payment_method_configurations/<object_id>")
def show_payment_method_configuration(object_id: str) -> Response:
    return _respond_one(account_setup.payment_method_configuration(account().store), object_id)


@bp.get("/billing_portal/configurations")
def list_portal_configurations() -> Response:
    configuration = account_setup.portal_configuration(account().store)
    wanted = {name: request.args[name] == "true" for name in ("active", "is_default") if name in request.args}
    return _respond_list([configuration] if all(configuration[name] == value for name, value in wanted.items()) else [])


@bp.get("/billing_portal/configurations/<object_id>")
def show_portal_configuration(object_id: str) -> Response:
    return _respond_one(account_setup.portal_configuration(account().store), object_id)


@bp.get("/account")
def show_account() -> Response:
    return answer(account_setup.account_object())


def _respond_list(objects: list[Doc]) -> Response:
    return answer({"object": "list", "data": objects, "has_more": False, "url": request.path})


def _respond_one(found: Doc | None, object_id: str) -> Response:
    if found is None or found["id"] != object_id:
        error = ApiError(f"No such object: '{object_id}'", status=404, code="resource_missing", param="id")
        return answer(error.body, error.status)
    return answer(found)
