"""The Stripe sandbox behaves as Stripe does: for the Python library, for the Stripe CLI, and after a restart."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import stripe as library
from werkzeug.serving import make_server

from campaign.devstack.sandbox import shapes
from campaign.devstack.sandbox.__main__ import Quiet, stripe_app
from campaign.devstack.sandbox.account_setup import change_setting
from campaign.devstack.sandbox.answers import parse_params
from campaign.devstack.stack import free_port
from campaign.edges.stripe.client import verify_signature
from tests.patience import PATIENCE_SECONDS

SECRET = "whsec_sandbox"


class Listener:
    """A webhook that records the events it receives and responds with a status that the test sets."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                verify_signature(body, self.headers["Stripe-Signature"], [SECRET])
                outer.received.append(json.loads(body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.received]

    def wait_for(self, kind: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in self.received:
                if event["type"] == kind:
                    return event
            time.sleep(0.05)
        raise AssertionError(f"{kind} was not received, only {self.kinds()}")


@pytest.fixture
def listener() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.server.shutdown()
    running.server.server_close()


class Sandbox:
    """A running sandbox that can be stopped and started again with the same state."""

    def __init__(self, state: Path, webhook: str) -> None:
        self.state, self.webhook = state, webhook
        self.port = free_port(23000, taken=set())
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        app = stripe_app(self.state, address=self.url, webhook=self.webhook, secret=SECRET)
        self.store = app.extensions["account"].store
        self.server = make_server("127.0.0.1", self.port, app, threaded=True, request_handler=Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def client(self, key: str = "sk_test_of_the_tests") -> library.StripeClient:
        return library.StripeClient(key, base_addresses={"api": self.url})


@pytest.fixture
def sandbox(tmp_path: Path, listener: Listener) -> Iterator[Sandbox]:
    running = Sandbox(tmp_path / "state.db", listener.url)
    yield running
    running.stop()


def checkout_params(**changed: Any) -> Any:
    line = {"quantity": 1, "price_data": {"currency": "cad", "unit_amount": 100_00, "product_data": {"name": "Gift"}}}
    return {"mode": "payment", "line_items": [line], "success_url": "https://a.example/s", "metadata": {"donation": "d_1"}, **changed}


def pay(url: str | None, card: str) -> None:
    assert url
    try:
        urlopen(url, data=f"card={card}&expiry=12/34&cvc=123".encode()).close()
    except OSError:
        pass  # The success page does not exist, and a decline is a 402.


def test_a_checkout_is_created_read_listed_and_expired(sandbox: Sandbox, listener: Listener) -> None:
    sessions = sandbox.client().v1.checkout.sessions
    session = sessions.create(checkout_params(), {"idempotency_key": "one"})
    assert sessions.create(checkout_params(), {"idempotency_key": "one"}).id == session.id
    assert sessions.retrieve(session.id).status == "open"
    assert [s.id for s in sessions.list().data] == [session.id]
    assert (session.amount_total, session.currency, session.url) == (100_00, "cad", f"{sandbox.url}/c/pay/{session.id}")
    assert sessions.expire(session.id).status == "expired"
    assert listener.wait_for("checkout.session.expired")["data"]["object"]["metadata"] == {"donation": "d_1"}
    with pytest.raises(library.InvalidRequestError):
        sessions.expire(session.id)


def test_an_idempotency_key_reused_for_another_request_is_refused(sandbox: Sandbox) -> None:
    sessions = sandbox.client().v1.checkout.sessions
    sessions.create(checkout_params(), {"idempotency_key": "one"})
    with pytest.raises(library.IdempotencyError):
        sessions.create(checkout_params(metadata={"donation": "d_2"}), {"idempotency_key": "one"})


def test_a_payment_creates_the_events_and_the_fee_of_stripe_canada(sandbox: Sandbox, listener: Listener) -> None:
    client = sandbox.client()
    session = client.v1.checkout.sessions.create(checkout_params(payment_intent_data={"metadata": {"donation": "d_1"}}))
    pay(session.url, "4242424242424242")
    event = listener.wait_for("checkout.session.completed")
    assert (event["data"]["object"]["payment_status"], event["livemode"], event["api_version"]) == ("paid", False, shapes.API_VERSION)
    intent = client.v1.payment_intents.retrieve(
        event["data"]["object"]["payment_intent"], {"expand": ["latest_charge.balance_transaction"]}
    )
    assert intent.metadata.to_dict() == {"donation": "d_1"}
    charge: Any = intent.latest_charge
    transaction = charge.balance_transaction
    assert (transaction.fee, transaction.net) == (3_20, 96_80)
    assert {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"} <= set(listener.kinds())


@pytest.mark.parametrize("card", ["4000000000000002", "4000000000009995", "4000000000000069", "4111111111111111"])
def test_a_declined_card_leaves_the_checkout_open(sandbox: Sandbox, card: str) -> None:
    client = sandbox.client()
    session = client.v1.checkout.sessions.create(checkout_params())
    pay(session.url, card)
    again = client.v1.checkout.sessions.retrieve(session.id)
    assert (again.status, again.payment_status) == ("open", "unpaid")
    pay(session.url, "4242424242424242")
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_a_failed_webhook_is_sent_again_until_it_succeeds(sandbox: Sandbox, listener: Listener) -> None:
    listener.status = 503
    sandbox.client().v1.payment_intents.create({"amount": 500, "currency": "cad"})
    first = listener.wait_for("payment_intent.created")
    listener.status = 200
    deadline = time.monotonic() + PATIENCE_SECONDS
    while listener.kinds().count("payment_intent.created") < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [e["id"] for e in listener.received if e["type"] == "payment_intent.created"][:2] == [first["id"]] * 2


def test_webhooks_can_be_held_back_and_sent_later(sandbox: Sandbox, listener: Listener) -> None:
    sandbox.store.set_switch("delivery", "off")
    sandbox.client().v1.payment_intents.create({"amount": 500, "currency": "cad"})
    time.sleep(0.4)
    assert listener.received == []
    sandbox.store.set_switch("delivery", "on")
    listener.wait_for("payment_intent.created")


def test_only_enabled_events_are_sent_in_the_version_of_the_endpoint(sandbox: Sandbox, listener: Listener) -> None:
    change_setting(sandbox.store, "webhook_endpoint", {"enabled_events": ["charge.succeeded"], "api_version": "2020-08-27"})
    sandbox.client().v1.payment_intents.create({"amount": 500, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True})
    assert listener.wait_for("charge.succeeded")["api_version"] == "2020-08-27"
    time.sleep(0.4)
    assert listener.kinds() == ["charge.succeeded"]


def test_a_restart_loses_nothing(sandbox: Sandbox) -> None:
    session = sandbox.client().v1.checkout.sessions.create(checkout_params(), {"idempotency_key": "one"})
    sandbox.stop()
    sandbox.start()
    assert sandbox.client().v1.checkout.sessions.retrieve(session.id).amount_total == 100_00
    assert sandbox.client().v1.checkout.sessions.create(checkout_params(), {"idempotency_key": "one"}).id == session.id


@pytest.mark.parametrize("key", ["sk_live_0123456789abcdef", "rk_live_0123456789abcdef", "nonsense", "pk_test_0123456789"])
def test_live_and_unknown_keys_are_refused(sandbox: Sandbox, key: str) -> None:
    with pytest.raises((library.AuthenticationError, library.PermissionError)):
        sandbox.client(key).v1.checkout.sessions.list()


@pytest.mark.parametrize("sent", ["Bearer sk_test_of_the_tests", "Basic " + b64encode(b"sk_test_of_the_tests:").decode()])
def test_a_key_may_be_sent_as_a_bearer_token_or_by_basic_authentication(sandbox: Sandbox, sent: str) -> None:
    with urlopen(Request(f"{sandbox.url}/v1/events", headers={"Authorization": sent})) as answer:
        assert json.loads(answer.read())["object"] == "list"


def test_the_sandbox_does_not_start_with_a_live_key(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "campaign.devstack.sandbox", "stripe", "--port", "1", "--state", str(tmp_path / "x")],
        env={**os.environ, "STRIPE_SECRET_KEY": "sk_live_0123456789"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "live key" in result.stderr


@pytest.mark.parametrize(
    "invalid",
    [
        {"mode": "setup"},
        {"line_items": []},
        {"expires_at": 5},
        {"line_items": [{"price": "price_unknown"}]},
        {"line_items": [{"price_data": {"currency": "cad"}}]},
    ],
)
def test_an_invalid_request_raises_stripes_error_and_creates_no_session(sandbox: Sandbox, invalid: dict[str, Any]) -> None:
    with pytest.raises(library.InvalidRequestError):
        sandbox.client().v1.checkout.sessions.create(checkout_params(**invalid))
    assert sandbox.client().v1.checkout.sessions.list().data == []


def test_unknown_paths_and_objects_are_404(sandbox: Sandbox) -> None:
    client = sandbox.client()
    for call in (lambda: client.v1.payment_intents.retrieve("pi_none"), client.v1.coupons.list):
        with pytest.raises(library.InvalidRequestError) as found:
            call()
        assert found.value.http_status == 404


def test_a_refund_is_never_more_than_the_charge(sandbox: Sandbox, listener: Listener) -> None:
    client = sandbox.client()
    intent = client.v1.payment_intents.create({"amount": 100_00, "currency": "cad", "payment_method": "pm_card_visa", "confirm": True})
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 30_00})
    with pytest.raises(library.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 70_01})
    client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(library.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id})
    assert listener.wait_for("charge.refunded")["data"]["object"]["amount_refunded"] == 30_00
    assert [r.amount for r in client.v1.refunds.list({"payment_intent": intent.id}).data] == [70_00, 30_00]


def test_the_list_of_events_is_newest_first_in_pages(sandbox: Sandbox) -> None:
    client = sandbox.client()
    for amount in range(500, 512):
        client.v1.payment_intents.create({"amount": amount, "currency": "cad"})
    listed = [e.data.object["amount"] for e in client.v1.events.list({"limit": 5, "types": ["payment_intent.created"]}).auto_paging_iter()]
    assert listed == list(range(511, 499, -1))


def test_every_page_is_marked_as_a_test(sandbox: Sandbox) -> None:
    session = sandbox.client().v1.checkout.sessions.create(checkout_params(locale="fr-CA"))
    assert session.url
    for address, mark in ((sandbox.url, "TEST"), (session.url, "ESSAI")):
        with urlopen(address) as answer:
            assert mark in answer.read().decode()


def test_form_encoding_is_decoded_into_nested_values() -> None:
    pairs = [("a", "1"), ("b[c]", "2"), ("d[0][e]", "3"), ("d[1][e]", "4"), ("f[]", "5"), ("f[]", "6"), ("metadata[x]", "y")]
    assert parse_params(pairs) == {"a": "1", "b": {"c": "2"}, "d": [{"e": "3"}, {"e": "4"}], "f": ["5", "6"], "metadata": {"x": "y"}}


CLI_DIRECTORY = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "campaign-stripe-cli"


def stripe_cli() -> str | None:
    """The path of the Stripe CLI, installed from npm on first use, or None without npm."""
    cli = CLI_DIRECTORY / "node_modules" / ".bin" / "stripe"
    if not cli.exists() and shutil.which("npm"):
        CLI_DIRECTORY.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--prefix", str(CLI_DIRECTORY), "--silent", "@stripe/cli"],
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    return str(cli) if cli.exists() else None


@pytest.mark.parametrize("kind", ["checkout.session.completed", "payment_intent.succeeded", "charge.refunded", "checkout.session.expired"])
def test_the_stripe_cli_triggers_the_event(sandbox: Sandbox, listener: Listener, tmp_path: Path, kind: str) -> None:
    cli = stripe_cli()
    if cli is None:
        pytest.skip("npm is not installed")
    result = subprocess.run(
        [cli, "trigger", kind, "--api-base", sandbox.url, "--api-key", "sk_test_0123456789abcdef"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        check=False,
    )
    assert "Trigger succeeded" in result.stdout + result.stderr, result.stdout + result.stderr
    listener.wait_for(kind)
