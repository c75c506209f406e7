"""A load generator with many connections, in a separate process so that it slows the servers as little as possible."""

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
class PostRequest:
    """One POST."""

    path: str
    body: bytes
    headers: dict[str, str]

    def encode(self, netloc: str) -> bytes:
        """The HTTP message as bytes."""
        headers = {"Host": netloc, "Content-Length": str(len(self.body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + self.body


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """The total duration and each latency in seconds, and the number of responses by status."""

    seconds: float
    latencies: list[float]
    statuses: dict[str, int]

    @property
    def rate(self) -> float:
        """LoadResult a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of the requests does not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def post_all(address: str, requests: Sequence[PostRequest], *, connections: int, per_second: float | None = None) -> LoadResult:
    """Post all requests over `connections` connections, as fast as possible or at `per_second`."""
    receiver, sender = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_post_all, args=(sender, address, requests, connections, per_second))
    process.start()
    result = json.loads(receiver.recv())
    process.join()
    return LoadResult(**result)


def _post_all(pipe: Connection, address: str, requests: Sequence[PostRequest], connections: int, per_second: float | None) -> None:
    netloc = urlsplit(address).netloc
    numbered = iter(enumerate(requests))
    lock = threading.Lock()
    latencies: list[float] = []
    statuses: dict[str, int] = {}
    started = time.monotonic()

    def run() -> None:
        connection = _KeepAliveConnection(netloc)
        while True:
            with lock:
                number, request = next(numbered, (0, None))
            if request is None:
                return
            if per_second:
                time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            message = request.encode(netloc)
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


class _KeepAliveConnection:
    """A keep-alive connection that reads only the status and length of a response and discards its body."""

    def __init__(self, netloc: str) -> None:
        host, _, port = netloc.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)

    def post(self, message: bytes) -> str:
        """Send a message and return the status of the response."""
        self._socket.sendall(message)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        left = int(length.group(1)) - len(body) if length else 0
        while left > 0:
            left -= len(self._receive())
        return head.split(b" ", 2)[1].decode()

    def _receive(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise ConnectionError("the server closed the connection")
        return received
