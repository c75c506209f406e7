"""`make run` from nothing: as root and as an ordinary user, in odd places, after a kill, beside busy ports; it ends what it started and only that."""

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
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from campaign.config import ROOT
from campaign.embedded.house import free_port
from campaign.embedded.processes import command_of
from campaign.embedded.servers import NotStarted, ensure_database, prepare_postgres, start_postgres, start_valkey

RUNNER = """
import os, sys
from pathlib import Path
from campaign.embedded import __main__ as run
run.ROOT = Path(sys.argv[1])
sys.exit(run.main())
"""


class Run:
    """A `make run` of its own, with its data in a place of its own."""

    def __init__(self, place: Path, port: int, **environment: str) -> None:
        self.place, self.port = place, port
        self.log = place / "said.txt"
        place.mkdir(parents=True, exist_ok=True)
        machine = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUNNER, str(place)],
                env={**machine, "PORT": str(port), **environment},
                cwd=ROOT,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.log.read_text()

    def until(self, words: str, *, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if words in self.said():
                return self.said()
            if self.process.poll() is not None and words not in self.said():
                break
            time.sleep(0.1)
        raise AssertionError(f"it never said {words!r}, but:\n{self.said()}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(40)


@pytest.fixture
def place() -> Iterator[Path]:
    """Open to all, as the database's own user must pass through: pytest closes its folders, those of another run included."""
    home = Path(tempfile.mkdtemp(prefix="campaign-house-"))
    home.chmod(0o755)
    yield home / "a place with spaces and é"
    shutil.rmtree(home, ignore_errors=True)


def children(place: Path) -> dict[str, int]:
    return json.loads((place / "var" / "run" / "children.json").read_text())


def is_alive(pid: int) -> bool:
    return command_of(pid) != ""


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


@pytest.mark.timeout(240)
def test_a_life_of_make_run(place: Path) -> None:
    """Started, a busy port said, a second one refused, ended by Ctrl-C; then killed hard and started again on the same data."""
    port = free_port(26000, taken=set())
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port))
        busy.listen()
        first = Run(place, port)
        said = first.until("Ctrl-C stops everything.")
        assert f"Port {port} is busy; using {port + 1} instead." in said
        assert answers(port + 1)
        pids = children(place)
        assert first.end(signal.SIGINT) == 0
        assert not [name for name, pid in pids.items() if is_alive(pid)]
        assert "Stopped. The data is kept in var/." in first.said()
    third = Run(place, port)
    third.until("Ctrl-C stops everything.")
    ledger_entries = _count(place)
    pids = children(place)
    third.process.kill()
    third.process.wait(10)
    assert all(is_alive(pid) for pid in pids.values()), "a hard kill leaves children behind: that is what the next run must mend"
    fourth = Run(place, port)
    fourth.until("Ctrl-C stops everything.")
    assert not [name for name, pid in pids.items() if is_alive(pid)]
    assert _count(place) == ledger_entries == 1
    refused = Run(place, free_port(port + 60, taken=set()))
    assert refused.process.wait(30) == 2
    assert "already runs" in refused.said()
    assert answers(port)
    assert fourth.end() == 0


def _count(place: Path) -> int:
    settings = json.loads((place / "var" / "run" / "settings.json").read_text())
    shown = subprocess.run(
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
    return int(shown.stdout)


def test_a_port_that_is_no_port_is_said(place: Path) -> None:
    for wrong in ("80", "http", "70000", "-1"):
        run = Run(place, 0, PORT=wrong)
        assert run.process.wait(30) == 2
        assert "PORT must be a number" in run.said()


def test_a_setting_that_is_wrong_is_one_sentence(place: Path) -> None:
    run = Run(place, free_port(27000, taken=set()), DATABASE_URL="mysql://nowhere")
    assert run.process.wait(60) == 2
    assert "DATABASE_URL must be a PostgreSQL address" in run.said()
    assert "Traceback" not in run.said()


def test_postgres_starts_again_after_it_was_killed_and_ends_what_was_left_behind(place: Path) -> None:
    place.mkdir()
    cluster = prepare_postgres(place / "postgres")
    left_behind = start_postgres(cluster, place / "log")
    ensure_database(cluster, "kept")
    again = prepare_postgres(place / "postgres")
    left_behind.wait(20)
    server = start_postgres(again, place / "log")
    server.kill()
    server.wait(10)
    third = start_postgres(prepare_postgres(place / "postgres"), place / "log")
    with again.connect("kept") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    third.send_signal(signal.SIGINT)
    assert third.wait(20) == 0


def test_a_stale_pid_that_belongs_to_somebody_else_is_left_alone(place: Path) -> None:
    place.mkdir()
    cluster = prepare_postgres(place / "postgres")
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (cluster.data / "postmaster.pid").write_text(f"{bystander.pid}\n/somewhere\n")
    server = start_postgres(prepare_postgres(place / "postgres"), place / "log")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    server.send_signal(signal.SIGINT)
    server.wait(20)


def test_a_path_too_long_for_a_socket_gets_a_short_one(place: Path) -> None:
    deep = place / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    cluster = prepare_postgres(deep / "postgres")
    assert len(str(cluster.sockets)) <= 80
    server = start_postgres(cluster, place / "log")
    cluster.connect().close()
    server.send_signal(signal.SIGINT)
    server.wait(20)
    valkey, url = start_valkey(deep / "valkey", place / "valkey.log")
    assert len(url) < 120
    valkey.terminate()
    valkey.wait(10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a place that is closed to nobody")
def test_root_in_a_closed_directory_opens_no_directory(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(parents=True, mode=0o700)
    cluster = prepare_postgres(closed / "postgres")
    server = start_postgres(cluster, place / "log")
    cluster.connect().close()
    assert closed.stat().st_mode & 0o777 == 0o700
    server.send_signal(signal.SIGINT)
    server.wait(20)
    elsewhere = cluster.data
    (closed / "postgres" / "data").unlink()
    marked = elsewhere / "marked"
    marked.touch()
    prepare_postgres(closed / "postgres")
    assert not marked.exists(), "when var/ is deleted its data is gone"
    shutil.rmtree(elsewhere)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs all the other tests as one")
def test_an_ordinary_user_runs_it_too(place: Path) -> None:
    account = pwd.getpwnam("nobody")
    place.mkdir()
    os.chown(place, account.pw_uid, account.pw_gid)
    code = (
        "import sys; from pathlib import Path; from campaign.embedded.servers import *; h = Path(sys.argv[1]);"
        "c = prepare_postgres(h / 'p'); s = start_postgres(c, h / 'log'); c.connect().close(); s.send_signal(2); s.wait(20);"
        "v, u = start_valkey(h / 'v', h / 'vlog'); v.terminate(); v.wait(10); print('both ran')"
    )
    if not all(d.stat().st_mode & 0o001 for d in [Path(sys.executable).resolve(), *Path(sys.executable).resolve().parents]):
        pytest.skip("nobody cannot reach this Python")
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)], user="nobody", cwd="/", capture_output=True, text=True, check=False, timeout=90
    )
    assert "both ran" in done.stdout, done.stderr


def test_a_server_that_cannot_start_says_why(place: Path) -> None:
    place.mkdir()
    cluster = prepare_postgres(place / "postgres")
    (cluster.data / "postgresql.conf").write_text("nonsense = yes please\n")
    with pytest.raises(NotStarted, match="PostgreSQL ended at once"):
        start_postgres(cluster, place / "log")
