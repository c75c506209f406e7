"""A real web server in tests: `campaign web` with one process of requests."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from campaign.config import ROOT
from campaign.devstack.stack import free_port
from tests.conftest import make_settings
from tests.patience import PATIENCE_SECONDS
from tests.web import environment_of


@dataclass(frozen=True, kw_only=True)
class WebServer:
    """The server's port, and its main process, whose child answers requests."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def worker(self) -> int:
        """The id of the process that answers requests."""
        children = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=True)
        workers = [int(line.split()[0]) for line in children.stdout.splitlines() if "resource_tracker" not in line]
        assert len(workers) == 1, children.stdout
        return workers[0]

    def threads(self) -> int:
        """How many threads the process has that answers requests."""
        return len(list(Path(f"/proc/{self.worker}/task").iterdir()))


@contextmanager
def web_server(database: str, **settings: Any) -> Iterator[WebServer]:
    """Run `campaign web` for the duration of the block."""
    port = free_port(29000 + 50 * (os.getpid() % 19), taken=set())  # Tests run in several processes.
    values = make_settings(database, **{"base_url": f"http://127.0.0.1:{port}", **settings})
    command = [sys.executable, "-m", "campaign", "web", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(command, env={**os.environ, **environment_of(values)}, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield WebServer(port=port, process=process)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError("the server did not start")
