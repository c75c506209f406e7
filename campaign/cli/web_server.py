"""How `campaign web` starts its server, granian."""

import resource
import sys
from contextlib import suppress

# Connections of one process, slow ones included. The front (web/front.py) says how many bodies may arrive at a time, and web/event_stream.py how
# many streams may be open.
MAX_REQUESTS = 4096
HEADER_SECONDS = 10
# How long requests in progress may take when the server stops. Calls to Stripe take 20 seconds at most.
STOP_SECONDS = 30
# Each connection is an open file, and many systems let a process begin with 1024.
OPEN_FILES = 65536


def command(host: str, port: int, workers: int) -> list[str]:
    """The command that runs the server."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--host", host, "--port", str(port)),
        *("--workers", str(workers), "--backlog", "1024", "--backpressure", str(MAX_REQUESTS), "--no-ws"),
        *("--http1-header-read-timeout", str(HEADER_SECONDS * 1000), "--respawn-failed-workers"),
        *("--workers-kill-timeout", str(STOP_SECONDS), "--no-access-log", "--log-level", "warning", "wsgi:front"),
    ]


def raise_limit_of_files() -> None:
    """Let this process, and the server in its place, open as many files as the system allows."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if limit == resource.RLIM_INFINITY or limit >= wanted:
        return
    with suppress(ValueError, OSError):  # macOS has a lower limit than it reports.
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
