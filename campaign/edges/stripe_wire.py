"""The wire to Stripe: the library's client over urllib3, what its failures mean to us, and the signature of a webhook.

Every call has a timeout, and every failure becomes StripeAway or StripeRefused.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import stripe
import urllib3

stripe.enable_telemetry = False

SIGNATURE_SECONDS = 300
# Kept open to Stripe by one process, at least as many as it has threads.
CONNECTIONS = 32


class StripeAway(Exception):
    """Stripe did not answer, or not in a way that says what happened: the same may be asked again."""


class StripeRefused(Exception):
    """Stripe understood and said no: asking the same again will not help."""


class BadSignature(Exception):
    """The body is not signed by Stripe with one of our secrets, or not now."""


class Wire(stripe.HTTPClient):
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


def client_of(secret_key: str, api_base: str, *, seconds: tuple[float, float], retries: int) -> stripe.StripeClient:
    """A client of one account; `seconds` to connect and to answer."""
    return stripe.StripeClient(secret_key, base_addresses={"api": api_base}, max_network_retries=retries, http_client=Wire(seconds))


@contextmanager
def plain_errors() -> Iterator[None]:
    """Whatever Stripe's library raises becomes StripeAway or StripeRefused."""
    try:
        yield
    except stripe.StripeError as error:
        raise plainly(error) from error


def plainly(error: stripe.StripeError) -> Exception:
    """What a failure means to whoever asked.

    A 200 that cannot be read says nothing of what was done. A key that is refused is an operator's to mend: nothing may be given up for it.
    """
    status = error.http_status
    if status is None or not 400 <= status < 500 or status in {401, 403, 409, 429}:
        return StripeAway(f"{type(error).__name__} {status or ''}".strip())
    return StripeRefused(f"{type(error).__name__} {status}: {error.user_message or error}")


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
