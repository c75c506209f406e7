"""The stand-in for Stripe behaves as Stripe does: for our library, for Stripe's own command line, and after a restart."""

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
from urllib.request import Request, urlopen

import pytest
import stripe as library
from werkzeug.serving import make_server

from campaign.edges.stripe_wire import verify_signature
from campaign.embedded.house import free_port
from campaign.sandbox import shapes
from campaign.sandbox.__main__ import Quiet, stripe_app
from campaign.sandbox.answers import nested

SECRET = "whsec_sandbox"


class Listener:
    """A webhook that keeps what it hears, and answers as told."""

    def __init__(self) -> None:
        self.heard: list[dict] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                verify_signature(body, self.headers["Stripe-Signature"], [SECRET])
                outer.heard.append(json.loads(body))
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.heard]

    def wait_for(self, kind: str, *, seconds: float = 10) -> dict:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for event in self.heard:
                if event["type"] == kind:
                    return event
            time.sleep(0.05)
        raise AssertionError(f"{kind} was not heard, only {self.kinds()}")


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Sandbox:
    """A running stand-in that can be stopped and started again on the same memory."""

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
    made = Sandbox(tmp_path / "state.db", listener.url)
    yield made
    made.stop()


def order(**changed: object) -> dict:
    line = {"quantity": 1, "price_data": {"currency": "cad", "unit_amount": 100_00, "product_data": {"name": "Gift"}}}
    return {"mode": "payment", "line_items": [line], "success_url": "https://a.example/s", "metadata": {"donation": "d_1"}, **changed}


def pay(url: str, card: str) -> None:
    try:
        urlopen(url, data=f"card={card}&expiry=12/34&cvc=123".encode()).close()
    except OSError:
        pass  # The success page is not there, and a decline is a 402.


def test_a_checkout_is_opened_read_listed_and_expired(sandbox: Sandbox, listener: Listener) -> None:
    sessions = sandbox.client().v1.checkout.sessions
    made = sessions.create(order(), {"idempotency_key": "one"})
    assert sessions.create(order(), {"idempotency_key": "one"}).id == made.id
    assert sessions.retrieve(made.id).status == "open"
    assert [s.id for s in sessions.list().data] == [made.id]
    assert (made.amount_total, made.currency, made.url) == (100_00, "cad", f"{sandbox.url}/c/pay/{made.id}")
    assert sessions.expire(made.id).status == "expired"
    assert listener.wait_for("checkout.session.expired")["data"]["object"]["metadata"] == {"donation": "d_1"}
    with pytest.raises(library.InvalidRequestError):
        sessions.expire(made.id)


def test_a_key_used_for_another_request_is_refused(sandbox: Sandbox) -> None:
    sessions = sandbox.client().v1.checkout.sessions
    sessions.create(order(), {"idempotency_key": "one"})
    with pytest.raises(library.IdempotencyError):
        sessions.create(order(metadata={"donation": "d_2"}), {"idempotency_key": "one"})


def test_paying_makes_the_events_and_the_fee_that_stripe_canada_makes(sandbox: Sandbox, listener: Listener) -> None:
    client = sandbox.client()
    made = client.v1.checkout.sessions.create(order(payment_intent_data={"metadata": {"donation": "d_1"}}))
    pay(made.url, "4242424242424242")
    event = listener.wait_for("checkout.session.completed")
    assert (event["data"]["object"]["payment_status"], event["livemode"], event["api_version"]) == ("paid", False, shapes.API_VERSION)
    intent = client.v1.payment_intents.retrieve(
        event["data"]["object"]["payment_intent"], {"expand": ["latest_charge.balance_transaction"]}
    )
    assert intent.metadata.to_dict() == {"donation": "d_1"}
    settled = intent.latest_charge.balance_transaction
    assert (settled.fee, settled.net) == (3_20, 96_80)
    assert {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"} <= set(listener.kinds())


@pytest.mark.parametrize("card", ["4000000000000002", "4000000000009995", "4000000000000069", "4111111111111111"])
def test_a_declined_card_leaves_the_checkout_open(sandbox: Sandbox, card: str) -> None:
    client = sandbox.client()
    made = client.v1.checkout.sessions.create(order())
    pay(made.url, card)
    again = client.v1.checkout.sessions.retrieve(made.id)
    assert (again.status, again.payment_status) == ("open", "unpaid")
    pay(made.url, "4242424242424242")
    assert client.v1.checkout.sessions.retrieve(made.id).payment_status == "paid"


def test_a_webhook_that_fails_is_sent_again_until_it_is_taken(sandbox: Sandbox, listener: Listener) -> None:
    listener.status = 503
    sandbox.client().v1.payment_intents.create({"amount": 500, "currency": "cad"})
    first = listener.wait_for("payment_intent.created")
    listener.status = 200
    until = time.monotonic() + 10
    while listener.kinds().count("payment_intent.created") < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert [e["id"] for e in listener.heard if e["type"] == "payment_intent.created"][:2] == [first["id"]] * 2


def test_webhooks_can_be_kept_back_and_sent_later(sandbox: Sandbox, listener: Listener) -> None:
    sandbox.store.set_switch("delivery", "off")
    sandbox.client().v1.payment_intents.create({"amount": 500, "currency": "cad"})
    time.sleep(0.4)
    assert listener.heard == []
    sandbox.store.set_switch("delivery", "on")
    listener.wait_for("payment_intent.created")


def test_a_restart_forgets_nothing(sandbox: Sandbox) -> None:
    made = sandbox.client().v1.checkout.sessions.create(order(), {"idempotency_key": "one"})
    sandbox.stop()
    sandbox.start()
    assert sandbox.client().v1.checkout.sessions.retrieve(made.id).amount_total == 100_00
    assert sandbox.client().v1.checkout.sessions.create(order(), {"idempotency_key": "one"}).id == made.id


@pytest.mark.parametrize("key", ["sk_live_0123456789abcdef", "rk_live_0123456789abcdef", "nonsense", "pk_test_0123456789"])
def test_live_and_unknown_keys_are_refused(sandbox: Sandbox, key: str) -> None:
    with pytest.raises((library.AuthenticationError, library.PermissionError)):
        sandbox.client(key).v1.checkout.sessions.list()


@pytest.mark.parametrize("sent", ["Bearer sk_test_of_the_tests", "Basic " + b64encode(b"sk_test_of_the_tests:").decode()])
def test_a_key_may_be_sent_in_either_of_stripes_ways(sandbox: Sandbox, sent: str) -> None:
    with urlopen(Request(f"{sandbox.url}/v1/events", headers={"Authorization": sent})) as answer:
        assert json.loads(answer.read())["object"] == "list"


def test_the_sandbox_does_not_start_beside_a_live_key(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "campaign.sandbox", "stripe", "--port", "1", "--state", str(tmp_path / "x")],
        env={**os.environ, "STRIPE_SECRET_KEY": "sk_live_0123456789"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "live key" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "setup"},
        {"line_items": []},
        {"expires_at": 5},
        {"line_items": [{"price": "price_unknown"}]},
        {"line_items": [{"price_data": {"currency": "cad"}}]},
    ],
)
def test_a_wrong_request_is_stripes_error_and_no_session(sandbox: Sandbox, wrong: dict) -> None:
    with pytest.raises(library.InvalidRequestError):
        sandbox.client().v1.checkout.sessions.create(order(**wrong))
    assert sandbox.client().v1.checkout.sessions.list().data == []


def test_unknown_paths_and_objects_are_stripes_404(sandbox: Sandbox) -> None:
    client = sandbox.client()
    for ask in (lambda: client.v1.payment_intents.retrieve("pi_none"), client.v1.coupons.list):
        with pytest.raises(library.InvalidRequestError) as found:
            ask()
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


def test_every_page_says_test(sandbox: Sandbox) -> None:
    made = sandbox.client().v1.checkout.sessions.create(order(locale="fr-CA"))
    for address, mark in ((sandbox.url, "TEST"), (made.url, "ESSAI")):
        with urlopen(address) as answer:
            assert mark in answer.read().decode()


def test_form_encoding_becomes_what_was_meant() -> None:
    pairs = [("a", "1"), ("b[c]", "2"), ("d[0][e]", "3"), ("d[1][e]", "4"), ("f[]", "5"), ("f[]", "6"), ("metadata[x]", "y")]
    assert nested(pairs) == {"a": "1", "b": {"c": "2"}, "d": [{"e": "3"}, {"e": "4"}], "f": ["5", "6"], "metadata": {"x": "y"}}


CLI_PLACE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "campaign-stripe-cli"


def stripe_cli() -> str | None:
    """Stripe's own command line from npm, fetched once; None where npm is not at hand."""
    there = CLI_PLACE / "node_modules" / ".bin" / "stripe"
    if not there.exists() and shutil.which("npm"):
        CLI_PLACE.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--prefix", str(CLI_PLACE), "--silent", "@stripe/cli"], capture_output=True, timeout=120, check=False
        )
    return str(there) if there.exists() else None


@pytest.mark.parametrize("kind", ["checkout.session.completed", "payment_intent.succeeded", "charge.refunded", "checkout.session.expired"])
def test_stripes_own_command_line_triggers_it(sandbox: Sandbox, listener: Listener, tmp_path: Path, kind: str) -> None:
    cli = stripe_cli()
    if cli is None:
        pytest.skip("npm is not at hand")
    done = subprocess.run(
        [cli, "trigger", kind, "--api-base", sandbox.url, "--api-key", "sk_test_0123456789abcdef"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        check=False,
    )
    assert "Trigger succeeded" in done.stdout + done.stderr, done.stdout + done.stderr
    listener.wait_for(kind)
