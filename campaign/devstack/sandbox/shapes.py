"""Stripe's objects in their full shape: every field that Stripe's API of this version sends, most of them null."""

import secrets
import string
from typing import Any

from campaign.devstack.sandbox import clock

Doc = dict[str, Any]

API_VERSION = "2026-10-28.endive"
_ALPHABET = string.ascii_letters + string.digits
NO_ADDRESS: Doc = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def new_id(prefix: str) -> str:
    """A random id as Stripe forms it, with a prefix."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(24))


def null_fields(names: str) -> Doc:
    """Fields that Stripe sends as null, from their names separated by spaces."""
    return dict.fromkeys(names.split())


def base_fields(kind: str, object_id: str) -> Doc:
    """The fields that every object has."""
    return {"id": object_id, "object": kind, "created": clock.now(), "livemode": False}


def checkout_session(*, url: str, session_id: str, amount: int, currency: str, expires_at: int, **fields: Any) -> Doc:
    """An open Checkout Session in payment mode."""
    return {
        **base_fields("checkout.session", session_id),
        **null_fields(
            "after_expiration allow_promotion_codes billing_address_collection cancel_url client_reference_id client_secret collected_information"
            " consent consent_collection currency_conversion customer customer_account customer_creation customer_details customer_email"
            " integration_identifier invoice invoice_creation locale origin_context payment_intent payment_link"
            " payment_method_configuration_details permissions recovered_from setup_intent"
            " shipping_address_collection shipping_cost submit_type subscription success_url wallet_options"
        ),
        "adaptive_pricing": {"enabled": False},
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "currency": currency,
        "custom_fields": [],
        "custom_text": null_fields("after_submit shipping_address submit terms_of_service_acceptance"),
        "discounts": [],
        "expires_at": expires_at,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "mode": "payment",
        "payment_method_collection": "if_required",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": None,
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": url,
        **fields,
    }


def line_item(*, description: str, amount: int, quantity: int, currency: str, price: Doc) -> Doc:
    """One line of a checkout."""
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount * quantity,
        "amount_tax": 0,
        "amount_total": amount * quantity,
        "currency": currency,
        "description": description,
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }


def payment_intent(*, amount: int, currency: str, **fields: Any) -> Doc:
    """A payment intent that has no payment method yet."""
    intent_id = new_id("pi")
    return {
        **base_fields("payment_intent", intent_id),
        **null_fields(
            "application application_fee_amount canceled_at cancellation_reason customer customer_account description"
            " excluded_payment_method_types last_payment_error latest_charge next_action on_behalf_of payment_method"
            " payment_method_configuration_details processing receipt_email review setup_future_usage shipping source"
            " statement_descriptor statement_descriptor_suffix transfer_data transfer_group"
        ),
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "automatic_payment_methods": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_{secrets.token_hex(12)}",
        "confirmation_method": "automatic",
        "currency": currency,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        **fields,
    }


def charge(*, amount: int, currency: str, card: Doc, **fields: Any) -> Doc:
    """A charge that succeeded."""
    charge_id = new_id("ch")
    return {
        **base_fields("charge", charge_id),
        **null_fields(
            "application application_fee application_fee_amount balance_transaction calculated_statement_descriptor customer description"
            " failure_balance_transaction failure_code failure_message on_behalf_of payment_intent payment_method receipt_email"
            " receipt_number receipt_url review shipping source source_transfer statement_descriptor statement_descriptor_suffix"
            " transfer_data transfer_group"
        ),
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "billing_details": {"address": dict(NO_ADDRESS), "email": None, "name": None, "phone": None, "tax_id": None},
        "captured": True,
        "currency": currency,
        "disputed": False,
        "fraud_details": {},
        "metadata": {},
        "outcome": {
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "network_status": "approved_by_network",
            "reason": None,
            "risk_level": "normal",
            "seller_message": "Payment complete.",
            "type": "authorized",
        },
        "paid": True,
        "payment_method_details": {"card": card, "type": "card"},
        "refunded": False,
        "status": "succeeded",
        **fields,
    }


def card_details(number: str) -> Doc:
    """The details that Stripe reports of a card."""
    brand = "mastercard" if number.startswith("5") else "amex" if number.startswith("37") else "visa"
    return {
        "brand": brand,
        "country": "CA",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": "Xt5EWLLDS7FJjR1c",
        "funding": "credit",
        "last4": number[-4:],
        "network": brand,
        "three_d_secure": None,
        "wallet": None,
    }


def event(*, kind: str, subject: Doc, previous: Doc | None, key: str | None) -> Doc:
    """An event about an object; `previous` has the former values of what changed in it."""
    data: Doc = {"object": subject}
    if previous:
        data["previous_attributes"] = previous
    return {
        **base_fields("event", new_id("evt")),
        "api_version": API_VERSION,
        "data": data,
        "pending_webhooks": 1,
        "request": {"id": new_id("req"), "idempotency_key": key},
        "type": kind,
    }


def customer(**fields: Any) -> Doc:
    """A customer."""
    return {
        **base_fields("customer", new_id("cus")),
        **null_fields("address currency customer_account default_source description discount email name phone shipping test_clock"),
        "balance": 0,
        "delinquent": False,
        "invoice_prefix": secrets.token_hex(4).upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
        "metadata": {},
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
        **fields,
    }


def product(**fields: Any) -> Doc:
    """A product."""
    base = base_fields("product", new_id("prod"))
    return {
        **base,
        **null_fields("default_price description package_dimensions shippable statement_descriptor tax_code unit_label url"),
        "active": True,
        "images": [],
        "marketing_features": [],
        "metadata": {},
        "name": "",
        "type": "service",
        "updated": base["created"],
        **fields,
    }


def price(*, product_id: str, unit_amount: int, currency: str, **fields: Any) -> Doc:
    """A one-time price of a product."""
    return {
        **base_fields("price", new_id("price")),
        **null_fields("custom_unit_amount lookup_key nickname recurring tiers_mode transform_quantity"),
        "active": True,
        "billing_scheme": "per_unit",
        "currency": currency,
        "metadata": {},
        "product": product_id,
        "tax_behavior": "unspecified",
        "type": "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
        **fields,
    }


def payment_method(*, card: Doc, **fields: Any) -> Doc:
    """A card as a payment method."""
    known = {
        k: v for k, v in card.items() if k in {"brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet"}
    }
    details = {
        **known,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "display_brand": card["brand"],
        "generated_from": None,
        "networks": {"available": [card["brand"]], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
    }
    return _payment_method("card", details, **fields)


def debit_method(account: Doc) -> Doc:
    """A bank account as a payment method."""
    return _payment_method("acss_debit", {**null_fields("fingerprint institution_number transit_number"), **account})


def _payment_method(kind: str, details: Doc, **fields: Any) -> Doc:
    return {
        **base_fields("payment_method", new_id("pm")),
        "allow_redisplay": "unspecified",
        "billing_details": {"address": dict(NO_ADDRESS), "email": None, "name": None, "phone": None, "tax_id": None},
        kind: details,
        "customer": None,
        "customer_account": None,
        "metadata": {},
        "type": kind,
        **fields,
    }


def payment_error(error: Doc, *, charge: str, payment_method: Doc) -> Doc:
    """The error of a payment intent whose last charge failed."""
    return {
        **null_fields("advice_code network_advice_code network_decline_code"),
        **error,
        "charge": charge,
        "doc_url": f"https://docs.stripe.com/error-codes/{str(error['code']).replace('_', '-')}",
        "payment_method": payment_method,
    }
