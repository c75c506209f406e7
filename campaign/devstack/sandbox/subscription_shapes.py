"""The shapes of subscriptions, subscription items, invoices, invoice payments and billing portal sessions."""

from typing import Any

from campaign.devstack.sandbox.shapes import Doc, base_fields, new_id, null_fields


def subscription(*, customer: str, currency: str, items: list[Doc], metadata: Doc, description: str | None) -> Doc:
    """A subscription that starts now."""
    base = base_fields("subscription", new_id("sub"))
    return {
        **base,
        **null_fields(
            "application application_fee_percent billing_cycle_anchor_config billing_schedules billing_thresholds cancel_at canceled_at"
            " customer_account days_until_due default_payment_method default_source ended_at latest_invoice next_pending_invoice_item_invoice"
            " on_behalf_of pause_collection pending_invoice_item_interval pending_setup_intent pending_update schedule test_clock"
            " transfer_data trial_end trial_start"
        ),
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": base["created"],
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
        "items": {"object": "list", "data": items, "has_more": False, "url": "/v1/subscription_items"},
        "metadata": metadata,
        "payment_settings": null_fields("payment_method_options payment_method_types"),
        "start_date": base["created"],
        "status": "active",
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }


def item(*, price: Doc, quantity: int, period_start: int, period_end: int) -> Doc:
    """One item of a subscription, with its current period."""
    return {
        **base_fields("subscription_item", new_id("si")),
        "billing_thresholds": None,
        "current_period_end": period_end,
        "current_period_start": period_start,
        "discounts": [],
        "metadata": {},
        "price": price,
        "quantity": quantity,
        "tax_rates": [],
    }


def invoice(*, subscription: Doc, amount: int, reason: str, email: str | None, **fields: Any) -> Doc:
    """An open invoice for one period."""
    base = base_fields("invoice", new_id("in"))
    return {
        **base,
        **null_fields(
            "account_name account_tax_ids application custom_fields customer_account customer_address customer_name customer_phone"
            " customer_shipping default_payment_method default_source description due_date ending_balance footer from_invoice"
            " last_finalization_error latest_revision next_payment_attempt on_behalf_of receipt_number rendering shipping_cost"
            " shipping_details statement_descriptor test_clock webhooks_delivered_at"
        ),
        "amount_due": amount,
        "amount_paid": 0,
        "amount_remaining": amount,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "customer_email": email,
        "discounts": [],
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "lines": {"object": "list", "data": [], "has_more": False, "url": f"/v1/invoices/{base['id']}/lines"},
        "metadata": {},
        "number": None,
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
            "type": "subscription_details",
        },
        "period_end": base["created"],
        "period_start": base["created"],
        "status": "open",
        "status_transitions": {"finalized_at": base["created"], "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
        "subtotal": amount,
        "total": amount,
        **fields,
    }


def invoice_payment(*, invoice: Doc, intent: str, status: str) -> Doc:
    """A payment of an invoice."""
    return {
        **base_fields("invoice_payment", new_id("inpay")),
        "amount_paid": invoice["amount_due"] if status == "paid" else None,
        "amount_requested": invoice["amount_due"],
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": status,
        "status_transitions": {"canceled_at": None, "paid_at": invoice["created"] if status == "paid" else None},
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
