"""Receipts issued and mailed by many workers that are killed all the time: serials 1 to n, one receipt a gift, one Message-ID each.

The suite tells a short version; `make storm` that of 10,000 receipts and eight workers.
"""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from flask import Flask
from sqlalchemy import text

from campaign.config import ROOT
from campaign.edges.db import db
from campaign.embedded.house import free_port
from campaign.giving.campaigns import Campaign
from campaign.giving.receipts import Receipt
from campaign.reporting import books
from tests.factories import paid

WAITING = "SELECT count(*) FROM outbox WHERE done_at IS NULL AND dead_at IS NULL"


class Post:
    """A mail server that takes everything, and now and then hangs up after it has taken a mail, before it says so."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.taken: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        head = envelope.content.split(b"\r\n\r\n", 1)[0].decode("ascii", "replace")
        name = next(line for line in head.splitlines() if line.lower().startswith("message-id:"))
        self.taken.append((name.partition(":")[2].strip(), sha256(envelope.content).digest()))
        if self.chance.randrange(50) == 0:
            server.transport.close()
        return "250 OK"


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Post, str]]:
    post, port = Post(17), free_port(35500, taken=set())
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    yield post, f"smtp://127.0.0.1:{port}"
    controller.stop()


class Workers:
    """Some processes that are kept alive, and killed at random moments."""

    def __init__(self, settings_file: Path, count: int, how: str = "") -> None:
        self.settings_file, self.how, self.count = settings_file, how, count
        self.running: list[subprocess.Popen[bytes]] = []
        self.deaths = 0
        self.kills_left = 0

    def keep_up(self) -> None:
        gone = [w for w in self.running if w.poll() is not None]
        self.deaths += len(gone)
        self.running = [w for w in self.running if w.poll() is None]
        while len(self.running) < self.count:
            command = [
                sys.executable,
                "-m",
                "tests.storm_worker",
                str(self.settings_file),
                str(random.randint(6, 7 * self.count)),
                *([self.how] if self.how else []),
            ]
            self.running.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL))

    def kill_one(self) -> None:
        self.kills_left -= 1
        random.choice(self.running).kill()

    def end(self) -> None:
        for worker in self.running:
            worker.kill()
        for worker in self.running:
            worker.wait()


def storm(app: Flask, workers: Workers, *, seconds: float, kill_every: float) -> None:
    """Until nothing waits any more. A dead worker's lease ends when all have stood still for a moment, as it would after a minute and a half."""
    until, next_kill = time.monotonic() + seconds, time.monotonic() + kill_every
    last, still_since = -1, time.monotonic()
    while time.monotonic() < until:
        workers.keep_up()
        waiting = db.session.execute(text(WAITING)).scalar_one()
        db.session.rollback()
        if waiting == 0:
            return
        if waiting != last:
            last, still_since = waiting, time.monotonic()
        elif time.monotonic() - still_since > 4:
            db.session.execute(text("UPDATE outbox SET not_before = now(), attempts = least(attempts, 3) WHERE done_at IS NULL"))
            db.session.commit()
            still_since = time.monotonic()
        if time.monotonic() > next_kill and waiting > workers.count and workers.kills_left:
            workers.kill_one()
            next_kill = time.monotonic() + kill_every
        time.sleep(0.1)
    raise AssertionError(f"{last} still wait")


def run(app: Flask, campaign: Campaign, server: tuple[Post, str], home: Path, size: tuple[int, int], how: str = "") -> tuple[Post, int]:
    receipts_wanted, count = size
    post, url = server
    for _ in range(receipts_wanted):
        paid(campaign, 5_00)
    settings = app.extensions["outside"].settings.model_copy(update={"mail_url": url, "log_level": "ERROR"})
    file = home / "settings.json"
    file.write_text(json.dumps(settings.model_dump()))
    workers = Workers(file, count, how)
    workers.kills_left = 2 + receipts_wanted // 20  # A worker takes seconds to begin: one that is killed again and again gets nothing done.
    try:
        storm(app, workers, seconds=110 + receipts_wanted * 0.4, kill_every=5)
    finally:
        workers.end()
    return post, workers.deaths


def test_i14_i15_i18_workers_that_are_killed_leave_no_gap_and_no_double(
    app: Flask, campaign: Campaign, server: tuple[Post, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    wanted, count = size = (request.config.getoption("--receipts"), request.config.getoption("--workers"))
    post, deaths = run(app, campaign, server, tmp_path, size)
    numbers = sorted(db.session.scalars(db.select(Receipt.number)))
    assert numbers == list(range(1, wanted + 1))
    names = dict(db.session.execute(text("SELECT message_id, count(*) FROM outbox GROUP BY 1")).all())
    assert len(names) == wanted
    assert set(names.values()) == {1}
    by_name: dict[str, set[bytes]] = {}
    for name, digest in post.taken:
        by_name.setdefault(name, set()).add(digest)
    assert by_name.keys() == names.keys(), "each mail arrived"
    assert {len(digests) for digests in by_name.values()} == {1}, "a mail that came twice was the same bytes"
    again = sum(times - 1 for times in Counter(name for name, _ in post.taken).values())
    unknown = db.session.execute(text("SELECT count(*) FROM hand_off WHERE outcome = 'unknown'")).scalar_one()
    assert again <= unknown, "a second hand-over comes only after an unknown end"
    assert deaths > 0
    print(f"{wanted} receipts, {count} workers, {deaths} deaths, {again} mails came again, {unknown} hand-overs of unknown end")
    assert books.findings(db.engine) == []


def test_control_numbers_from_a_sequence_are_caught(app: Flask, campaign: Campaign, server: tuple[Post, str], tmp_path: Path) -> None:
    db.session.execute(text("CREATE SEQUENCE serials"))
    db.session.commit()
    run(app, campaign, server, tmp_path, (40, 2), "sequence")
    assert any(sentence.startswith("I15") for sentence in books.findings(db.engine))
