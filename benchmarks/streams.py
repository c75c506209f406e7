"""`make streams [COUNT=2000]`: open campaign pages on one web process, while donations are settled and pages are requested.

A page is a stream of its words in English or French; each third one is of the totals, as other sites follow them. They are raw sockets in a process of
their own, each from a network of its own. The lag runs from before a donation is settled until a
stream has received its totals, and so includes the settlement.
"""

import asyncio
import json
import multiprocessing
import random
import re
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import run
from urllib.parse import urlsplit

from benchmarks.load import LoadResult, PostRequest, post_all
from benchmarks.place import Servers, start_servers
from benchmarks.row import Row, print_row
from benchmarks.settlement import completed_event, start_donations
from campaign.cli.first_campaign import SLUG
from campaign.cli.web_server import raise_limit_of_files
from campaign.edges.db import db
from campaign.stripe_sync import event_jobs, inbox

COUNT = 2000
UPDATES = 20
IDLE_SECONDS = 10
PAGES, PAGES_PER_SECOND = 600, 20
TARGET_SECONDS = 2
TICKS = 100
DONATIONS = re.compile(rb'(?:"donations":|<dt>(?:Gifts|Dons)</dt><dd>)(\d+)')
QUERIES = ("?page=en", "?page=fr", "")


def main() -> int:
    """Exit 0 when every update reached every stream in time, otherwise 1."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    raise_limit_of_files()
    with start_servers() as servers:
        row = print_row(measure(servers, count))
    return 0 if row.reached else 1


def measure(servers: Servers, count: int) -> Row:
    """Request pages without streams, then with them; then watch the process while nothing changes and while donations are settled."""
    with servers.app.app_context():
        bodies = [json.dumps(completed_event(donation)).encode() for donation in start_donations(3 * UPDATES, "stream")]
    with _web(servers) as worker, ThreadPoolExecutor(1) as pool:
        address = servers.environment["BASE_URL"]
        _request_pages(address)  # The first requests fill caches.
        with servers.app.app_context():
            pages = pool.submit(_request_pages, address)
            _settle(bodies[:UPDATES])
            alone, before = pages.result(), worker.figures()
            with _streams(address, count, first=UPDATES) as streams:
                opened = worker.figures()
                time.sleep(IDLE_SECONDS)
                idle = worker.figures()
                moments = _settle(bodies[UPDATES : 2 * UPDATES])
                updated = worker.figures()
                pages = pool.submit(_request_pages, address)
                _settle(bodies[2 * UPDATES :])
                together = pages.result()
                received = streams.end()
    lags = sorted(moment[n] - moments[n - UPDATES - 1] for moment in received for n in range(UPDATES + 1, 2 * UPDATES + 1))
    print(f"threads {before.threads} without streams, {updated.threads} with {count}", flush=True)
    print(
        f"memory {before.megabytes:.0f} MB, {updated.megabytes:.0f} MB: {(updated.megabytes - before.megabytes) * 1024 / count:.1f} KB a stream"
    )
    print(f"CPU {_share(opened, idle):.1%} of a core idle, {_share(idle, updated):.1%} with an update every 1.5 s")
    print(
        f"page p99 {alone.percentile(0.99):.0f} ms alone, {together.percentile(0.99):.0f} ms with the streams; median {alone.percentile(0.5):.0f} and {together.percentile(0.5):.0f} ms"
    )
    return Row(
        name=f"{count} streams",
        target=f"all updates at all streams within {TARGET_SECONDS} s",
        figure=f"lag p50 {_percentile(lags, 0.5):.2f} s, p99 {_percentile(lags, 0.99):.2f} s, max {lags[-1]:.2f} s, {len(lags)} received",
        floor=f"{TARGET_SECONDS} s",
        ratio=lags[-1] / TARGET_SECONDS,
        reached=lags[-1] < TARGET_SECONDS and len(lags) == count * UPDATES,
    )


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A process at one moment: its threads, memory, and seconds of CPU so far."""

    threads: int
    megabytes: float
    cpu: float
    at: float


@dataclass(frozen=True)
class Worker:
    """The process that answers requests."""

    pid: int

    def figures(self) -> Figures:
        """What the kernel says of it."""
        status = dict(re.findall(r"(?m)^(\w+):\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text()))
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / TICKS
        return Figures(threads=int(status["Threads"]), megabytes=int(status["VmRSS"]) / 1024, cpu=cpu, at=time.monotonic())


def _share(before: Figures, after: Figures) -> float:
    return (after.cpu - before.cpu) / (after.at - before.at)


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def _web(servers: Servers) -> Iterator[Worker]:
    """Run `campaign web` with one process for the duration of the block."""
    address = servers.environment["BASE_URL"]
    arguments = ("-m", "campaign", "web", "--port", str(servers.web_port), "--workers", "1")
    with servers.running("web", *arguments, ready=f"{address}/healthz") as server:
        children = run(
            ["ps", "-o", "pid=,args=", "--ppid", str(server.pid)], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        (worker,) = [int(line.split()[0]) for line in children if "resource_tracker" not in line]
        yield Worker(worker)


class PageRequest(PostRequest):
    """A GET of a page."""

    def encode(self, netloc: str) -> bytes:
        """The HTTP message as bytes."""
        return f"GET {self.path} HTTP/1.1\r\nHost: {netloc}\r\n\r\n".encode()


def _request_pages(address: str) -> LoadResult:
    requests = [PageRequest(path=f"/en/{SLUG}", body=b"", headers={})] * PAGES
    return post_all(address, requests, connections=4, per_second=PAGES_PER_SECOND)


def _settle(bodies: list[bytes]) -> list[float]:
    """Settle one donation at a time, and return when each began."""
    moments = []
    for body in bodies:
        time.sleep(random.uniform(1.3, 1.7))  # noqa: S311  # any moment will do
        inbox.store_events(inbox.parse_event(body), source="webhook")
        db.session.commit()
        moments.append(time.time())
        assert event_jobs.handle_events() == 1
    return moments


class Streams:
    """The process that holds the streams."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def end(self) -> list[dict[int, float]]:
        """When each stream received each number of donations."""
        self._pipe.send("end")
        return [{int(number): moment for number, moment in received.items()} for received in json.loads(self._pipe.recv())]


@contextmanager
def _streams(address: str, count: int, *, first: int) -> Iterator[Streams]:
    """Open the streams for the duration of the block. Each has received `first` donations then."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold_streams, args=(theirs, address, count, first))
    process.start()
    assert ours.recv() == "open"
    try:
        yield Streams(ours)
    finally:
        process.terminate()
        process.join()


def _hold_streams(pipe: Connection, address: str, count: int, first: int) -> None:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert files > count + 100, f"`ulimit -n` is {files}: too few for {count} streams"
    asyncio.run(_hold(pipe, address, count, first))


async def _hold(pipe: Connection, address: str, count: int, first: int) -> None:
    host, _, port = urlsplit(address).netloc.partition(":")
    clients, listening = [_Client(number) for number in range(count)], []
    for client in clients:
        reader, writer = await asyncio.open_connection(host, int(port))
        listening.append((asyncio.create_task(client.listen(reader)), writer))
        writer.write(client.request(host))
        if client.number % 50 == 49:
            await asyncio.sleep(0.02)
    while not all(first in client.received for client in clients):  # noqa: ASYNC110  # what it waits for comes from another process
        await asyncio.sleep(0.1)
    pipe.send("open")
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    pipe.send(json.dumps([client.received for client in clients]))


class _Client:
    """One stream, which notes when it received which number of donations."""

    def __init__(self, number: int) -> None:
        self.number, self.received = number, dict[int, float]()

    def request(self, host: str) -> bytes:
        """The request, from a network of its own."""
        network = f"10.{self.number >> 16 & 255}.{self.number >> 8 & 255}.{self.number & 255}"
        lines = (
            f"GET /api/campaigns/{SLUG}/stream{QUERIES[self.number % len(QUERIES)]} HTTP/1.1",
            f"Host: {host}",
            f"X-Forwarded-For: {network}",
            "",
            "",
        )
        return "\r\n".join(lines).encode()

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Read until the stream ends."""
        rest = b""
        while data := await reader.read(65536):
            *events, rest = (rest + data).split(b"\n\n")
            for event in events:
                for found in DONATIONS.findall(event):
                    self.received.setdefault(int(found), time.time())


if __name__ == "__main__":
    sys.exit(main())
