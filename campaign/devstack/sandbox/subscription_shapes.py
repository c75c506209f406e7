"""The shapes of subscriptions, subscription items and billing portal sessions."""

from campaign.devstack.sandbox.shapes import Doc, base_fields, new_id, null_fields


def subscription(*, customer: str, currency: str, metadata: Doc, description: str | None) -> Doc:
    """A subscription that starts now and has no items yet."""
    base = base_fields("subscription", new_id("sub"))
    return {
        **base,
        **null_fields(
            "application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at canceled_at"
            " customer_account days_until_due default_payment_method default_source ended_at latest_invoice next_pending_invoice_item_invoice"
            " on_behalf_of pause_collection pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock"
            " transfer_data trial_end trial_start"
        ),
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": base["created"],
        "billing_schedules": [],
        "billing_mode": {"type": "flexible"},
        "cancel_at_period_end": False,
        "cancellation_details": null_fields("comment feedback reason"),
        "collection_method": "charge_automatically",
        "currency": currency,
        "customer": customer,
        "default_tax_rates": [],
        "description": description,
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {"object": "list", "data": [], "has_more": False, "url": f"/v1/subscription_items?subscription={base['id']}"},
        "metadata": metadata,
        "managed_payments": {"enabled": False},
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "start_date": base["created"],
        "status": "active",
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }


def item(*, subscription: str, line: Doc, period_start: int, period_end: int) -> Doc:
    """One item of a subscription, made from a line of its checkout, with its current period."""
    base = base_fields("subscription_item", new_id("si"))
    del base["livemode"]
    return {
        **base,
        "billing_thresholds": None,
        "current_period_end": period_end,
        "current_period_start": period_start,
        "discounts": [],
        "metadata": line["metadata"],
        "price": line["price"],
        "quantity": line["quantity"],
        "subscription": subscription,
        "tax_rates": [],
    }


def portal_session(*, customer: str, return_url: str | None, url: str, session_id: str) -> Doc:
    """A billing portal session."""
    return {
        **base_fields("billing_portal.session", session_id),
        "configuration": "bpc_sandbox",
        "customer": customer,
        "customer_account": None,
        "flow": None,
        "locale": None,
        "on_behalf_of": None,
        "return_url": return_url,
        "url": url,
    }
