"""Stripe: opening and reading checkouts, reading events, checking a webhook's signature. Plain values in and out.

Every call has a timeout and an idempotency key where it makes something; every failure becomes StripeAway or StripeRefused.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import stripe
import urllib3

stripe.enable_telemetry = False

API_VERSION = stripe.api_version
CHECKOUT_MINUTES = 31
TO_OPEN_SECONDS = (2.0, 5.0)
TO_LOOK_SECONDS = (2.0, 3.0)
SIGNATURE_SECONDS = 300
# Kept open to Stripe by one process, at least as many as it has threads.
CONNECTIONS = 32
# Where a refund at Stripe keeps the name of our request for it.
REQUEST = "request"


class StripeAway(Exception):
    """Stripe did not answer, or not in a way that says what happened: the same may be asked again."""


class StripeRefused(Exception):
    """Stripe understood and said no: asking the same again will not help."""


class BadSignature(Exception):
    """The body is not signed by Stripe with one of our secrets, or not now."""


@dataclass(frozen=True, kw_only=True)
class CheckoutLine:
    """One line of what the donor sees at Stripe."""

    name: str
    cents: int


@dataclass(frozen=True, kw_only=True)
class CheckoutOrder:
    """What a checkout is opened for. `attempt_key` makes asking twice harmless."""

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


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A Checkout Session as Stripe has it now. `status` is open, complete or expired; `payment_status` paid, unpaid or no_payment_required."""

    id: str
    url: str | None
    status: str
    payment_status: str
    payment_intent: str | None
    donation: str | None
    amount_cents: int
    currency: str
    livemode: bool


@dataclass(frozen=True, kw_only=True)
class Payment:
    """A payment intent with what Stripe kept of it. `fee_cents` is None while Stripe does not know it yet."""

    id: str
    status: str
    paid_at: int | None
    fee_cents: int | None


@dataclass(frozen=True, kw_only=True)
class MadeRefund:
    """A refund as Stripe has it now: `status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    status: str
    cents: int


class StripeApi:
    """A client of one Stripe account."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._client = _client(secret_key, api_base, seconds=TO_OPEN_SECONDS, retries=2)
        # Looking can wait for the next look: a silent Stripe must not hold the threads that serve other donors.
        self._glance = _client(secret_key, api_base, seconds=TO_LOOK_SECONDS, retries=0)

    def open_checkout(self, order: CheckoutOrder) -> Checkout:
        """A Checkout Session to pay a donation; with the same `attempt_key` always the same one."""
        metadata = {"donation": order.donation}
        locale: Literal["fr-CA", "en"] = "fr-CA" if order.language == "fr" else "en"
        try:
            session = self._client.v1.checkout.sessions.create(
                {
                    "mode": "payment",
                    "submit_type": "donate",
                    "client_reference_id": order.donation,
                    "customer_email": order.email,
                    "locale": locale,
                    "success_url": order.return_url,
                    "cancel_url": order.cancel_url,
                    "expires_at": int(order.expires_at.timestamp()),
                    "allowed_payment_method_types": ["card"],
                    "adaptive_pricing": {"enabled": False},
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": order.currency.lower(),
                                "unit_amount": line.cents,
                                "product_data": {"name": line.name},
                            },
                        }
                        for line in order.lines
                    ],
                    "metadata": metadata,
                    "payment_intent_data": {"metadata": metadata, "description": order.description},
                },
                {"idempotency_key": order.attempt_key},
            )
        except stripe.StripeError as error:
            raise _plainly(error) from error
        return _checkout(session)

    def expire_checkout(self, session_id: str) -> None:
        """End an open session, so that it cannot be paid any more; StripeRefused when it is not open."""
        try:
            self._glance.v1.checkout.sessions.expire(session_id)
        except stripe.StripeError as error:
            raise _plainly(error) from error

    def checkout(self, session_id: str) -> Checkout:
        """The session as it is now."""
        try:
            return _checkout(self._glance.v1.checkout.sessions.retrieve(session_id))
        except stripe.StripeError as error:
            raise _plainly(error) from error

    def payment(self, payment_intent_id: str) -> Payment:
        """The payment as it is now, with Stripe's fee."""
        try:
            intent = self._glance.v1.payment_intents.retrieve(
                payment_intent_id, {"expand": ["latest_charge.balance_transaction"]}
            ).to_dict()
        except stripe.StripeError as error:
            raise _plainly(error) from error
        charge = intent.get("latest_charge")
        settled = charge.get("balance_transaction") if isinstance(charge, dict) else None
        return Payment(
            id=intent["id"],
            status=intent["status"],
            paid_at=charge.get("created") if isinstance(charge, dict) else None,
            fee_cents=settled.get("fee") if isinstance(settled, dict) else None,
        )

    def refund(self, payment_intent_id: str, cents: int, *, key: str) -> MadeRefund:
        """Give back part or all of a payment; asked again with the same key, it is the same refund."""
        try:
            made = self._client.v1.refunds.create(
                {"payment_intent": payment_intent_id, "amount": cents, "metadata": {REQUEST: key}}, {"idempotency_key": key}
            )
        except stripe.StripeError as error:
            raise _plainly(error) from error
        return _refund(made.to_dict())

    def refund_made_for(self, payment_intent_id: str, key: str) -> MadeRefund | None:
        """The refund of the payment that was made under this key, however long ago."""
        try:
            listed = self._client.v1.refunds.list({"payment_intent": payment_intent_id, "limit": 100})
            for one in listed.auto_paging_iter():
                found = one.to_dict()
                if (found.get("metadata") or {}).get(REQUEST) == key:
                    return _refund(found)
        except stripe.StripeError as error:
            raise _plainly(error) from error
        return None

    def events_since(self, moment: datetime, types: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Stripe's own list of events made at or after the moment, newest first."""
        try:
            listed = self._client.v1.events.list({"created": {"gte": int(moment.timestamp())}, "types": list(types), "limit": 100})
            for event in listed.auto_paging_iter():
                yield event.to_dict()
        except stripe.StripeError as error:
            raise _plainly(error) from error


def _refund(found: dict[str, Any]) -> MadeRefund:
    return MadeRefund(id=found["id"], status=str(found.get("status") or "pending"), cents=found["amount"])


class _Wire(stripe.HTTPClient):
    """urllib3 by itself, which the library otherwise reaches through requests at nearly twice the cost of a call."""

    name = "urllib3"

    def __init__(self, seconds: tuple[float, float]) -> None:
        super().__init__()
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=CONNECTIONS,
            timeout=urllib3.Timeout(connect=seconds[0], read=seconds[1]),
            retries=False,
            ca_certs=stripe.ca_bundle_path,
        )

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: list[str] | None = None
    ) -> tuple[str, int, Mapping[str, str]]:
        try:
            answer = self._pool.request(method.upper(), url, body=post_data, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            may_retry = not isinstance(error, urllib3.exceptions.SSLError)
            raise stripe.APIConnectionError(f"no answer: {type(error).__name__}", should_retry=may_retry) from error  # type: ignore[no-untyped-call]
        return answer.data.decode("utf-8", "replace"), answer.status, answer.headers

    def close(self) -> None:
        self._pool.clear()


def _client(secret_key: str, api_base: str, *, seconds: tuple[float, float], retries: int) -> stripe.StripeClient:
    return stripe.StripeClient(secret_key, base_addresses={"api": api_base}, max_network_retries=retries, http_client=_Wire(seconds))


def verify_signature(body: bytes, header: str | None, secrets: Sequence[str], *, now: float | None = None) -> None:
    """Raises BadSignature unless one of the secrets signed the body within five minutes of now, before or after.

    The library raises TypeError on a signature with letters outside ASCII and lets stamps from the future pass; both end here.
    The stamp is the header's first, as the library signs with that one: a second must not make an old body young again.
    """
    moment = time.time() if now is None else now
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret)
            stamp = next(int(part[2:]) for part in (header or "").split(",") if part.startswith("t="))
        except Exception:
            continue
        if abs(moment - stamp) <= SIGNATURE_SECONDS:
            return
    raise BadSignature


def _checkout(session: stripe.checkout.Session) -> Checkout:
    found = session.to_dict()
    intent = found.get("payment_intent")
    return Checkout(
        id=found["id"],
        url=found.get("url"),
        status=found.get("status") or "open",
        payment_status=found.get("payment_status") or "unpaid",
        payment_intent=intent["id"] if isinstance(intent, dict) else intent,
        donation=(found.get("metadata") or {}).get("donation") or found.get("client_reference_id"),
        amount_cents=found.get("amount_total") or 0,
        currency=(found.get("currency") or "").upper(),
        livemode=bool(found.get("livemode")),
    )


def _plainly(error: stripe.StripeError) -> Exception:
    status = error.http_status
    if status is None or not 400 <= status < 500 or status in {409, 429}:  # A 200 that cannot be read says nothing of what was done.
        return StripeAway(f"{type(error).__name__} {status or ''}".strip())
    return StripeRefused(f"{type(error).__name__} {status}: {error.user_message or error}")
