"""Many connections at once, from a process of its own, so that asking does not slow the answering more than it must."""

import json
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One POST."""

    path: str
    body: bytes
    headers: dict[str, str]


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
        connection = HTTPConnection(netloc, timeout=30)
        while True:
            with lock:
                number, ask = next(next_ask, (0, None))
            if ask is None:
                return
            if per_second:
                time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            before = time.monotonic()
            connection.request("POST", ask.path, ask.body, ask.headers)
            answer = connection.getresponse()
            answer.read()
            with lock:
                latencies.append(time.monotonic() - before)
                statuses[str(answer.status)] = statuses.get(str(answer.status), 0) + 1

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(json.dumps({"seconds": time.monotonic() - started, "latencies": latencies, "statuses": statuses}))
