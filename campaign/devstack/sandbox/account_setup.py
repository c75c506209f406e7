"""How the account is set up: its webhook endpoint, payment methods, billing portal, and what its key may do. The control page changes it."""

import json
from typing import Any

from campaign.devstack.sandbox.errors import ApiError
from campaign.devstack.sandbox.shapes import API_VERSION, Doc
from campaign.devstack.sandbox.store import Store

ACCOUNT_ID = "acct_sandbox"
PAYMENT_METHODS = ("card", "link", "acss_debit", "apple_pay", "google_pay")
# Wallets are ways to present a card, not payment method types of a Checkout Session.
WALLETS = {"apple_pay", "google_pay"}
PORTAL_FEATURES = ("subscription_cancel", "subscription_update", "customer_update", "invoice_history", "payment_method_update", "active")
ACCESS = ("none", "read", "write")
# The resource that a permission of a restricted key names, where it is not the resource of the path.
PERMISSION_NAMES = {
    "/checkout/sessions": "checkout_session",
    "/billing_portal/sessions": "customer_portal",
    "/billing_portal/configurations": "customer_portal",
    "/webhook_endpoints": "webhook",
    "/balance": "balance",
    "/account": "accounts_kyc_basic",
}


def setting(store: Store, name: str, default: Any) -> Any:
    """The value of a setting."""
    return json.loads(store.switch(f"setup_{name}", json.dumps(default)))


def change_setting(store: Store, name: str, value: Any) -> None:
    """Change a setting."""
    store.set_switch(f"setup_{name}", json.dumps(value))


def webhook_endpoint(store: Store, url: str) -> Doc | None:
    """The account's webhook endpoint, by default all events sent to `url`; None when it has none."""
    default = {"url": url, "enabled_events": ["*"], "status": "enabled", "api_version": API_VERSION} if url else None
    changed = setting(store, "webhook_endpoint", {})
    if changed is None or (default is None and not changed.get("url")):
        return None
    fallback = {"enabled_events": ["*"], "status": "enabled", "api_version": API_VERSION}
    return {
        "id": "we_sandbox",
        "object": "webhook_endpoint",
        "application": None,
        "created": 1_700_000_000,
        "description": None,
        "livemode": False,
        "metadata": {},
        **(default or fallback),
        **changed,
    }


def is_sent(endpoint: Doc, kind: str) -> bool:
    """Whether an endpoint is sent events of this type."""
    return endpoint["status"] == "enabled" and ("*" in endpoint["enabled_events"] or kind in endpoint["enabled_events"])


def payment_method_configuration(store: Store) -> Doc:
    """Which payment methods the account has enabled."""
    disabled = setting(store, "disabled_payment_methods", [])
    methods = {
        name: {
            "available": name not in disabled,
            "display_preference": {"overridable": None, "preference": value, "value": value},
        }
        for name in PAYMENT_METHODS
        for value in ["off" if name in disabled else "on"]
    }
    return {
        "id": "pmc_sandbox",
        "object": "payment_method_configuration",
        "active": True,
        "application": None,
        "is_default": True,
        "livemode": False,
        "name": "Default",
        "parent": None,
        **methods,
    }


def session_payment_methods(store: Store, params: Doc) -> list[str]:
    """The payment method types of a Checkout Session: of those that it allows or does not exclude, the ones that the account has enabled.

    Stripe drops the others silently. Raises ApiError when none is left.
    """
    allowed, excluded = params.get("allowed_payment_method_types"), params.get("excluded_payment_method_types") or []
    disabled = setting(store, "disabled_payment_methods", [])
    enabled = [name for name in PAYMENT_METHODS if name not in disabled and name not in WALLETS]
    offered = enabled if allowed is None else [name for name in allowed if name in enabled]
    offered = [name for name in offered if name not in excluded]
    if not offered:
        raise ApiError(
            "No valid payment method types for this Checkout Session. Please ensure that you have activated payment methods compatible with"
            " your chosen currency in your dashboard.",
            param="allowed_payment_method_types",
        )
    return offered


def portal_configuration(store: Store) -> Doc:
    """What donors can do in the billing portal."""
    features = setting(store, "portal", {})
    return {
        "id": "bpc_sandbox",
        "object": "billing_portal.configuration",
        "active": features.get("active", True),
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": 1_700_000_000,
        "default_return_url": None,
        "features": {
            "customer_update": {"allowed_updates": ["email"], "enabled": features.get("customer_update", False)},
            "invoice_history": {"enabled": features.get("invoice_history", True)},
            "payment_method_update": {"enabled": features.get("payment_method_update", True), "payment_method_configuration": None},
            "subscription_cancel": {
                "cancellation_reason": {"enabled": False, "feedback_options": None, "options": []},
                "enabled": features.get("subscription_cancel", True),
                "mode": features.get("mode", "at_period_end"),
                "proration_behavior": "none",
            },
            "subscription_pause": {
                "duration": {"interval_options": [], "type": "indefinite"},
                "enabled": features.get("subscription_pause", False),
            },
            "subscription_update": {
                "billing_cycle_anchor": None,
                "default_allowed_updates": [],
                "enabled": features.get("subscription_update", False),
                "products": [],
                "proration_behavior": "none",
                "schedule_at_period_end": {"conditions": []},
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": True,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": 1_700_000_000,
    }


def account_object() -> Doc:
    """The account itself."""
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "charges_enabled": True,
        "country": "CA",
        "default_currency": "cad",
        "details_submitted": True,
        "email": "sandbox@example.org",
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }


def check_permission(store: Store, *, key: str, method: str, resource: str) -> None:
    """Raises ApiError with the status 403 when the key lacks the permission for the resource, which is a path such as `/refunds`."""
    granted = setting(store, "permissions", {}).get(resource, "write")
    needed = "read" if method == "GET" else "write"
    if ACCESS.index(granted) < ACCESS.index(needed):
        name = PERMISSION_NAMES.get(resource, resource.strip("/").replace("/", "_").removesuffix("s"))
        raise ApiError(
            f"The provided key '{masked(key)}' does not have the required permissions for this endpoint on account '{ACCOUNT_ID}'."
            f" Having the 'rak_{name}_{needed}' permission would allow this request to continue.",
            status=403,
        )


def masked(key: str) -> str:
    """The key as Stripe shows it in messages."""
    return f"{key[:8]}{'*' * max(4, len(key) - 12)}{key[-4:]}"
