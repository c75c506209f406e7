"""Everything that `make run` runs, as one house: servers, sandbox, mailbox, web and worker, started in order and ended together.

What is set in the environment replaces the embedded part. A child that dies is said plainly and started again.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from flask import Flask
from sqlalchemy.exc import OperationalError

from campaign import create_app
from campaign.config import ROOT, SettingsError, names_and_meanings, settings_from
from campaign.edges.db import db, hang_up
from campaign.embedded.alone import kept_secrets
from campaign.embedded.processes import Part, end_group, end_leftovers, how, last_lines, stop
from campaign.embedded.servers import NotStarted, ensure_database, prepare_postgres, start_postgres, start_valkey, wait_until
from campaign.first_steps import make_receipt_key, migrate
from campaign.giving.first_campaign import create_first_campaign

LONGEST_PAUSE_SECONDS = 4


class House:
    """The running parts of one checkout or one test run, with its data under `var`."""

    def __init__(self, var: Path, *, port: int, say: Callable[[str], None], given: dict[str, str]) -> None:
        self.var = var
        self.say = say
        self.given = {k: v for k, v in given.items() if k in names_and_meanings() and v}
        self.parts: list[Part] = []
        self.settings: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self._wanted_port = port
        self._lock: IO[str] | None = None
        self._ending = threading.Event()

    def start(self) -> None:
        """All parts, in the order in which they need each other; raises NotStarted, with nothing left running."""
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self) -> None:
        for directory in ("log", "run"):
            (self.var / directory).mkdir(parents=True, exist_ok=True)
        self._take_lock()
        end_leftovers(self.var / "run" / "children.json")
        ports = self._ports()
        self.settings = {**kept_secrets(self.var), **self._defaults(ports), **self.given}
        if hosts := self.given.get("TRUSTED_HOSTS"):
            self.settings["TRUSTED_HOSTS"] = f"{hosts},127.0.0.1"  # Where the sandbox and the house itself come from.
        if "DATABASE_URL" not in self.given:
            self._start_postgres()
        if "REDIS_URL" not in self.given:
            self._start_valkey()
        self._set_up()
        if "STRIPE_API_BASE" not in self.given and "STRIPE_SECRET_KEY" not in self.given:
            self._add(
                "sandbox",
                ["-m", "campaign.sandbox", "stripe", "--port", str(ports["sandbox"]), "--state", str(self.var / "sandbox.db")]
                + ["--webhook", f"http://127.0.0.1:{ports['web']}/stripe/webhook"],
            )
        if "MAIL_URL" not in self.given:
            self._add(
                "mailbox",
                ["-m", "campaign.sandbox", "mailbox", "--port", str(ports["mailbox"]), "--smtp-port", str(ports["smtp"])]
                + ["--state", str(self.var / "mailbox.db")],
            )
        self._add("web", ["-m", "campaign", "web", "--port", str(ports["web"])])
        self._add("worker", ["-m", "campaign", "worker"])
        self._write_settings()
        ready = Request(f"http://127.0.0.1:{ports['web']}/readyz", headers={"Host": urlsplit(self.settings["BASE_URL"]).netloc})
        wait_until(lambda: self._is_ready(ready), what=lambda: self._missing(ready), is_cancelled=self._ending.is_set)

    def _take_lock(self) -> None:
        self._lock = (self.var / "run" / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise NotStarted(f"The service already runs from {self.var.parent}; stop that one first.") from None

    def _ports(self) -> dict[str, int]:
        ports: dict[str, int] = {}
        for name, wanted in (
            ("web", self._wanted_port),
            ("sandbox", self._wanted_port + 1),
            ("mailbox", self._wanted_port + 2),
            ("smtp", self._wanted_port + 3),
        ):
            ports[name] = free_port(wanted, taken=set(ports.values()))
            if name == "web" and ports[name] != wanted:
                self.say(f"Port {wanted} is busy; using {ports[name]} instead.")
        return ports

    def _defaults(self, ports: dict[str, int]) -> dict[str, str]:
        self.addresses = {
            "web": f"http://127.0.0.1:{ports['web']}",
            "sandbox": f"http://127.0.0.1:{ports['sandbox']}",
            "mailbox": f"http://127.0.0.1:{ports['mailbox']}",
        }
        return {
            "BASE_URL": self.addresses["web"],
            "STRIPE_API_BASE": self.addresses["sandbox"] if "STRIPE_SECRET_KEY" not in self.given else "",
            "MAIL_URL": f"smtp://127.0.0.1:{ports['smtp']}",
            "MAIL_FROM": "gifts@example.org",
        }

    def _start_postgres(self) -> None:
        cluster = prepare_postgres(self.var / "postgres")
        self.settings["DATABASE_URL"] = cluster.url()
        log = self.var / "log" / "postgres.log"
        part = Part(
            name="postgres", log=log, start=lambda: start_postgres(cluster, log, is_cancelled=self._ending.is_set), stop_with=signal.SIGINT
        )
        self._begin(part)
        ensure_database(cluster)

    def _start_valkey(self) -> None:
        home, log = self.var / "valkey", self.var / "log" / "valkey.log"

        def start() -> "subprocess.Popen[bytes]":
            server, url = start_valkey(home, log, is_cancelled=self._ending.is_set)
            self.settings["REDIS_URL"] = url
            return server

        self._begin(Part(name="valkey", log=log, start=start))

    def service(self) -> Flask:
        """The app of this house, in this process: for what is done once and quickly."""
        return create_app(settings_from(self.settings))

    def _set_up(self) -> None:
        try:
            with self.service().app_context():
                migrate()
                create_first_campaign()
                db.session.commit()
                make_receipt_key()
                hang_up()
        except (SettingsError, OperationalError) as error:
            raise NotStarted(str(error).splitlines()[0]) from None

    def command(self, *arguments: str) -> str:
        """What a command of ours prints, run in this house."""
        done = subprocess.run(
            [sys.executable, "-m", "campaign", *arguments], env=self.environment(), cwd=ROOT, capture_output=True, text=True
        )
        return done.stdout.strip()

    def environment(self) -> dict[str, str]:
        """What the children see: the settings, and what the machine needs."""
        machine = {k: v for k, v in os.environ.items() if k not in names_and_meanings()}
        return {**machine, **{k: v for k, v in self.settings.items() if v}, "PYTHONUNBUFFERED": "1"}

    def _add(self, name: str, arguments: list[str]) -> None:
        log = self.var / "log" / f"{name}.log"

        def start() -> "subprocess.Popen[bytes]":
            with log.open("ab") as out:
                return subprocess.Popen(
                    [sys.executable, *arguments],
                    env=self.environment(),
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )

        self._begin(Part(name=name, log=log, start=start))

    def _begin(self, part: Part) -> None:
        part.process = part.start()
        if part not in self.parts:
            self.parts.append(part)
        children = {p.name: p.process.pid for p in self.parts if p.process}
        (self.var / "run" / "children.json").write_text(json.dumps(children))

    def _write_settings(self) -> None:
        path = self.var / "run" / "settings.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({k: v for k, v in self.settings.items() if v}, indent=1))

    def _died_early(self) -> None:
        for part in self.parts:
            if part.process and part.process.poll() is not None:
                raise NotStarted(f"{part.name} ended at once; the last lines of {part.log}:\n{last_lines(part.log)}")

    def _is_ready(self, ready: Request) -> bool:
        self._died_early()
        try:
            with urlopen(ready, timeout=5):
                return True
        except (URLError, OSError):
            return False

    def _missing(self, ready: Request) -> tuple[str, Path]:
        """The part that /readyz waits for, and its log."""
        try:
            with urlopen(ready, timeout=5):
                name = "web"
        except HTTPError as error:
            with error:
                name = "worker" if b'"worker"' in error.read() else "postgres"
        except (URLError, OSError):
            name = "web"
        return name, self.var / "log" / f"{name}.log"

    def watch(self) -> None:
        """Until told to end: start again what dies, and say so."""
        while not self._ending.wait(0.5):
            for part in self.parts:
                if part.process and part.process.poll() is not None and not self._ending.is_set():
                    self._revive(part)

    def _revive(self, part: Part) -> None:
        assert part.process
        now = time.monotonic()
        part.deaths = [t for t in part.deaths if now - t < 60] + [now]
        self.say(
            f"{part.name} died ({how(part.process.returncode)}); starting it again. The last lines of {part.log}:\n{last_lines(part.log)}"
        )
        end_group(part)
        self._ending.wait(min(LONGEST_PAUSE_SECONDS, len(part.deaths) - 1))  # What dies at once is started a little later each time.
        try:
            self._begin(part)
            self.say(f"{part.name} was started again.")
        except NotStarted as error:
            self.say(str(error))

    def has(self, name: str) -> bool:
        """Whether this part is ours and not given from outside."""
        return any(part.name == name for part in self.parts)

    @property
    def is_ending(self) -> bool:
        """Whether somebody asked for the end."""
        return self._ending.is_set()

    def stop_watching(self) -> None:
        """Make `watch` return."""
        self._ending.set()

    def end(self) -> None:
        """End all parts, the last started first, and nothing else."""
        self._ending.set()
        for part in reversed(self.parts):
            stop(part)
        if self._lock:
            for name in ("settings.json", "children.json"):
                (self.var / "run" / name).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def free_port(wanted: int, *, taken: set[int]) -> int:
    """This port on loopback, or the next one that is free."""
    for port in range(wanted, min(wanted + 200, 65536)):
        if port not in taken and not _is_busy(port):
            return port
    raise NotStarted(f"No free port was found from {wanted} on.")


def _is_busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
