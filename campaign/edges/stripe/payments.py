"""Stripe's checkouts, payments, refunds, disputes and events. Plain values in and out.

Calls that create an object have an idempotency key, so that a retry creates nothing twice. Each call raises StripeUnavailable or
StripeRefused (client.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import stripe
from stripe.params.checkout import (
    SessionCreateParams,
    SessionCreateParamsLineItem,
    SessionCreateParamsLineItemPriceData,
    SessionCreateParamsPaymentMethodOptionsAcssDebit,
)

from campaign.edges.stripe.client import StripeRefused, Urllib3Client, make_client, translated_errors
from campaign.edges.stripe.reversals import StripeReversal, reversal_from
from campaign.edges.stripe.subscriptions import PART, Part, first_donation_of

API_VERSION = stripe.api_version
# Stripe wants 30 minutes at least, by its own clock: ours may be a minute slow, and the request may be half a minute old.
CHECKOUT_MINUTES = 32
# Stripe lists events of at most so many types in one call.
MAX_EVENT_TYPES = 20
CREATE_TIMEOUTS = (2.0, 5.0)
READ_TIMEOUTS = (2.0, 3.0)
# A bank debit is authorized for one payment of a person.
BANK_DEBIT: SessionCreateParamsPaymentMethodOptionsAcssDebit = {
    "mandate_options": {"payment_schedule": "sporadic", "transaction_type": "personal"}
}
# The metadata key of a refund that contains the key of our refund request.
REFUND_REQUEST = "request"
CARD = "card"
# Payment methods whose charge is submitted to a bank, and succeeds or fails days later.
BANK_DEBITS = {"acss_debit", "au_becs_debit", "bacs_debit", "nz_bank_account", "sepa_debit", "us_bank_account"}


@dataclass(frozen=True, kw_only=True)
class CheckoutLine:
    """One line on Stripe's checkout page, and which part of the donation it pays for."""

    name: str
    cents: int
    part: Part


@dataclass(frozen=True, kw_only=True)
class CheckoutRequest:
    """The parameters of a new checkout. `attempt_key` is the idempotency key; `donation` a public id."""

    donation: str
    attempt_key: str
    currency: str
    lines: Sequence[CheckoutLine]
    email: str
    language: str
    return_url: str
    cancel_url: str
    description: str
    expires_at: datetime
    takes_bank_debits: bool
    is_monthly: bool = False


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A Checkout Session as fetched. `status` is open, complete or expired; `payment_status` is paid, unpaid or no_payment_required.

    The session of a recurring donation has no `payment_intent`, but the `invoice` of the first instalment.
    """

    id: str
    url: str | None
    status: str
    payment_status: str
    payment_intent: str | None
    donation: str | None
    amount_cents: int
    currency: str
    livemode: bool
    invoice: str | None


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A payment intent. `charged_at` is when its latest charge was created, `is_debit` whether that is a bank debit."""

    id: str
    status: str
    charged_at: datetime | None
    is_debit: bool = False


class StripePayments:
    """A client of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = make_client(secret_key, api_base, http=Urllib3Client(CREATE_TIMEOUTS), retries=2)
        # A read can be repeated later: an unresponsive Stripe must not block the threads that serve other donors.
        self._quick_client = make_client(secret_key, api_base, http=Urllib3Client(READ_TIMEOUTS), retries=0)

    def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Create a Checkout Session to pay a donation. The same `attempt_key` always returns the same session.

        When Stripe refuses a session with bank debits, a session for cards alone is created.
        """
        try:
            return self._create_session(request)
        except StripeRefused:
            if not request.takes_bank_debits:
                raise
            return self._create_session(replace(request, takes_bank_debits=False, attempt_key=f"{request.attempt_key}:card"))

    def _create_session(self, request: CheckoutRequest) -> Checkout:
        with translated_errors():
            return _checkout(self._client.v1.checkout.sessions.create(_session_params(request), {"idempotency_key": request.attempt_key}))

    def expire_checkout(self, session_id: str) -> None:
        """Expire an open session, so that it can no longer be paid. Raises StripeRefused when it is not open."""
        with translated_errors():
            self._quick_client.v1.checkout.sessions.expire(session_id)

    def get_checkout(self, session_id: str) -> Checkout:
        """Fetch a Checkout Session."""
        with translated_errors():
            return _checkout(self._quick_client.v1.checkout.sessions.retrieve(session_id))

    def find_checkout_of(self, payment_intent_id: str) -> Checkout | None:
        """Fetch the Checkout Session that the payment is of; None for a payment of no checkout."""
        with translated_errors():
            found = self._quick_client.v1.checkout.sessions.list({"payment_intent": payment_intent_id, "limit": 1}).data
            return _checkout(found[0]) if found else None

    def get_payment(self, payment_intent_id: str) -> Payment:
        """Fetch a payment."""
        with translated_errors():
            intent = self._quick_client.v1.payment_intents.retrieve(payment_intent_id, {"expand": ["latest_charge"]}).to_dict()
        charged_at, is_debit = charge_in(intent)
        return Payment(id=intent["id"], status=intent["status"], charged_at=charged_at, is_debit=is_debit)

    def find_donation_of_first_payment(self, payment_intent_id: str) -> str | None:
        """The donation that a monthly gift begins with whose first invoice this payment is for; None for any other payment."""
        with translated_errors():
            listed = self._quick_client.v1.invoice_payments.list(
                {"payment": {"type": "payment_intent", "payment_intent": payment_intent_id}, "limit": 1, "expand": ["data.invoice"]}
            )
            invoice = listed.data[0].to_dict().get("invoice") if listed.data else None
        return first_donation_of(invoice) if isinstance(invoice, dict) else None

    def list_successes(self, since: datetime) -> Iterator[tuple[str, datetime]]:
        """The payments that succeeded since the moment, and when, latest first, from Stripe's list of events of the last 30 days."""
        with translated_errors():
            listed = self._client.v1.events.list(
                {"created": {"gte": int(since.timestamp())}, "type": "payment_intent.succeeded", "limit": 100}
            )
            for event in listed.auto_paging_iter():
                yield str(event.to_dict()["data"]["object"].get("id")), datetime.fromtimestamp(event.created, UTC)

    def create_refund(self, payment_intent_id: str, cents: int, *, key: str) -> StripeReversal:
        """Refund a payment in part or in full. The same key always returns the same refund."""
        with translated_errors():
            refund = self._client.v1.refunds.create(
                {"payment_intent": payment_intent_id, "amount": cents, "metadata": {REFUND_REQUEST: key}}, {"idempotency_key": key}
            )
            return reversal_from(refund)

    def find_refund(self, payment_intent_id: str, key: str) -> StripeReversal | None:
        """Find the refund of the payment that was created with this key, however long ago."""
        with translated_errors():
            listed = self._client.v1.refunds.list({"payment_intent": payment_intent_id, "limit": 100})
            matching = (
                refund for refund in listed.auto_paging_iter() if (refund.to_dict().get("metadata") or {}).get(REFUND_REQUEST) == key
            )
            return next((reversal_from(refund) for refund in matching), None)

    def list_refunds(self, payment_intent_id: str) -> list[StripeReversal]:
        """Fetch all refunds of a payment."""
        with translated_errors():
            listed = self._quick_client.v1.refunds.list({"payment_intent": payment_intent_id, "limit": 100})
            return [reversal_from(refund) for refund in listed.auto_paging_iter()]

    def get_refund(self, refund_id: str) -> StripeReversal:
        """Fetch a refund."""
        with translated_errors():
            return reversal_from(self._quick_client.v1.refunds.retrieve(refund_id))

    def get_dispute(self, dispute_id: str) -> StripeReversal:
        """Fetch a dispute."""
        with translated_errors():
            return reversal_from(self._quick_client.v1.disputes.retrieve(dispute_id))

    def list_events(self, moment: datetime, types: Sequence[str]) -> list[dict[str, Any]]:
        """Stripe's list of events of these types, any number of them, created at or after the moment, oldest first."""
        events: list[dict[str, Any]] = []
        with translated_errors():
            for start in range(0, len(types), MAX_EVENT_TYPES):
                some = list(types[start : start + MAX_EVENT_TYPES])
                listed = self._client.v1.events.list({"created": {"gte": int(moment.timestamp())}, "types": some, "limit": 100})
                events += reversed([event.to_dict() for event in listed.auto_paging_iter()])
        return sorted(events, key=itemgetter("created"))


def _session_params(request: CheckoutRequest) -> SessionCreateParams:
    metadata = {"donation": request.donation}
    params: SessionCreateParams = {
        "client_reference_id": request.donation,
        "customer_email": request.email,
        "locale": "fr-CA" if request.language == "fr" else "en",
        "success_url": request.return_url,
        "cancel_url": request.cancel_url,
        "expires_at": int(request.expires_at.timestamp()),
        "allowed_payment_method_types": ["card"],
        "adaptive_pricing": {"enabled": False},
        "line_items": [_line_item(line, request) for line in request.lines],
        "metadata": metadata,
    }
    if request.is_monthly:  # By card alone: recurring bank debits need another kind of mandate.
        params |= {"mode": "subscription", "subscription_data": {"metadata": metadata, "description": request.description}}
        return params
    params |= {
        "mode": "payment",
        "submit_type": "donate",
        "payment_intent_data": {"metadata": metadata, "description": request.description},
    }
    if request.takes_bank_debits:
        params |= {"allowed_payment_method_types": ["card", "acss_debit"], "payment_method_options": {"acss_debit": BANK_DEBIT}}
    return params


def _line_item(line: CheckoutLine, request: CheckoutRequest) -> SessionCreateParamsLineItem:
    price: SessionCreateParamsLineItemPriceData = {
        "currency": request.currency.lower(),
        "unit_amount": line.cents,
        "product_data": {"name": line.name},
    }
    if not request.is_monthly:
        return {"quantity": 1, "price_data": price}
    # The invoices of later months name the product of each line: its metadata tells the gift from the covered fee.
    metadata = {PART: line.part.value}
    price |= {"recurring": {"interval": "month"}, "product_data": {"name": line.name, "metadata": metadata}}
    return {"quantity": 1, "price_data": price, "metadata": metadata}


def charge_in(intent: dict[str, Any]) -> tuple[datetime | None, bool]:
    """When the latest charge of a payment intent was created, and whether it is a bank debit; None and False unless it is expanded."""
    charge = intent.get("latest_charge")
    if not isinstance(charge, dict):
        return None, False
    method = (charge.get("payment_method_details") or {}).get("type")
    return (datetime.fromtimestamp(charge["created"], UTC) if charge.get("created") else None), method in BANK_DEBITS


def failed_charge_in(intent: dict[str, Any]) -> tuple[Any, str, Any]:
    """The failed charge of a payment intent, the type of its payment method, and why it failed; None, empty and None where it does not say."""
    error, methods = intent.get("last_payment_error"), intent.get("payment_method_types")
    if not isinstance(error, dict):
        return None, "", None
    method = error.get("payment_method")
    known = method.get("type") if isinstance(method, dict) else error.get("payment_method_type")
    only = methods[0] if isinstance(methods, list) and len(methods) == 1 else ""
    return error.get("charge"), str(known or only), error.get("decline_code") or error.get("code")


def _checkout(session: stripe.checkout.Session) -> Checkout:
    data = session.to_dict()
    intent = data.get("payment_intent")
    return Checkout(
        id=data["id"],
        url=data.get("url"),
        status=data.get("status") or "open",
        payment_status=data.get("payment_status") or "unpaid",
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        donation=(data.get("metadata") or {}).get("donation") or data.get("client_reference_id"),
        amount_cents=data.get("amount_total") or 0,
        currency=(data.get("currency") or "").upper(),
        livemode=bool(data.get("livemode")),
        invoice=_id_of(data.get("invoice")),
    )


def _id_of(value: Any) -> str | None:
    stripe_id = value.get("id") if isinstance(value, dict) else value
    return str(stripe_id) if stripe_id else None
