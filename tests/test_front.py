"""The web server in front of slow, greedy and flooding clients: they are cut or refused, and others are served."""

import asyncio
import re
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Request

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.edges.links import STRIPE_WEBHOOK
from campaign.stripe_sync import inbox
from campaign.stripe_sync.inbox import StripeEvent
from campaign.web import front
from campaign.web.asgi import environ_of
from campaign.web.front import Front
from campaign.web.uploads import LARGEST_UPLOAD
from tests.conftest import Stripe
from tests.factories import start_donation
from tests.patience import PATIENCE_SECONDS
from tests.stripe import body_of, completed, signed
from tests.web import FORM, HIDDEN, SLUG
from tests.web_server import web_server

PAGE = f"/en/{SLUG}"


def scope_of(path: str = "/form", *, length: int | None = 4, client: str = "203.0.113.7", **changed: Any) -> dict[str, Any]:
    headers = [(b"host", b"localhost"), *([(b"content-length", str(length).encode())] if length is not None else [])]
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("localhost", 80),
        "client": (client, 1),
        "headers": headers,
        **changed,
    }


def echo(environ: dict[str, Any], start: Any) -> list[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()]


class Client:
    """One request to the front: sends pieces of a body, each after a pause, and collects the response."""

    def __init__(self, *pieces: bytes, pause: float = 0.0, ends: bool = True) -> None:
        self.pieces, self.pause, self.ends = list(pieces), pause, ends
        self.status, self.body = 0, b""

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(self.pause)
        if self.pieces:
            piece = self.pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or not self.ends}
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


def serve(served: Front, *requests: tuple[dict[str, Any], Client]) -> list[int]:
    async def all_at_once() -> None:
        await asyncio.gather(*(served(scope, client.receive, client.send) for scope, client in requests))

    asyncio.run(all_at_once())
    return [client.status for _, client in requests]


def test_a_body_reaches_the_app_whole_whatever_its_pieces() -> None:
    client = Client(b"ab", b"", b"cd")
    assert serve(Front(echo), (scope_of(), client)) == [200]
    assert client.body == b"abcd"


def test_a_body_that_does_not_arrive_in_time_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "BODY_SECONDS", 0.3)
    trickle = Client(*[b"x"] * 100, pause=0.05)
    silent = Client(b"x", ends=False)
    assert serve(Front(echo), (scope_of(length=100), trickle), (scope_of(client="203.0.113.8"), silent)) == [408, 408]


def test_a_large_body_is_refused_before_it_is_read_and_while_it_is() -> None:
    announced, lying = Client(b"x", ends=False), Client(*[b"x" * 65536] * 6)
    chunked = scope_of(length=None, headers=[(b"transfer-encoding", b"chunked")])
    assert serve(Front(echo), (scope_of(length=front.LARGEST_BODY + 1), announced), (chunked, lying)) == [413, 413]
    assert serve(Front(echo), (scope_of(headers=[(b"content-length", b"many")]), Client(b""))) == [413]


def test_a_form_with_a_document_is_larger_and_few_are_under_way_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    path, large = f"/staff/donations/d_{'0' * 20}/person", front.LARGEST_BODY + 1
    chunked: dict[str, Any] = {"headers": [(b"transfer-encoding", b"chunked")]}
    tried = (
        scope_of(path, length=large),
        scope_of(f"{path}s", length=large),
        scope_of(path, length=LARGEST_UPLOAD + 1),
        scope_of(path, **chunked),
    )
    assert serve(Front(echo), *((scope, Client(b"x" * large)) for scope in tried)) == [200, 413, 413, 413]
    monkeypatch.setattr(front, "UPLOADS", 2)
    clients = [Client(b"x", ends=False), *(Client(b"x" * large, pause=0.05) for _ in range(2))]
    assert serve(Front(echo), *((scope_of(path, length=large), client) for client in clients)) == [408, 200, 200]


def test_when_a_network_sends_too_many_bodies_the_oldest_are_cut_and_new_ones_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "BODIES_OF_A_NETWORK", 10)
    monkeypatch.setattr(front, "BODY_SECONDS", 2)

    async def flood() -> tuple[list[int], list[int], float]:
        served = Front(echo)
        slow = [Client(b"x", ends=False) for _ in range(15)]
        scopes = [scope_of(client=f"2001:db8::{number:x}") for number in range(15)]
        running = [asyncio.create_task(served(scope, client.receive, client.send)) for scope, client in zip(scopes, slow, strict=True)]
        await asyncio.sleep(0.1)
        cut = [client.status for client in slow]
        honest, started = Client(b"abcd"), time.monotonic()
        await served(scope_of(client="2001:db8::ffff"), honest.receive, honest.send)
        seconds = time.monotonic() - started
        await asyncio.gather(*running)
        assert served._arriving == {}, "all are counted off again"
        assert served._all_arriving == []
        return cut, [honest.status, *(client.status for client in slow)], seconds

    cut, statuses, seconds = asyncio.run(flood())
    assert cut == [408] * 5 + [0] * 10, "the ones that had the most time"
    assert statuses == [200] + [408] * 15
    assert seconds < 1, "an honest body of the same network does not wait for them"


def test_a_body_that_comes_in_chunks_is_whole_for_flask(app: Flask) -> None:
    body = urlencode({"email": "nobody@example.org"}).encode()
    headers = [(b"host", b"127.0.0.1"), (b"transfer-encoding", b"chunked"), (b"content-type", b"application/x-www-form-urlencoded")]
    environ = environ_of(scope_of(length=None, headers=headers), body)
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert Request(environ).form["email"] == "nobody@example.org"


def test_a_client_that_leaves_ends_the_response_and_one_event_that_is_cancelled_holds_up_no_other(app: Flask, campaign: Campaign) -> None:
    closed: list[str] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * front.PIECE

        def close(self) -> None:
            closed.append("closed")

    def endless(_: dict[str, Any], start: Any) -> Pieces:
        start("200 OK", [])
        return Pieces()

    class Leaver(Client):
        async def send(self, message: Any) -> None:
            if len(self.body) > 3 * front.PIECE:
                raise OSError("the client has left")
            await super().send(message)

    with pytest.raises(OSError, match="has left"):
        serve(Front(endless), (scope_of(length=0), Leaver()))
    assert closed == ["closed"]

    async def cancel_one() -> int:
        served, body = Front(app.wsgi_app, webhook=app.extensions["stripe_webhook"]), b"{}"
        headers = [(b"host", b"127.0.0.1"), (b"content-length", b"2")]
        first, second = Client(body), Client(body)
        cancelled = asyncio.create_task(served(scope_of(STRIPE_WEBHOOK, headers=headers), first.receive, first.send))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cancelled.cancel()
        await served(scope_of(STRIPE_WEBHOOK, headers=headers), second.receive, second.send)
        return second.status

    assert asyncio.run(asyncio.wait_for(cancel_one(), 10)) == 400


@pytest.mark.parametrize(
    ("hops", "forwarded", "expected"),
    [
        (0, "10.0.0.1", "203.0.113.7"),
        (1, "10.0.0.1, 10.0.0.2", "10.0.0.2"),
        (2, "a, 10.0.0.2, b", "10.0.0.2"),
        (3, "10.0.0.1", "203.0.113.7"),
    ],
)
def test_the_sender_is_the_address_that_our_own_proxies_saw(hops: int, forwarded: str, expected: str) -> None:
    together = [(b"x-forwarded-for", forwarded.encode())]
    apart = [(b"x-forwarded-for", part.strip().encode()) for part in forwarded.split(",")]
    for headers in (together, apart):
        assert Front(echo, proxy_hops=hops)._sender(scope_of(headers=headers)) == expected


def test_the_environment_of_the_app_is_what_wsgi_says() -> None:
    headers = [
        (b"host", b"give.example.org"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x_forwarded_for", b"9.9.9.9"),
        (b"content-type", b"text/plain"),
    ]
    environ = environ_of(scope_of(headers=headers, raw_path=b"/fr/don%C3%A9", query_string=b"a=%C3%A9"), b"abc")
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/fr/doné"
    assert (environ["HTTP_COOKIE"], environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("a=1; b=2", "text/plain", "3")
    assert "HTTP_X_FORWARDED_FOR" not in environ, "a header with an underscore is another header"


def test_a_long_response_takes_a_thread_only_while_a_piece_is_made_and_is_closed() -> None:
    events: list[str] = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(5):
                events.append(threading.current_thread().name.partition("_")[0])
                yield b"x" * front.PIECE

        def close(self) -> None:
            events.append("closed")

    def app(_: dict[str, Any], start: Any) -> Pieces:
        start("200 OK", [])
        return Pieces()

    client = Client()
    assert serve(Front(app), (scope_of(length=0), client)) == [200]
    assert len(client.body) == 5 * front.PIECE
    assert events == ["request"] * 5 + ["closed"]


def test_events_that_arrive_together_are_stored_together_and_a_bad_one_is_refused_alone(app: Flask, campaign: Campaign) -> None:
    donations = [start_donation(campaign, 10_00) for _ in range(5)]
    db.session.commit()
    served, requests = Front(app.wsgi_app, webhook=app.extensions["stripe_webhook"]), []
    for donation in donations:
        body = body_of(completed(donation))
        headers = [(b"host", b"127.0.0.1"), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in signed(body).items() if donation is not donations[2]]
        requests.append((scope_of(STRIPE_WEBHOOK, headers=headers), Client(body)))
    assert serve(served, *requests) == [200, 200, 400, 200, 200]
    assert db.session.query(StripeEvent).count() == 4
    stranger = scope_of(STRIPE_WEBHOOK, headers=[(b"host", b"evil.example"), (b"content-length", b"2")])
    assert serve(served, (stranger, Client(b"{}")), (scope_of(STRIPE_WEBHOOK, length=0, method="GET"), Client())) == [400, 405]


def test_while_the_database_is_unavailable_events_are_refused_and_later_stored(
    app: Flask, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    donation = start_donation(campaign, 10_00)
    db.session.commit()
    served, body = Front(app.wsgi_app, webhook=app.extensions["stripe_webhook"]), body_of(completed(donation))
    headers = [(b"host", b"127.0.0.1"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in signed(body).items()]
    with monkeypatch.context() as unavailable:
        unavailable.setattr(inbox, "store_events", Mock(side_effect=OperationalError("", {}, Exception("unavailable"))))
        assert serve(served, (scope_of(STRIPE_WEBHOOK, headers=headers), Client(body))) == [503]
    assert serve(served, (scope_of(STRIPE_WEBHOOK, headers=headers), Client(body))) == [200]


@pytest.fixture
def server(database: str, stripe: Stripe, app: Flask) -> Iterator[int]:
    """`campaign web` with one process, and its port."""
    with web_server(database, stripe_api_base=stripe.url) as running:
        yield running.port


def get(port: int, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200
    text = response.read().decode()
    connection.close()
    return text


def give(port: int, number: int) -> int:
    fields = {**FORM, **dict(HIDDEN.findall(get(port, PAGE))), "email": f"donor{number}@example.org"}
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request("POST", f"{PAGE}/donations", urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def slow_client(port: int, *, source: str, path: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), source_address=(source, 0), timeout=10)
    client.sendall(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na".encode()
    )
    return client


def test_donors_give_while_slow_clients_of_many_networks_are_connected(server: int) -> None:
    with ExitStack() as stack:
        slow = [
            slow_client(server, source=f"127.0.1.{n % 10 + 1}", path=f"{PAGE}/donations" if n % 2 else STRIPE_WEBHOOK) for n in range(120)
        ]
        for client in slow:
            stack.enter_context(client)
        seconds = []
        for number in range(20):
            started = time.monotonic()
            assert give(server, number) == 303
            seconds.append(time.monotonic() - started)
            for client in slow[number::20]:
                client.sendall(b"a")
        assert sorted(seconds)[18] < 2, "the 95th percentile"
        assert "alive" in get(server, "/healthz")
        greedy = [slow_client(server, source="127.0.0.1", path=f"{PAGE}/donations") for _ in range(front.BODIES_OF_A_NETWORK + 20)]
        for client in greedy:
            stack.enter_context(client)
        assert give(server, 21) == 303, "from the same address"
        answered, _, _ = select.select(greedy, [], [], 0)
        assert len(answered) >= 20
        assert all(re.match(rb"HTTP/1.1 408", client.recv(100)) for client in answered)
