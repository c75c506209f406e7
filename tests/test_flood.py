"""Slow, greedy and flooding clients at once, against a running server: honest donors, the webhook and the probe are answered as always."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from campaign.config import ROOT
from campaign.devstack.servers import Postgres
from campaign.devstack.stack import free_port
from campaign.edges.links import STRIPE_WEBHOOK
from tests.conftest import TEMPLATE, Stripe, make_settings
from tests.patience import PATIENCE_SECONDS
from tests.stripe import signed
from tests.web import FORM, HIDDEN, SLUG, environment_of

PAGE = f"/en/{SLUG}"
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
LARGE = "/static/pico/pico-2.1.1.min.css"
FLOODING = "192.0.2.66"
# Of the attack; what a donor waits at most, at the 95th percentile; and when a client gives up.
SECONDS, SLOWEST, PATIENCE = 5.0, 2.0, 10.0
# The attack lasts longer where few posts a second arrive, until so many of the flooding network are refused.
REFUSED, LONGEST = 10, 60.0
SLOW_BODIES, SLOW_HEADERS, IDLE, GREEDY = 60, 30, 40, 30
THREADS = 24


def serve(port: int, environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", *command], env={**os.environ, **environment}, cwd=ROOT, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def own_database(cluster: Postgres) -> Iterator[str]:
    """One database for all tests here, as starting servers takes longer than they do."""
    name = f"test_{uuid4().hex[:12]}"
    with cluster.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield cluster.url(name)
    with cluster.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def servers(own_database: str, stripe_server: Stripe, valkey: str) -> Iterator[tuple[int, int]]:
    """The ports of `campaign web` with one process behind one proxy, and of the same app without the front, in as many threads."""
    first = free_port(27000, taken=set())
    ports = (first, free_port(27000, taken={first}))
    settings = make_settings(own_database, redis_url=valkey, stripe_api_base=stripe_server.url, base_url="http://127.0.0.1", proxy_hops=1)
    bare = ["granian", "--interface", "wsgi", "--port", str(ports[1]), "--blocking-threads", str(THREADS), "--no-access-log", "wsgi:app"]
    running = [
        serve(ports[0], environment_of(settings), "campaign", "web", "--port", str(ports[0]), "--workers", "1"),
        serve(ports[1], environment_of(settings), *bare),
    ]
    try:
        asyncio.run(wait_for(ports))
        yield ports
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(PATIENCE_SECONDS)


async def wait_for(ports: tuple[int, ...]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    for port in ports:
        while True:
            try:
                assert (await send(port, "GET", "/healthz"))[0] == 200
                break
            except OSError:
                assert time.monotonic() < deadline, "the server did not start"
                await asyncio.sleep(0.1)


def head(method: str, path: str, network: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"X-Forwarded-For: {network}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n").encode()


async def send(
    port: int, method: str, path: str, *, network: str = "192.0.2.1", body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """The status and text of the response. Raises OSError when there is none, TimeoutError when it takes longer than PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            more = {"Connection": "close", "Content-Length": str(len(body)), **(headers or {})}
            writer.write(head(method, path, network, more) + b"\r\n" + body)
            answer = await reader.read()
        finally:
            writer.close()
    if not answer:
        raise ConnectionError
    return int(answer.split(b" ", 2)[1]), answer.decode("utf-8", "replace")


class Attack:
    """Clients that give the server as much trouble as they can until they are cancelled. `refused` counts the posts of the flooding network that got 429."""

    def __init__(self, port: int) -> None:
        self.port, self.refused, self.was_refused, self._running = port, 0, asyncio.Event(), list[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        clients: list[Coroutine[Any, Any, None]] = [self._slow(n, is_body=n < SLOW_BODIES) for n in range(SLOW_BODIES + SLOW_HEADERS)]
        clients += [self._idle(n) for n in range(IDLE)]
        clients += [self._greedy() for _ in range(GREEDY)]
        clients += [self._flood(), self._flood()]
        self._running = [asyncio.create_task(client) for client in clients]
        await asyncio.sleep(0.5)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        for ended in await asyncio.gather(*self._running, return_exceptions=True):
            if isinstance(ended, AssertionError):
                raise ended

    async def _slow(self, number: int, *, is_body: bool) -> None:
        """A body or headers, a byte at a time."""
        path = f"{PAGE}/donations" if number % 2 else STRIPE_WEBHOOK
        begun = head("POST", path, f"203.0.113.{number}", {**FORM_TYPE, "Content-Length": "5000"})
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(begun + (b"\r\na" if is_body else b"X-Slow: a"))
                while not reader.at_eof():
                    await asyncio.sleep(0.5)
                    writer.write(b"a")
                    await writer.drain()
            except OSError:
                continue
            finally:
                writer.close()

    async def _idle(self, number: int) -> None:
        """A connection that stays open after one request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head("GET", "/healthz", f"198.51.100.{number}", {}) + b"\r\n")
            await reader.readline()
            await asyncio.sleep(60)
        finally:
            writer.close()

    async def _greedy(self) -> None:
        """Many large answers, read by a kilobyte."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(connection, ("127.0.0.1", self.port))
            await loop.sock_sendall(connection, (head("GET", LARGE, "192.0.2.99", {}) + b"\r\n") * 20)
            for _ in range(1000):
                await loop.sock_recv(connection, 1024)
                await asyncio.sleep(0.3)
        finally:
            connection.close()

    async def _flood(self) -> None:
        """Forms of one network, one after the other without a pause."""
        body = b""
        while True:
            try:
                if not body:
                    _, page = await send(self.port, "GET", PAGE, network=FLOODING)
                    body = urlencode({**FORM, **dict(HIDDEN.findall(page)), "expected_match": ""}).encode()
                status, _ = await send(self.port, "POST", f"{PAGE}/donations", network=FLOODING, body=body, headers=FORM_TYPE)
            except (OSError, TimeoutError):
                continue
            assert status in {303, 429}
            self.refused += status == 429
            if self.refused > REFUSED:
                self.was_refused.set()


@dataclass
class Honest:
    """What honest clients have seen: the seconds that each request took, and each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    begun: int = 0

    async def donor(self, port: int, number: int) -> None:
        """Begin donations from a network of their own, one every half second."""
        for attempt in range(100):
            page = await self._timed(send(port, "GET", PAGE, network=f"192.0.2.{number}"))
            fields = {**FORM, "amount": "5", **dict(HIDDEN.findall(page)), "email": f"donor{number}-{attempt}@example.org"}
            body = urlencode({**fields, "expected_match": ""}).encode()
            await self._timed(send(port, "POST", f"{PAGE}/donations", network=f"192.0.2.{number}", body=body, headers=FORM_TYPE))
            self.begun += 1
            await asyncio.sleep(0.5)

    async def stripe_and_probe(self, port: int) -> None:
        """Events that are signed, and the probe of a load balancer."""
        for number in range(1000):
            event = {"id": f"evt_flood_{number}", "object": "event", "type": "customer.created", "created": int(time.time())}
            body = json.dumps({**event, "livemode": False, "data": {"object": {"id": "cus_1", "object": "customer"}}}).encode()
            await self._timed(send(port, "POST", STRIPE_WEBHOOK, network="192.0.2.40", body=body, headers=signed(body)))
            await self._timed(send(port, "GET", "/healthz", network="192.0.2.41"))
            await asyncio.sleep(0.1)

    async def _timed(self, request: Coroutine[Any, Any, tuple[int, str]]) -> str:
        started = time.monotonic()
        status, text = await request
        self.seconds.append(time.monotonic() - started)
        self.statuses[status] += 1
        return text


async def serve_honest(port: int) -> tuple[Honest, int]:
    """What honest clients see during an attack of at least SECONDS, and how many posts of the flooding network were refused."""
    seen = Honest()
    async with Attack(port) as attack, asyncio.TaskGroup() as clients:
        running = [clients.create_task(seen.donor(port, number)) for number in range(1, 5)]
        running.append(clients.create_task(seen.stripe_and_probe(port)))
        await asyncio.sleep(SECONDS)
        with suppress(TimeoutError):
            await asyncio.wait_for(attack.was_refused.wait(), LONGEST - SECONDS)
        for task in running:
            task.cancel()
    return seen, attack.refused


async def is_served(port: int) -> bool:
    """Whether an honest donor gets the page within two seconds during the same attack."""
    async with Attack(port):
        try:
            async with asyncio.timeout(SLOWEST):
                return (await send(port, "GET", PAGE))[0] == 200
        except (OSError, TimeoutError):
            return False


def test_honest_donors_are_served_beside_slow_greedy_and_flooding_clients(servers: tuple[int, int]) -> None:
    front, bare = servers
    seen, refused = asyncio.run(serve_honest(front))
    assert set(seen.statuses) == {200, 303}, "nobody honest is refused"
    assert seen.statuses[303] == seen.begun > 10
    assert sorted(seen.seconds)[len(seen.seconds) * 95 // 100] < SLOWEST
    assert refused > REFUSED, "the flooding network is"
    assert not asyncio.run(is_served(bare)), "control: without the front its threads wait for slow bodies"


HIDDEN_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 4", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 49"],
        [b"Content-Length: 5", b"Content-Length: 49"],
        [b"Content-Length: 5, 49"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Transfer-Encoding : chunked"],
        [b"X-One: 1", b" Transfer-Encoding: chunked"],
    ],
)
def test_no_request_hides_in_the_body_of_another(servers: tuple[int, int], lines: list[bytes]) -> None:
    """Where a body ends is certain, or the connection does: a proxy that reads it otherwise lets nobody speak for the next client."""
    raw = b"\r\n".join([b"POST /nothing HTTP/1.1", b"Host: 127.0.0.1", *lines, b"", b"0", b"", HIDDEN_REQUEST])

    async def exchange() -> bytes:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", servers[0])
            try:
                writer.write(raw)
                return await reader.read()
            finally:
                writer.close()

    answer = asyncio.run(exchange())
    assert answer.count(b"HTTP/1.1 ") == 1, "and then the connection ends"
    assert b"alive" not in answer
    assert answer.split(b" ", 2)[1] in {b"400", b"404", b"405"}
