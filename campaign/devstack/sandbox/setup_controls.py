"""Controls of the account's setup: what the key may do, the webhook endpoint, the payment methods, and the billing portal."""

from flask import request
from stripe.params import WebhookEndpointCreateParams
from werkzeug.wrappers import Response as Answer

from campaign.devstack.sandbox.account_setup import (
    ACCESS,
    PAYMENT_METHODS,
    PORTAL_FEATURES,
    change_setting,
    payment_method_configuration,
    portal_configuration,
    setting,
    webhook_endpoint,
)
from campaign.devstack.sandbox.answers import account
from campaign.devstack.sandbox.control import bp, respond
from campaign.devstack.sandbox.endpoints import RESOURCES
from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.parameters import choices_of


@bp.post("/permissions")
def set_permission() -> Answer:
    """Let the key have `access` none, read or write to a `resource`, such as `refunds` or `checkout/sessions`. It has write to others."""
    resource, access = "/" + request.form["resource"].strip("/"), request.form["access"]
    if resource not in RESOURCES:
        raise ValueError(f"resource is one of {', '.join(RESOURCES)}")
    if access not in ACCESS:
        raise ValueError(f"access is one of {', '.join(ACCESS)}")
    permissions = {**setting(account().store, "permissions", {}), resource: access}
    change_setting(account().store, "permissions", permissions)
    return respond({"permissions": permissions})


@bp.post("/key")
def set_key() -> Answer:
    """Accept only this `key` from now on, or any test key when it is empty."""
    change_setting(account().store, "only_key", request.form["key"])
    return respond({"only_key": request.form["key"]})


@bp.post("/webhook_endpoint")
def set_webhook_endpoint() -> Answer:
    """Change the `url`, `status` (enabled, disabled), `api_version` or `enabled_events` (with commas) of the endpoint, or `remove` it.

    With `without` it sends all types of events but the ones named, with commas.
    """
    store, form = account().store, request.form
    if form.get("remove"):
        change_setting(store, "webhook_endpoint", None)
        return respond({"object": "webhook_endpoint", "id": "we_sandbox", "deleted": True})
    if form.get("status", "enabled") not in {"enabled", "disabled"}:
        raise ValueError("status is enabled or disabled")
    changed: dict[str, object] = {name: form[name] for name in ("url", "status", "api_version") if name in form}
    if form.get("enabled_events") or form.get("without"):
        changed["enabled_events"] = _enabled_events(_listed(form.get("enabled_events")), without=_listed(form.get("without")))
    change_setting(store, "webhook_endpoint", {**(setting(store, "webhook_endpoint", {}) or {}), **changed})
    return respond(webhook_endpoint(store, account().webhook) or {})


def _listed(field: str | None) -> list[str]:
    return [kind.strip() for kind in (field or "").split(",") if kind.strip()]


def _enabled_events(named: list[str], *, without: list[str]) -> list[str]:
    types = choices_of(WebhookEndpointCreateParams, "enabled_events")
    if unknown := sorted({*named, *without} - set(types)):
        raise ApiError(f"Invalid enabled_events: {', '.join(unknown)}", param="enabled_events")
    return [kind for kind in types if kind not in {"*", *without}] if without else named


@bp.post("/payment_methods")
def set_payment_method() -> Answer:
    """Switch a payment method of the account: `type` card, link, acss_debit, apple_pay or google_pay, `state` on or off."""
    kind, is_on = request.form["type"], {"on": True, "off": False}[request.form["state"]]
    if kind not in PAYMENT_METHODS:
        raise ValueError(f"type is one of {', '.join(PAYMENT_METHODS)}")
    store = account().store
    disabled = {name for name in setting(store, "disabled_payment_methods", []) if name != kind} | (set() if is_on else {kind})
    change_setting(store, "disabled_payment_methods", sorted(disabled))
    return respond(payment_method_configuration(store))


@bp.post("/portal")
def set_portal() -> Answer:
    """Switch a `feature` of the billing portal `state` on or off, or set the `mode` of a cancellation: at_period_end or immediately."""
    store, form = account().store, request.form
    features = setting(store, "portal", {})
    if "mode" in form:
        if form["mode"] not in {"at_period_end", "immediately"}:
            raise ValueError("mode is at_period_end or immediately")
        features["mode"] = form["mode"]
    if "feature" in form:
        if form["feature"] not in PORTAL_FEATURES:
            raise ValueError(f"feature is one of {', '.join(PORTAL_FEATURES)}")
        features[form["feature"]] = {"on": True, "off": False}[form["state"]]
    change_setting(store, "portal", features)
    return respond(portal_configuration(store))
