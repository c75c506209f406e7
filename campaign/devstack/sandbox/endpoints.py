"""The endpoints of the API, with the types of their parameters and objects in Stripe's library. Each request is checked against them.

Stripe stores no response under an idempotency key when the parameters are invalid, so that the checks precede everything else.
"""

from dataclasses import dataclass
from operator import attrgetter

import stripe
from flask import Response, request
from stripe import params as types

from campaign.devstack.sandbox.account_setup import check_permission
from campaign.devstack.sandbox.answers import account, answer, bp, request_params, sent_key
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.expansion import check_paths
from campaign.devstack.sandbox.parameters import check_params
from campaign.devstack.sandbox.shapes import API_VERSION, Doc

MAX_EVENT_TYPES = 20
# A request without a version is of the account's default version, which is older: Stripe's command line sends this.
OLDER_PARAMS = {"POST /payment_intents": {"payment_method_types"}}
# https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents
NO_LONGER_SUPPORTED = "payment_method_types_no_longer_supported"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The names of the type of the parameters and of the class of the object that is returned, or listed."""

    params: str
    returned: str

    @property
    def is_list(self) -> bool:
        """Whether the response is a list."""
        return "List" in self.params


def _crud(path: str, name: str, returned: str, *actions: str) -> dict[str, Endpoint]:
    """The endpoints of a resource: any of list, create, retrieve and update."""
    methods = {"List": f"GET {path}", "Create": f"POST {path}", "Retrieve": f"GET {path}/_", "Update": f"POST {path}/_"}
    return {methods[action]: Endpoint(params=f"{name}{action}Params", returned=returned) for action in actions}


ENDPOINTS: dict[str, Endpoint] = {
    **_crud("/checkout/sessions", "checkout.Session", "checkout.Session", "List", "Create", "Retrieve"),
    "POST /checkout/sessions/_/expire": Endpoint(params="checkout.SessionExpireParams", returned="checkout.Session"),
    "GET /checkout/sessions/_/line_items": Endpoint(params="checkout.SessionListLineItemsParams", returned="LineItem"),
    **_crud("/payment_intents", "PaymentIntent", "PaymentIntent", "List", "Create", "Retrieve"),
    **_crud("/payment_methods", "PaymentMethod", "PaymentMethod", "List", "Create", "Retrieve"),
    **_crud("/charges", "Charge", "Charge", "List", "Create", "Retrieve"),
    **_crud("/customers", "Customer", "Customer", "List", "Create", "Retrieve"),
    **_crud("/products", "Product", "Product", "List", "Create", "Retrieve"),
    **_crud("/prices", "Price", "Price", "List", "Create", "Retrieve"),
    **_crud("/events", "Event", "Event", "List", "Retrieve"),
    **_crud("/refunds", "Refund", "Refund", "List", "Create", "Retrieve"),
    **_crud("/disputes", "Dispute", "Dispute", "List", "Retrieve"),
    **_crud("/balance_transactions", "BalanceTransaction", "BalanceTransaction", "List", "Retrieve"),
    "GET /balance": Endpoint(params="BalanceRetrieveParams", returned="Balance"),
    **_crud("/payouts", "Payout", "Payout", "List", "Create", "Retrieve"),
    "POST /payouts/_/cancel": Endpoint(params="PayoutCancelParams", returned="Payout"),
    **_crud("/subscriptions", "Subscription", "Subscription", "List", "Retrieve", "Update"),
    "DELETE /subscriptions/_": Endpoint(params="SubscriptionCancelParams", returned="Subscription"),
    **_crud("/invoices", "Invoice", "Invoice", "List", "Retrieve"),
    "GET /invoices/_/lines": Endpoint(params="InvoiceListLinesParams", returned="InvoiceLineItem"),
    **_crud("/credit_notes", "CreditNote", "CreditNote", "List", "Retrieve"),
    **_crud("/payment_records", "PaymentRecord", "PaymentRecord", "Retrieve"),
    **_crud("/invoice_payments", "InvoicePayment", "InvoicePayment", "List", "Retrieve"),
    "GET /account": Endpoint(params="AccountRetrieveCurrentParams", returned="Account"),
    "POST /billing_portal/sessions": Endpoint(params="billing_portal.SessionCreateParams", returned="billing_portal.Session"),
    **_crud("/billing_portal/configurations", "billing_portal.Configuration", "billing_portal.Configuration", "List", "Retrieve"),
    **_crud("/webhook_endpoints", "WebhookEndpoint", "WebhookEndpoint", "List", "Retrieve"),
    **_crud("/payment_method_configurations", "PaymentMethodConfiguration", "PaymentMethodConfiguration", "List", "Retrieve"),
}


def endpoint_name() -> str:
    """The method and path of the request with `_` for ids, as in `GET /refunds/_`; empty for a path that does not exist."""
    rule = request.url_rule
    if rule is None or "<path:path>" in rule.rule:
        return ""
    ids = {value for name, value in (request.view_args or {}).items() if name.endswith("_id")}
    steps = ["_" if step in ids else step for step in request.path.removeprefix("/v1").split("/")]
    return f"{request.method} {'/'.join(steps)}"


def resource_of(name: str) -> str:
    """The resource of an endpoint such as `GET /refunds/_`, as the path `/refunds`."""
    steps = name.partition(" ")[2].strip("/").split("/")
    return "/" + "/".join(steps[: 2 if steps[0] in {"checkout", "billing_portal"} else 1])


RESOURCES = tuple(sorted({resource_of(name) for name in ENDPOINTS}))


def _check_version() -> None:
    version = request.headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        raise ApiError(f"Invalid Stripe API version: {version}")


@bp.before_request
def _check_request() -> Response | None:
    name = endpoint_name()
    endpoint = ENDPOINTS.get(name)
    if endpoint is None:
        return None
    try:
        check_permission(account().store, key=sent_key(), method=request.method, resource=resource_of(name))
        _check_version()
        _check_params(name, endpoint, request_params())
    except ApiError as error:
        return answer(error.body, error.status)
    return None


def _check_params(name: str, endpoint: Endpoint, params: Doc) -> None:
    if "Stripe-Version" not in request.headers:
        params = {key: value for key, value in params.items() if key not in OLDER_PARAMS.get(name, ())}
    elif name == "POST /payment_intents" and "payment_method_types" in params:
        raise ApiError("`payment_method_types` is no longer supported.", code=NO_LONGER_SUPPORTED, param="payment_method_types")
    check_params(params, attrgetter(endpoint.params)(types))
    check_paths(params.get("expand"), attrgetter(endpoint.returned)(stripe), is_list=endpoint.is_list)
    if endpoint.params == "EventListParams":
        _check_event_types(params)


def _check_event_types(params: Doc) -> None:
    if "type" in params and "types" in params:
        raise ApiError("You may only specify one of these parameters: type, types.", param="types")
    if len(params.get("types") or []) > MAX_EVENT_TYPES:
        raise ApiError(f"You may only specify up to {MAX_EVENT_TYPES} event types.", param="types")
