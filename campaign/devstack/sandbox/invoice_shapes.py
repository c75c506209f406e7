"""The shapes of invoices, their lines, their payments, and credit notes."""

import secrets
from typing import Any

from campaign.devstack.sandbox.shapes import Doc, base_fields, new_id, null_fields

NULL_FIELDS = (
    "account_name account_tax_ids application automatically_finalizes_at custom_fields customer_account customer_address customer_name"
    " customer_phone customer_shipping default_payment_method default_source description due_date ending_balance footer from_invoice"
    " hosted_invoice_url invoice_pdf last_finalization_error latest_revision next_payment_attempt on_behalf_of receipt_number rendering"
    " shipping_cost shipping_details statement_descriptor test_clock total_pretax_credit_amounts total_taxes webhooks_delivered_at"
)


def invoice(*, subscription: Doc, reason: str, email: str | None, **fields: Any) -> Doc:
    """An open invoice for the current period of a subscription.

    Its lines are in the reverse order of the subscription's items: Stripe promises no order, and no reader may rely on one.
    """
    base = base_fields("invoice", new_id("in")) | {k: v for k, v in fields.items() if k == "created"}
    lines = [_line(subscription, item, base) for item in reversed(subscription["items"]["data"])]
    amount = sum(line["amount"] for line in lines)
    return {
        **base,
        **null_fields(NULL_FIELDS),
        **_constant_fields(),
        **_amounts(amount),
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "billing_reason": reason,
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "customer_email": email,
        "effective_at": base["created"],
        "lines": {"object": "list", "data": lines, "has_more": False, "url": f"/v1/invoices/{base['id']}/lines"},
        "metadata": {},
        "number": f"{secrets.token_hex(4).upper()}-0001",
        "parent": {
            "quote_details": None,
            "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
            "type": "subscription_details",
        },
        "period_end": base["created"],
        "period_start": base["created"],
        "status": "open",
        "status_transitions": {"finalized_at": base["created"], "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
        **fields,
    }


def _constant_fields() -> Doc:
    return {
        "account_country": "CA",
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None},
        "collection_method": "charge_automatically",
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "total_discount_amounts": [],
    }


def _amounts(cents: int) -> Doc:
    """The sums of an invoice of which nothing is paid yet."""
    of_invoice = ("amount_due", "amount_remaining", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax")
    zero = [
        "amount_overpaid",
        "amount_paid",
        "amount_shipping",
        "post_payment_credit_notes_amount",
        "pre_payment_credit_notes_amount",
        "starting_balance",
    ]
    return dict.fromkeys(of_invoice, cents) | dict.fromkeys(zero, 0)


def _line(subscription: Doc, item: Doc, invoice_base: Doc) -> Doc:
    price = item["price"]
    amount = price["unit_amount"] * item["quantity"]
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": f"{item['quantity']} × {price['nickname'] or 'Product'}",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice_base["id"],
        "livemode": False,
        # Stripe documents that the line of a subscription reflects the metadata of the subscription, not that of its item.
        "metadata": subscription["metadata"],
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": None,
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"end": item["current_period_end"], "start": item["current_period_start"]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def invoice_payment(*, invoice: Doc, payment: Doc, amount: int, is_default: bool, created: int) -> Doc:
    """An open payment of an invoice. `payment` is its type with the id of the payment intent, payment record or charge."""
    return {
        **base_fields("invoice_payment", new_id("inpay")),
        "amount_paid": None,
        "amount_requested": amount,
        "created": created,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": is_default,
        "payment": payment,
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def payment_record(*, amount: int, currency: str, customer: str, paid_at: int) -> Doc:
    """A payment that was received outside Stripe, such as a cheque."""
    sum_, nothing = {"currency": currency, "value": amount}, {"currency": currency, "value": 0}
    return {
        **base_fields("payment_record", new_id("pr")),
        "amount": sum_,
        "amount_authorized": sum_,
        "amount_canceled": nothing,
        "amount_failed": nothing,
        "amount_guaranteed": sum_,
        "amount_refunded": nothing,
        "amount_requested": sum_,
        "application": None,
        "created": paid_at,
        "customer_details": {"customer": customer, "email": None, "name": None, "phone": None},
        "customer_presence": None,
        "description": None,
        "latest_payment_attempt_record": None,
        "metadata": {},
        "payment_method_details": {"custom": {"display_name": "Cheque", "type": None}, "payment_method": None, "type": "custom"},
        "processor_details": {"custom": {"payment_reference": "cheque 123"}, "type": "custom"},
        "reported_by": "self",
        "shipping_details": None,
    }


def credit_note(*, invoice: Doc, amount: int, kind: str) -> Doc:
    """A credit note for a part of an invoice; `kind` is pre_payment or post_payment."""
    base = base_fields("credit_note", new_id("cn"))
    line = {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "livemode": base["livemode"],
        **null_fields("invoice_line_item taxes"),
        "amount": amount,
        "description": "Credit",
        "discount_amount": 0,
        "discount_amounts": [],
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "type": "custom_line_item",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    return {
        **base,
        **null_fields("customer_account customer_balance_transaction memo reason shipping_cost total_taxes voided_at"),
        "amount": amount,
        "amount_shipping": 0,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": base["created"],
        "invoice": invoice["id"],
        "lines": {"object": "list", "data": [line], "has_more": False, "url": f"/v1/credit_notes/{base['id']}/lines"},
        "metadata": {},
        "number": f"{invoice['number']}-CN-01",
        "out_of_band_amount": amount if kind == "post_payment" else None,
        "pdf": f"https://pay.stripe.com/credit_notes/{base['id']}/pdf",
        "post_payment_amount": amount if kind == "post_payment" else 0,
        "pre_payment_amount": amount if kind == "pre_payment" else 0,
        "pretax_credit_amounts": [],
        "refunds": [],
        "status": "issued",
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_excluding_tax": amount,
        "type": kind,
    }
