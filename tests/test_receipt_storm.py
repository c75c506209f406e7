"""Receipts issued and emailed by workers that are killed at random: serials 1 to n without gaps, one receipt and one Message-ID a donation.

The suite runs a short version; `make storm` runs 10,000 receipts with eight workers.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from multiprocessing.context import ForkServerProcess  # noqa: TC003
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from sqlalchemy import text

from campaign.campaigns.campaigns import Campaign
from campaign.config import Settings
from campaign.devstack.stack import free_port
from campaign.edges.db import db
from campaign.receipts.receipts import Receipt
from campaign.reporting.integrity import checker
from tests.factories import paid
from tests.forks import FORKS
from tools import storm_worker

WAITING = "SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL"


class MailServer:
    """An SMTP server that accepts every email, and sometimes disconnects after it has accepted one, before it responds."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.taken: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: Any, session: object, envelope: Any) -> str:  # noqa: N802
        headers = envelope.content.split(b"\r\n\r\n", 1)[0].decode("ascii", "replace")
        message_id = next(line for line in headers.splitlines() if line.lower().startswith("message-id:"))
        self.taken.append((message_id.partition(":")[2].strip(), sha256(envelope.content).digest()))
        if self.random.randrange(50) == 0:
            server.transport.close()
        return "250 OK"


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[tuple[MailServer, str]]:
    mail_server, port = MailServer(17), free_port(35500, taken=set())
    controller = Controller(mail_server, hostname="127.0.0.1", port=port)
    controller.start()
    yield mail_server, f"smtp://127.0.0.1:{port}"
    controller.stop()


class Workers:
    """Worker processes that are replaced when they exit, and killed at random."""

    def __init__(self, settings: Settings, count: int, receipts_wanted: int, *, from_sequence: bool) -> None:
        self.settings, self.from_sequence, self.count = settings, from_sequence, count
        self.running: list[ForkServerProcess] = []
        self.deaths = 0
        self.kills_left = 0
        # One of the workers issues at least this many receipts, and so exits once, whichever number it draws.
        self.exit_at = min(7 * count, receipts_wanted // count)

    def replace_exited(self) -> None:
        exited = [w for w in self.running if not w.is_alive()]
        self.deaths += len(exited)
        self.running = [w for w in self.running if w not in exited]
        while len(self.running) < self.count:
            options = {"exit_at": random.randint(2, self.exit_at), "from_sequence": self.from_sequence}
            self.running.append(FORKS.Process(target=storm_worker.work, args=(self.settings,), kwargs=options))
            self.running[-1].start()

    def kill_one(self) -> None:
        self.kills_left -= 1
        random.choice(self.running).kill()

    def end(self) -> None:
        for worker in self.running:
            worker.kill()
        for worker in self.running:
            worker.join()


def storm(app: Flask, workers: Workers, *, seconds: float, kill_every: float) -> None:
    """Run until nothing is pending. Leases of killed workers are ended after four seconds without progress; in production they end after 90."""
    deadline, next_kill = time.monotonic() + seconds, time.monotonic() + kill_every
    previous, unchanged_since = -1, time.monotonic()
    while time.monotonic() < deadline:
        workers.replace_exited()
        waiting = db.session.execute(text(WAITING)).scalar_one()
        db.session.rollback()
        if waiting == 0:
            return
        if waiting != previous:
            previous, unchanged_since = waiting, time.monotonic()
        elif time.monotonic() - unchanged_since > 4:
            db.session.execute(text("UPDATE outbox SET not_before = now(), attempts = least(attempts, 3) WHERE done_at IS NULL"))
            db.session.commit()
            unchanged_since = time.monotonic()
        if time.monotonic() > next_kill and waiting > workers.count and workers.kills_left:
            workers.kill_one()
            next_kill = time.monotonic() + kill_every
        time.sleep(0.1)
    raise AssertionError(f"{previous} emails are still pending")


def run(
    app: Flask, campaign: Campaign, server: tuple[MailServer, str], size: tuple[int, int], *, from_sequence: bool = False
) -> tuple[MailServer, int]:
    receipts_wanted, count = size
    mail_server, url = server
    for _ in range(receipts_wanted):
        paid(campaign, 5_00)
    settings = app.extensions["services"].settings.model_copy(update={"mail_url": url, "log_level": "ERROR"})
    workers = Workers(settings, count, receipts_wanted, from_sequence=from_sequence)
    workers.kills_left = 2 + receipts_wanted // 20  # Workers that are killed too often get nothing done.
    try:
        storm(app, workers, seconds=110 + receipts_wanted * 0.4, kill_every=5)
    finally:
        workers.end()
    return mail_server, workers.deaths


def test_i14_i15_i18_killed_workers_leave_no_gap_and_no_duplicate(
    app: Flask, campaign: Campaign, server: tuple[MailServer, str], request: pytest.FixtureRequest
) -> None:
    receipts_wanted, count = size = (request.config.getoption("--receipts"), request.config.getoption("--workers"))
    mail_server, deaths = run(app, campaign, server, size)
    numbers = sorted(db.session.scalars(db.select(Receipt.number)))
    assert numbers == list(range(1, receipts_wanted + 1))
    message_ids: dict[str, int] = dict(db.session.execute(text("SELECT message_id, count(*) FROM outbox GROUP BY 1")).all())
    assert len(message_ids) == receipts_wanted
    assert set(message_ids.values()) == {1}
    digests_of: dict[str, set[bytes]] = {}
    for message_id, digest in mail_server.taken:
        digests_of.setdefault(message_id, set()).add(digest)
    assert digests_of.keys() == message_ids.keys(), "each email arrived"
    assert {len(digests) for digests in digests_of.values()} == {1}, "an email that arrived twice had the same bytes"
    duplicates = sum(times - 1 for times in Counter(message_id for message_id, _ in mail_server.taken).values())
    unknown = db.session.execute(text("SELECT count(*) FROM delivery_attempt WHERE outcome = 'unknown'")).scalar_one()
    assert duplicates <= unknown, "an email is sent again only after an attempt of unknown outcome"
    assert deaths > 0
    print(
        f"{receipts_wanted} receipts, {count} workers, {deaths} deaths, {duplicates} duplicate emails, {unknown} attempts of unknown outcome"
    )
    assert checker.findings(db.engine) == []


@pytest.mark.owner
def test_control_numbers_from_a_sequence_are_caught(app: Flask, campaign: Campaign, server: tuple[MailServer, str]) -> None:
    db.session.execute(text("CREATE SEQUENCE serials"))
    db.session.commit()
    run(app, campaign, server, (20, 2), from_sequence=True)
    assert any(sentence.startswith("I15") for sentence in checker.findings(db.engine))
