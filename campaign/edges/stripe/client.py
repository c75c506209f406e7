"""The HTTP client for Stripe, the translation of its errors, and the verification of webhook signatures.

Every call has a timeout, and every failure becomes StripeUnavailable or StripeRefused.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import stripe
import urllib3

stripe.enable_telemetry = False

SIGNATURE_TOLERANCE_SECONDS = 300
# Connections in the pool of one process: at least as many as it has threads.
MAX_CONNECTIONS = 32


class StripeUnavailable(Exception):
    """Stripe did not respond, or its response does not tell the outcome. The request may be retried."""


class StripeKeyRefused(StripeUnavailable):
    """Stripe rejected the API key, or the key lacks a permission: no outage, but for an operator to mend. No work is given up for it."""

    def __init__(self, message: str, *, is_permission_missing: bool = False) -> None:
        super().__init__(message)
        self.is_permission_missing = is_permission_missing


class StripeRefused(Exception):
    """Stripe rejected the request; retrying it will not help. `code` and `parameter` are Stripe's, empty when it names none."""

    def __init__(self, message: str, *, code: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.code, self.parameter = code, parameter


class InvalidSignature(Exception):
    """The body is not signed with one of our secrets, or its timestamp is not within five minutes."""


class Urllib3Client(stripe.HTTPClient):
    """Calls urllib3 directly: through requests, as the library does by default, a call takes nearly twice the time."""

    name = "urllib3"

    def __init__(self, seconds: tuple[float, float]) -> None:
        super().__init__()
        self.clock_skew_seconds = 0.0  # By how much our clock was ahead of Stripe's at the last response.
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
        self._measure_clock_skew(response.headers.get("Date"))
        return response.data.decode("utf-8", "replace"), response.status, response.headers

    def _measure_clock_skew(self, date: str | None) -> None:
        try:
            self.clock_skew_seconds = time.time() - parsedate_to_datetime(date or "").timestamp()
        except ValueError:  # The header is absent or unreadable: nothing is known.
            self.clock_skew_seconds = 0.0

    def close(self) -> None:
        self._pool.clear()


def make_client(secret_key: str, api_base: str, *, http: Urllib3Client, retries: int) -> stripe.StripeClient:
    """Create a client for one account that calls Stripe through `http`."""
    return stripe.StripeClient(secret_key, base_addresses={"api": api_base}, max_network_retries=retries, http_client=http)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate errors of Stripe's library into StripeUnavailable or StripeRefused."""
    try:
        yield
    except stripe.StripeError as error:
        raise translate(error) from error


def translate(error: stripe.StripeError) -> Exception:
    """The StripeUnavailable, StripeKeyRefused or StripeRefused that an error of the library means.

    An unreadable 200 does not tell the outcome.
    """
    status, message = error.http_status, f"{type(error).__name__} {error.http_status or ''}".strip()
    if status in {401, 403}:
        return StripeKeyRefused(f"{message}: {error.user_message or error}", is_permission_missing=status == 403)
    if status is None or not 400 <= status < 500 or status in {409, 429}:
        return StripeUnavailable(message)
    return StripeRefused(f"{message}: {error.user_message or error}", code=error.code or "", parameter=getattr(error, "param", None) or "")


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
