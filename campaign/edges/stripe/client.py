"""The HTTP client for Stripe, the translation of its errors, and the verification of webhook signatures.

Every call has a timeout, and every failure becomes StripeUnavailable or StripeRefused.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import stripe
import urllib3

stripe.enable_telemetry = False

SIGNATURE_TOLERANCE_SECONDS = 300
# Connections in the pool of one process: at least as many as it has threads.
MAX_CONNECTIONS = 32


class StripeUnavailable(Exception):
    """Stripe did not respond, or its response does not tell the outcome. The request may be retried."""


class StripeRefused(Exception):
    """Stripe rejected the request. Retrying it will not help."""


class InvalidSignature(Exception):
    """The body is not signed with one of our secrets, or its timestamp is not within five minutes."""


class Urllib3Client(stripe.HTTPClient):
    """Calls urllib3 directly: through requests, as the library does by default, a call takes nearly twice the time."""

    name = "urllib3"

    def __init__(self, seconds: tuple[float, float]) -> None:
        super().__init__()
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=MAX_CONNECTIONS,
            timeout=urllib3.Timeout(connect=seconds[0], read=seconds[1]),
            retries=False,
            ca_certs=stripe.ca_bundle_path,
        )

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: list[str] | None = None
    ) -> tuple[str, int, Mapping[str, str]]:
        try:
            response = self._pool.request(method.upper(), url, body=post_data, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            may_retry = not isinstance(error, urllib3.exceptions.SSLError)
            raise stripe.APIConnectionError(f"no response: {type(error).__name__}", should_retry=may_retry) from error  # type: ignore[no-untyped-call]
        return response.data.decode("utf-8", "replace"), response.status, response.headers

    def close(self) -> None:
        self._pool.clear()


def make_client(secret_key: str, api_base: str, *, seconds: tuple[float, float], retries: int) -> stripe.StripeClient:
    """Create a client for one account; `seconds` are the timeouts to connect and to read."""
    return stripe.StripeClient(
        secret_key, base_addresses={"api": api_base}, max_network_retries=retries, http_client=Urllib3Client(seconds)
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate errors of Stripe's library into StripeUnavailable or StripeRefused."""
    try:
        yield
    except stripe.StripeError as error:
        raise translate(error) from error


def translate(error: stripe.StripeError) -> Exception:
    """The StripeUnavailable or StripeRefused that an error of the library means.

    An unreadable 200 does not tell the outcome. A rejected API key (401, 403) is for an operator to fix, so no work may be given up for it.
    """
    status = error.http_status
    if status is None or not 400 <= status < 500 or status in {401, 403, 409, 429}:
        return StripeUnavailable(f"{type(error).__name__} {status or ''}".strip())
    return StripeRefused(f"{type(error).__name__} {status}: {error.user_message or error}")


def verify_signature(body: bytes, header: str | None, secrets: Sequence[str], *, now: float | None = None) -> None:
    """Raises InvalidSignature unless one of the secrets signed the body within five minutes of now, before or after.

    The library raises TypeError for a signature with characters outside ASCII and accepts timestamps in the future; both are refused here.
    The header's first timestamp counts, as it is the one that the library verifies: a second one must not make an old body valid.
    """
    current = time.time() if now is None else now
    for secret in secrets:
        try:
            stripe.WebhookSignature.verify_header(body, header, secret)
            timestamp = next(int(part[2:]) for part in (header or "").split(",") if part.startswith("t="))
        except Exception:
            continue
        if abs(current - timestamp) <= SIGNATURE_TOLERANCE_SECONDS:
            return
    raise InvalidSignature
