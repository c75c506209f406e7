"""Event delivery to the webhook as Stripe does it: signed, and retried with increasing delays until the webhook accepts the event."""

import hashlib
import hmac
import json
import threading
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from campaign.devstack.sandbox import clock
from campaign.devstack.sandbox.account_setup import is_sent, webhook_endpoint
from campaign.devstack.sandbox.aftermath import apply_due_refund_changes
from campaign.devstack.sandbox.store import Doc, Store
from campaign.devstack.sandbox.stripe_account import Account
from campaign.devstack.sandbox.subscriptions import renew_due

MAX_ATTEMPTS = 16
MAX_DELAY_SECONDS = 3600.0
RESPONSE_TIMEOUT_SECONDS = 10


def signature_header(body: bytes, secret: str, *, at: int) -> str:
    """The Stripe-Signature header of a body signed at `at` (seconds since 1970)."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


class EventSender:
    """A thread that sends due events while delivery is on, and applies the changes that happen with time."""

    def __init__(self, store: Store, account: Account, *, webhook: str, secret: str) -> None:
        self._store = store
        self._account = account
        self._webhook = webhook
        self._secret = secret
        self._round = 0

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="event-sender", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._round += 1
            if self._round % 20 == 1:
                self._account.expire_overdue()
                apply_due_refund_changes(self._account)
                renew_due(self._account)
            sent = self._send_due() if self._store.switch("delivery", "on") == "on" else 0
            if not sent:
                time.sleep(0.1)

    def _send_due(self) -> int:
        due = self._store.due_deliveries(50, order=self._store.switch("delivery_order", "oldest"))
        for event_id, attempts in due:
            for _ in range(int(self._store.switch("delivery_copies", "1"))):
                self._send(event_id, attempts)
        return len(due)

    def _send(self, event_id: str, attempts: int) -> None:
        event = self._store.get(event_id, "event")
        endpoint = webhook_endpoint(self._store, self._webhook)
        if event is None or endpoint is None:
            self._store.mark_delivered(event_id, last="no webhook address")
            return
        if not is_sent(endpoint, event["type"]):
            self._store.mark_delivered(event_id, last="not enabled for the webhook endpoint")
            return
        result, is_accepted = self._post(endpoint, event)
        if is_accepted or attempts + 1 >= MAX_ATTEMPTS:
            self._store.mark_delivered(event_id, last=result)
        else:
            self._store.retry_later(event_id, last=result, delay=min(MAX_DELAY_SECONDS, 0.5 * 2**attempts))

    def _post(self, endpoint: Doc, event: Doc) -> tuple[str, bool]:
        """Send an event as the API version of the endpoint has it."""
        body = json.dumps({**event, "api_version": endpoint["api_version"]}, indent=2, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature_header(body, self._secret, at=clock.request_time()),
        }
        try:
            with urlopen(Request(endpoint["url"], data=body, headers=headers), timeout=RESPONSE_TIMEOUT_SECONDS) as answer:
                return str(answer.status), True
        except HTTPError as error:
            return str(error.code), False
        except (URLError, OSError) as error:
            return type(error).__name__, False
