"""Many connections at once, from a process of its own, so that asking does not slow the answering more than it must."""

import json
import multiprocessing
import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One POST."""

    path: str
    body: bytes
    headers: dict[str, str]

    def as_sent(self, netloc: str) -> bytes:
        """The whole message."""
        headers = {"Host": netloc, "Content-Length": str(len(self.body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + self.body


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came back: how long it took in all, each latency in seconds, statuses counted."""

    seconds: float
    latencies: list[float]
    statuses: dict[str, int]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share stays below."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def post_all(address: str, asks: Sequence[Ask], *, connections: int, per_second: float | None = None) -> Answers:
    """Post everything over so many connections, as fast as it goes or at a steady rate."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_post_all, args=(there, address, asks, connections, per_second))
    process.start()
    found = json.loads(here.recv())
    process.join()
    return Answers(**found)


def _post_all(pipe: Connection, address: str, asks: Sequence[Ask], connections: int, per_second: float | None) -> None:
    netloc = urlsplit(address).netloc
    next_ask = iter(enumerate(asks))
    lock = threading.Lock()
    latencies: list[float] = []
    statuses: dict[str, int] = {}
    started = time.monotonic()

    def run() -> None:
        connection = _Line(netloc)
        while True:
            with lock:
                number, ask = next(next_ask, (0, None))
            if ask is None:
                return
            if per_second:
                time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            message = ask.as_sent(netloc)
            before = time.monotonic()
            status = connection.post(message)
            with lock:
                latencies.append(time.monotonic() - before)
                statuses[status] = statuses.get(status, 0) + 1

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(json.dumps({"seconds": time.monotonic() - started, "latencies": latencies, "statuses": statuses}))


class _Line:
    """One connection that is kept open. Reads no more of an answer than its status and where it ends."""

    def __init__(self, netloc: str) -> None:
        host, _, port = netloc.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)

    def post(self, message: bytes) -> str:
        """The status."""
        self._socket.sendall(message)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._received()
        head, _, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        left = int(length.group(1)) - len(body) if length else 0
        while left > 0:
            left -= len(self._received())
        return head.split(b" ", 2)[1].decode()

    def _received(self) -> bytes:
        got = self._socket.recv(65536)
        if not got:
            raise ConnectionError("the server hung up")
        return got
