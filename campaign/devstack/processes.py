"""Child processes of the dev stack: starting, stopping, and the end of their logs."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PROCESSES = Path("/proc")
# Files of the stack hold mails with links, passwords and donors' data: no other account on the machine reads them.
OWNER_ONLY = 0o077


@dataclass
class Child:
    """A child: how to start and stop it, and its current process."""

    name: str
    log: Path
    start: Callable[[], "subprocess.Popen[bytes]"]
    stop_with: signal.Signals = signal.SIGTERM
    process: "subprocess.Popen[bytes] | None" = None
    deaths: list[float] = field(default_factory=list)


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending, readable by its owner alone."""
    log = path.open("ab")
    os.fchmod(log.fileno(), 0o666 & ~OWNER_ONLY)
    return log


def stop(child: Child) -> None:
    """Stop the child with its signal, kill it after 8 seconds, and end its process group."""
    process = child.process
    if process is None:
        return
    if process.poll() is not None:
        end_group(child)
        return
    process.send_signal(child.stop_with)
    try:
        process.wait(8)
    except subprocess.TimeoutExpired:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait(5)
    end_group(child)


def end_group(child: Child) -> None:
    """Kill the processes that a dead web or worker server left behind. They would otherwise keep serving beside its successor."""
    if child.process and child.name in {"web", "worker"}:
        _signal_group(child.process.pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def end_leftovers(children_file: Path) -> None:
    """End the children of a run that was killed, if their process ids still belong to our programs."""
    try:
        children = json.loads(children_file.read_text())
    except (OSError, ValueError):
        return
    for name, pid in children.items():
        command = command_of(pid)
        if name not in {"postgres", "valkey"} and ("campaign" in command or "granian" in command or "celery" in command):
            _signal_group(pid, signal.SIGTERM)
            time.sleep(1)
            _signal_group(pid, signal.SIGKILL)
    children_file.unlink(missing_ok=True)


def last_lines(log: Path, count: int = 5) -> str:
    """The last lines of a log, indented for display."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join(f"    {line[:300]}" for line in lines) or "    (the log is empty)"


def describe_exit(code: int | None) -> str:
    """How a process with this return code ended."""
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit {code}"


def command_of(pid: int) -> str:
    """The command line of a running process, empty when there is none with this id."""
    if PROCESSES.exists():
        try:
            return (PROCESSES / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    return "" if "<defunct>" in shown else shown.strip()
