"""One child process of the house: how it is started, how it ends, and what its log said last."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PROCESSES = Path("/proc")


@dataclass
class Part:
    """One child: how it is started, and the process that it is now."""

    name: str
    log: Path
    start: Callable[[], "subprocess.Popen[bytes]"]
    stop_with: signal.Signals = signal.SIGTERM
    process: "subprocess.Popen[bytes] | None" = None
    deaths: list[float] = field(default_factory=list)


def stop(part: Part) -> None:
    """End it, gently first; then whatever it left behind."""
    process = part.process
    if process is None:
        return
    if process.poll() is not None:
        end_group(part)
        return
    process.send_signal(part.stop_with)
    try:
        process.wait(8)
    except subprocess.TimeoutExpired:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait(5)
    end_group(part)


def end_group(part: Part) -> None:
    """End the children that a dead server left behind; they would go on answering beside its successor."""
    if part.process and part.name in {"web", "worker"}:
        _signal_group(part.process.pid, signal.SIGKILL)


def _signal_group(pid: int, how: signal.Signals) -> None:
    try:
        os.killpg(pid, how)
    except (ProcessLookupError, PermissionError):
        pass


def end_leftovers(children_file: Path) -> None:
    """End the children of a run that was killed: those whose numbers still belong to programs of ours."""
    try:
        children = json.loads(children_file.read_text())
    except (OSError, ValueError):
        return
    for name, pid in children.items():
        shown = command_of(pid)
        if name not in {"postgres", "valkey"} and ("campaign" in shown or "granian" in shown or "celery" in shown):
            _signal_group(pid, signal.SIGTERM)
            time.sleep(1)
            _signal_group(pid, signal.SIGKILL)
    children_file.unlink(missing_ok=True)


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, to show."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join(f"    {line[:300]}" for line in lines) or "    (the log is empty)"


def how(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit {code}"


def command_of(pid: int) -> str:
    """The command line of a living process; empty when there is none of this number."""
    if PROCESSES.exists():
        try:
            return (PROCESSES / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    return "" if "<defunct>" in shown else shown.strip()
