"""The dev stack: PostgreSQL, Valkey, sandbox, mailbox, web and worker, started in order and stopped together.

A setting in the environment replaces the embedded server. A child that dies is reported and restarted.
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
from campaign.cli.setup import set_up
from campaign.config import OWNER_URL, ROOT, STORED_IN, SettingsError, setting_descriptions, settings_from
from campaign.devstack.command_settings import stored_secrets
from campaign.devstack.copies import separate_copy
from campaign.devstack.processes import OWNER_ONLY, Child, describe_exit, end_group, end_leftovers, last_lines, open_log, stop
from campaign.devstack.servers import OWNER_LOGIN, StartFailed, ensure_database, prepare_postgres, start_postgres, start_valkey, wait_until
from campaign.edges.db import close_connections

MAX_RESTART_DELAY_SECONDS = 4


class DevStack:
    """The children of one checkout or one test run, with their data under `var`. `overrides` are settings from outside."""

    def __init__(self, var: Path, *, port: int, report: Callable[[str], None], overrides: dict[str, str]) -> None:
        self.var = var
        self.report = report
        self.overrides = {k: v for k, v in overrides.items() if k in setting_descriptions() and v}
        self.children: list[Child] = []
        self.settings: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self._owner_url = ""
        self._preferred_port = port
        self._lock: IO[str] | None = None
        self._ending = threading.Event()

    def start(self) -> None:
        """Start all children in the order of their dependencies. Raises StartFailed, after it has stopped what was started."""
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self) -> None:
        for directory in ("log", "run"):
            (self.var / directory).mkdir(parents=True, exist_ok=True)
        self._take_lock()
        separate_copy(self.var)
        end_leftovers(self.var / "run" / "children.json")
        ports = self._choose_ports()
        self.settings = {**stored_secrets(self.var), **self._defaults(ports), **self.overrides}
        if hosts := self.overrides.get("TRUSTED_HOSTS"):
            self.settings["TRUSTED_HOSTS"] = f"{hosts},127.0.0.1"  # The host of requests from the sandbox and from the dev stack.
        if "DATABASE_URL" not in self.overrides:
            self._start_postgres()
        if "REDIS_URL" not in self.overrides:
            self._start_valkey()
        self._prepare_data()
        if "STRIPE_API_BASE" not in self.overrides and "STRIPE_SECRET_KEY" not in self.overrides:
            self._start_program(
                "sandbox",
                ["-m", "campaign.devstack.sandbox", "stripe", "--port", str(ports["sandbox"]), "--state", str(self.var / "sandbox.db")]
                + ["--webhook", f"http://127.0.0.1:{ports['web']}/stripe/webhook"],
            )
        if "MAIL_URL" not in self.overrides:
            self._start_program(
                "mailbox",
                ["-m", "campaign.devstack.sandbox", "mailbox", "--port", str(ports["mailbox"]), "--smtp-port", str(ports["smtp"])]
                + ["--state", str(self.var / "mailbox.db")],
            )
        self._start_program("web", ["-m", "campaign", "web", "--port", str(ports["web"])])
        self._start_program("worker", ["-m", "campaign", "worker"])
        self._write_settings()
        ready = Request(f"http://127.0.0.1:{ports['web']}/readyz", headers={"Host": urlsplit(self.settings["BASE_URL"]).netloc})
        wait_until(lambda: self._is_ready(ready), waiting_for=lambda: self._find_waiting_for(ready), is_cancelled=self._ending.is_set)

    def _take_lock(self) -> None:
        self._lock = (self.var / "run" / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise StartFailed(f"The service is already running from {self.var.parent}; stop it first.") from None

    def _choose_ports(self) -> dict[str, int]:
        ports: dict[str, int] = {}
        for name, wanted in (
            ("web", self._preferred_port),
            ("sandbox", self._preferred_port + 1),
            ("mailbox", self._preferred_port + 2),
            ("smtp", self._preferred_port + 3),
        ):
            ports[name] = free_port(wanted, taken=set(ports.values()))
            if name == "web" and ports[name] != wanted:
                self.report(f"Port {wanted} is busy; using {ports[name]} instead.")
        return ports

    def _defaults(self, ports: dict[str, int]) -> dict[str, str]:
        self.addresses = {
            "web": f"http://127.0.0.1:{ports['web']}",
            "sandbox": f"http://127.0.0.1:{ports['sandbox']}",
            "mailbox": f"http://127.0.0.1:{ports['mailbox']}",
        }
        return {
            "BASE_URL": self.addresses["web"],
            "STRIPE_API_BASE": self.addresses["sandbox"] if "STRIPE_SECRET_KEY" not in self.overrides else "",
            "MAIL_URL": f"smtp://127.0.0.1:{ports['smtp']}",
            "MAIL_FROM": "gifts@example.org",
        }

    def _start_postgres(self) -> None:
        cluster = prepare_postgres(self.var / "postgres")
        self.settings["DATABASE_URL"], self._owner_url = cluster.url(), cluster.url(login=OWNER_LOGIN)
        log = self.var / "log" / "postgres.log"
        child = Child(
            name="postgres", log=log, start=lambda: start_postgres(cluster, log, is_cancelled=self._ending.is_set), stop_with=signal.SIGINT
        )
        self._start_child(child)
        ensure_database(cluster)

    def _start_valkey(self) -> None:
        home, log = self.var / "valkey", self.var / "log" / "valkey.log"

        def start() -> "subprocess.Popen[bytes]":
            server, url = start_valkey(home, log, is_cancelled=self._ending.is_set)
            self.settings["REDIS_URL"] = url
            return server

        self._start_child(Child(name="valkey", log=log, start=start))

    def service(self) -> Flask:
        """The service's app in this process, for short tasks."""
        return create_app(settings_from(self.settings))

    def _prepare_data(self) -> None:
        settings = {**self.settings, "DATABASE_URL": self._owner_url or self.settings["DATABASE_URL"]}
        try:
            with create_app(settings_from(settings)).app_context():
                set_up()
                close_connections()
        except (SettingsError, OperationalError) as error:
            raise StartFailed(str(error).splitlines()[0]) from None

    def environment(self) -> dict[str, str]:
        """The environment of the children: the settings and the machine's own variables."""
        machine = {k: v for k, v in os.environ.items() if k not in setting_descriptions()}
        return {**machine, **{k: v for k, v in self.settings.items() if v}, "PYTHONUNBUFFERED": "1"}

    def _start_program(self, name: str, arguments: list[str]) -> None:
        log = self.var / "log" / f"{name}.log"

        def start() -> "subprocess.Popen[bytes]":
            with open_log(log) as out:
                return subprocess.Popen(
                    [sys.executable, *arguments],
                    env=self.environment(),
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                    umask=OWNER_ONLY,
                )

        self._start_child(Child(name=name, log=log, start=start))

    def _start_child(self, child: Child) -> None:
        child.process = child.start()
        if child not in self.children:
            self.children.append(child)
        children = {p.name: p.process.pid for p in self.children if p.process}
        (self.var / "run" / "children.json").write_text(json.dumps(children))

    def _write_settings(self) -> None:
        path = self.var / "run" / "settings.json"
        path.touch(mode=0o600)
        stored = {STORED_IN: str(path.resolve()), OWNER_URL: self._owner_url, **{k: v for k, v in self.settings.items() if v}}
        path.write_text(json.dumps(stored, indent=1))

    def _check_children(self) -> None:
        for child in self.children:
            if child.process and child.process.poll() is not None:
                raise StartFailed(f"{child.name} exited during startup; the last lines of {child.log}:\n{last_lines(child.log)}")

    def _is_ready(self, ready: Request) -> bool:
        self._check_children()
        try:
            with urlopen(ready, timeout=5):
                return True
        except (URLError, OSError):
            return False

    def _find_waiting_for(self, ready: Request) -> tuple[str, Path]:
        """The name of the child that /readyz waits for, and its log."""
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
        """Restart and report the children that die, until stop_watching is called."""
        while not self._ending.wait(0.5):
            for child in self.children:
                if child.process and child.process.poll() is not None and not self._ending.is_set():
                    self._restart(child)

    def _restart(self, child: Child) -> None:
        assert child.process
        now = time.monotonic()
        child.deaths = [t for t in child.deaths if now - t < 60] + [now]
        self.report(
            f"{child.name} died ({describe_exit(child.process.returncode)}); restarting it. The last lines of {child.log}:\n{last_lines(child.log)}"
        )
        end_group(child)
        self._ending.wait(
            min(MAX_RESTART_DELAY_SECONDS, len(child.deaths) - 1)
        )  # A child that dies repeatedly is restarted with a growing delay.
        try:
            self._start_child(child)
            self.report(f"{child.name} was restarted.")
        except StartFailed as error:
            self.report(str(error))

    def has(self, name: str) -> bool:
        """Whether this child is embedded, not replaced by a setting from outside."""
        return any(child.name == name for child in self.children)

    @property
    def is_ending(self) -> bool:
        """Whether the stack was asked to stop."""
        return self._ending.is_set()

    def stop_watching(self) -> None:
        """Make `watch` return."""
        self._ending.set()

    def end(self) -> None:
        """Stop all children, the last started first."""
        self._ending.set()
        for child in reversed(self.children):
            stop(child)
        if self._lock:
            for name in ("settings.json", "children.json"):
                (self.var / "run" / name).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def free_port(wanted: int, *, taken: set[int]) -> int:
    """`wanted` on loopback, or the next port that is free and not in `taken`. Raises StartFailed."""
    for port in range(wanted, min(wanted + 200, 65536)):
        if port not in taken and not _is_busy(port):
            return port
    raise StartFailed(f"No free port was found from {wanted} on.")


def _is_busy(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
