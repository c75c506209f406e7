"""`make run` from an empty directory: as root and as an ordinary user, in unusual paths, after a kill, and with busy ports."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from campaign.config import ROOT
from campaign.devstack import __main__ as make_run
from campaign.devstack.processes import command_of
from campaign.devstack.servers import StartFailed, ensure_database, prepare_postgres, start_postgres, start_valkey
from campaign.devstack.stack import free_port
from tests.patience import PATIENCE_SECONDS

RUNNER = """
import os, sys
from pathlib import Path
from campaign.devstack import __main__ as run
run.ROOT = Path(sys.argv[1])
sys.exit(run.main())
"""


class Run:
    """A `make run` with its data in its own directory."""

    def __init__(self, directory: Path, port: int, **environment: str) -> None:
        self.directory, self.port = directory, port
        self.log = directory / "output.txt"
        directory.mkdir(parents=True, exist_ok=True)
        machine = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUNNER, str(directory)],
                env={**machine, "PORT": str(port), **environment},
                cwd=ROOT,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str, *, seconds: float = PATIENCE_SECONDS) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if words in self.output():
                return self.output()
            if self.process.poll() is not None and words not in self.output():
                break
            time.sleep(0.1)
        raise AssertionError(f"the output does not contain {words!r}:\n{self.output()}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that is open to all, because the database's user must pass through it. pytest closes its own directories."""
    home = Path(tempfile.mkdtemp(prefix="campaign-devstack-"))
    home.chmod(0o755)
    yield home / "a path with spaces and é"
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def start(directory: Path) -> Iterator[Callable[..., Run]]:
    """Start a `make run` in the directory. The test ends it, or this does when the test fails."""
    runs: list[Run] = []

    def start_run(port: int, **environment: str) -> Run:
        runs.append(Run(directory, port, **environment))
        return runs[-1]

    yield start_run
    for run in runs:
        if run.process.poll() is None:
            run.end()


def children(directory: Path) -> dict[str, int]:
    pids: dict[str, int] = json.loads((directory / "var" / "run" / "children.json").read_text())
    return pids


def open_to_others(var: Path) -> set[str]:
    """Names of the files in `var` that other accounts can read; what lies in a closed directory is closed."""
    closed = {path for path in var.rglob("*") if path.is_dir() and not path.stat().st_mode & 0o077}
    files = (path for path in var.rglob("*") if path.is_file() and not closed & set(path.parents))
    return {path.name for path in files if path.stat().st_mode & 0o077}


def is_alive(pid: int) -> bool:
    return command_of(pid) != ""


def is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@pytest.mark.timeout(900)
def test_make_run_from_start_to_stop_and_after_a_kill(directory: Path, start: Callable[..., Run]) -> None:
    """Started beside a busy port and stopped by Ctrl-C; killed and started again on the same data; a second run is refused."""
    port = free_port(26000, taken=set())
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As `free_port`: connections of an earlier run may still be closing.
        busy.bind(("127.0.0.1", port))
        busy.listen()
        first = start(port)
        output = first.wait_for("Ctrl-C stops everything.")
        assert f"Port {port} is busy; using {port + 1} instead." in output
        assert is_ready(port + 1)
        assert _refusal_of_the_service(directory) == "permission denied for table ledger_entry"
        pids = children(directory)
        assert first.end(signal.SIGINT) == 0
        assert not [name for name, pid in pids.items() if is_alive(pid)]
        assert "Stopped. The data remains in var/." in first.output()
        assert open_to_others(directory / "var") == {"checkout.json", "lock", "valkey.pid"}, "none of these holds data"
    third = start(port)
    third.wait_for("Ctrl-C stops everything.")
    ledger_entries = _count(directory)
    pids = children(directory)
    third.process.kill()
    third.process.wait(PATIENCE_SECONDS)
    assert all(is_alive(pid) for pid in pids.values()), "SIGKILL leaves children behind, which the next run must end"
    fourth = start(port)
    fourth.wait_for("Ctrl-C stops everything.")
    assert not [name for name, pid in pids.items() if is_alive(pid)]
    assert _count(directory) == ledger_entries == 1
    refused = start(free_port(port + 60, taken=set()))
    assert refused.process.wait(PATIENCE_SECONDS) == 2
    assert "already running" in refused.output()
    assert is_ready(port)
    assert fourth.end() == 0


def _refusal_of_the_service(directory: Path) -> str:
    """Why the database does not let the service, as `make run` connects it, delete the ledger; the owner's address beside it would be let."""
    settings = json.loads((directory / "var" / "run" / "settings.json").read_text())
    with psycopg.connect(settings["OWNER_DATABASE_URL"].replace("+psycopg", "")) as owner:
        assert owner.execute("SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE relname = 'ledger_entry'").fetchone() == (True,)
    with psycopg.connect(settings["DATABASE_URL"].replace("+psycopg", "")) as service, pytest.raises(InsufficientPrivilege) as refusal:
        service.execute("DELETE FROM ledger_entry")
    return str(refusal.value)


def _count(directory: Path) -> int:
    settings = json.loads((directory / "var" / "run" / "settings.json").read_text())
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import psycopg,sys; print(psycopg.connect(sys.argv[1]).execute('SELECT count(*) FROM ledger_entry').fetchone()[0])",
        ]
        + [settings["DATABASE_URL"].replace("+psycopg", "")],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stdout)


def test_an_invalid_port_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("80", "http", "70000", "-1"):
        monkeypatch.setenv("PORT", wrong)
        assert make_run.main() == 2
        assert f"PORT must be a number from 1024 to 65000, not {wrong}." in capsys.readouterr().err


def test_an_invalid_setting_is_reported_in_one_sentence(start: Callable[..., Run]) -> None:
    run = start(free_port(27000, taken=set()), DATABASE_URL="mysql://nowhere")
    assert run.process.wait(PATIENCE_SECONDS) == 2
    assert "DATABASE_URL must be a PostgreSQL URL" in run.output()
    assert "Traceback" not in run.output()


def test_postgres_starts_again_after_a_kill_and_ends_a_server_left_behind(directory: Path) -> None:
    directory.mkdir()
    cluster = prepare_postgres(directory / "postgres")
    left_behind = start_postgres(cluster, directory / "log")
    ensure_database(cluster, "stored")
    again = prepare_postgres(directory / "postgres")
    left_behind.wait(PATIENCE_SECONDS)
    server = start_postgres(again, directory / "log")
    server.kill()
    server.wait(PATIENCE_SECONDS)
    third = start_postgres(prepare_postgres(directory / "postgres"), directory / "log")
    with again.connect("stored") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    third.send_signal(signal.SIGINT)
    assert third.wait(PATIENCE_SECONDS) == 0


def test_postgres_waits_for_the_last_process_of_a_killed_server(directory: Path) -> None:
    """A process that has not yet noticed the end of its server is stopped here, so that it does not notice it in time."""
    directory.mkdir()
    cluster, log = prepare_postgres(directory / "postgres"), directory / "log"
    server = start_postgres(cluster, log)
    with cluster.connect() as connection:
        (last,) = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'").fetchone() or (0,)
    os.kill(int(str(last)), signal.SIGSTOP)
    server.kill()
    server.wait(PATIENCE_SECONDS)
    seen = log.stat().st_size

    def is_refused() -> bool:
        if "is still in use" in log.read_text()[seen:]:
            with suppress(ProcessLookupError):
                os.kill(int(str(last)), signal.SIGCONT)
        return False

    again = start_postgres(prepare_postgres(directory / "postgres"), log, is_cancelled=is_refused)
    assert "is still in use" in log.read_text()[seen:], "the process held the memory"
    again.send_signal(signal.SIGINT)
    assert again.wait(PATIENCE_SECONDS) == 0


def test_a_stale_pid_of_another_program_is_left_alone(directory: Path) -> None:
    directory.mkdir()
    cluster = prepare_postgres(directory / "postgres")
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (cluster.data / "postmaster.pid").write_text(f"{bystander.pid}\n/somewhere\n")
    server = start_postgres(prepare_postgres(directory / "postgres"), directory / "log")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    server.send_signal(signal.SIGINT)
    server.wait(PATIENCE_SECONDS)


def test_a_path_too_long_for_a_socket_gets_a_short_one(directory: Path) -> None:
    deep = directory / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    cluster = prepare_postgres(deep / "postgres")
    assert len(str(cluster.sockets)) <= 80
    server = start_postgres(cluster, directory / "log")
    cluster.connect().close()
    server.send_signal(signal.SIGINT)
    server.wait(PATIENCE_SECONDS)
    valkey, url = start_valkey(deep / "valkey", directory / "valkey.log")
    assert len(url) < 120
    valkey.terminate()
    valkey.wait(PATIENCE_SECONDS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that are closed to nobody")
def test_root_does_not_change_the_permissions_of_a_closed_directory(directory: Path) -> None:
    closed = directory / "closed"
    closed.mkdir(parents=True, mode=0o700)
    cluster = prepare_postgres(closed / "postgres")
    server = start_postgres(cluster, directory / "log")
    cluster.connect().close()
    assert closed.stat().st_mode & 0o777 == 0o700
    server.send_signal(signal.SIGINT)
    server.wait(PATIENCE_SECONDS)
    data = cluster.data
    (closed / "postgres" / "data").unlink()
    marked = data / "marked"
    marked.touch()
    fresh = prepare_postgres(closed / "postgres").data
    assert fresh != data, "after var/ was deleted, its data is out of reach"
    assert marked.exists(), "but not deleted: it may be that of a checkout that was moved"
    shutil.rmtree(data)
    shutil.rmtree(fresh)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all the other tests as one")
def test_an_ordinary_user_runs_it_too(directory: Path) -> None:
    account = pwd.getpwnam("nobody")
    directory.mkdir()
    os.chown(directory, account.pw_uid, account.pw_gid)
    code = (
        "import sys; from pathlib import Path; from campaign.devstack.servers import *; h = Path(sys.argv[1]);"
        "c = prepare_postgres(h / 'p'); s = start_postgres(c, h / 'log'); c.connect().close(); s.send_signal(2); s.wait();"
        "v, u = start_valkey(h / 'v', h / 'vlog'); v.terminate(); v.wait(); print('both ran')"
    )
    if not all(d.stat().st_mode & 0o001 for d in [Path(sys.executable).resolve(), *Path(sys.executable).resolve().parents]):
        pytest.skip("nobody cannot reach this Python")
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)],
        user="nobody",
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert "both ran" in done.stdout, done.stderr


def test_a_server_that_cannot_start_reports_why(directory: Path) -> None:
    directory.mkdir()
    cluster = prepare_postgres(directory / "postgres")
    (cluster.data / "postgresql.conf").write_text("nonsense = yes please\n")
    with pytest.raises(StartFailed, match="PostgreSQL exited during startup"):
        start_postgres(cluster, directory / "log")
