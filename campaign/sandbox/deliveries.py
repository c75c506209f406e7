"""Sending events to the webhook as Stripe does: signed, again and again until they are taken, never in a fixed hurry."""

import hashlib
import hmac
import json
import threading
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from campaign.sandbox.aftermath import change_what_is_due
from campaign.sandbox.store import Store
from campaign.sandbox.stripe_account import Account
from campaign.sandbox.subscriptions import renew_due

MOST_ATTEMPTS = 16
LONGEST_PAUSE_SECONDS = 3600.0
ANSWER_SECONDS = 10


def signature(body: bytes, secret: str, *, at: int) -> str:
    """The header that proves a body to be ours."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={mac}"


class Courier:
    """A thread that sends what is due while delivery is switched on."""

    def __init__(self, store: Store, account: Account, *, webhook: str, secret: str) -> None:
        self._store = store
        self._account = account
        self._webhook = webhook
        self._secret = secret
        self._round = 0

    def start(self) -> None:
        """Begin to send."""
        threading.Thread(target=self._run, name="courier", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._round += 1
            if self._round % 20 == 1:
                self._account.expire_ended()
                change_what_is_due(self._account)
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
        if event is None or not self._webhook:
            self._store.delivered(event_id, last="nowhere to send it")
            return
        said, taken = self._post(json.dumps(event, indent=2, ensure_ascii=False).encode())
        if taken or attempts + 1 >= MOST_ATTEMPTS:
            self._store.delivered(event_id, last=said)
        else:
            self._store.not_delivered(event_id, last=said, again_in=min(LONGEST_PAUSE_SECONDS, 0.5 * 2**attempts))

    def _post(self, body: bytes) -> tuple[str, bool]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, self._secret, at=int(time.time())),
        }
        try:
            with urlopen(Request(self._webhook, data=body, headers=headers), timeout=ANSWER_SECONDS) as answer:
                return str(answer.status), True
        except HTTPError as error:
            return str(error.code), False
        except (URLError, OSError) as error:
            return type(error).__name__, False
