"""A starting server is awaited while it is alive; a long wait and a failure name its log."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.devstack import servers
from campaign.devstack.servers import StartFailed, prepare_postgres, start_postgres, wait_until

LOG = Path("/var/log/server.log")


def describe_server() -> tuple[str, Path]:
    return "the server", LOG


def test_a_slow_start_is_awaited_and_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(servers, "NOTICE_SECONDS", 0.1)
    results = iter([False] * 5 + [True])
    assert wait_until(lambda: next(results), waiting_for=describe_server, is_cancelled=lambda: False)
    assert f"Still waiting for the server after 0 seconds (log: {LOG})" in capsys.readouterr().err


def test_a_quick_start_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert wait_until(lambda: True, waiting_for=describe_server, is_cancelled=lambda: False)
    assert capsys.readouterr() == ("", "")


def test_a_start_that_never_completes_fails_with_the_path_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MAX_START_SECONDS", 0.1)
    with pytest.raises(StartFailed, match=f"the server was not ready after 0.1 seconds .log: {LOG}."):
        wait_until(lambda: False, waiting_for=describe_server, is_cancelled=lambda: False)


@pytest.mark.parametrize("interrupt", [signal.SIG_DFL, signal.SIG_IGN], ids=["in the foreground", "in the background of a shell"])
def test_a_cancelled_start_leaves_no_server_running(tmp_path: Path, interrupt: signal.Handlers) -> None:
    cluster, before = prepare_postgres(tmp_path / "postgres"), signal.signal(signal.SIGINT, interrupt)
    try:
        for _ in range(3):
            with pytest.raises(StartFailed, match="PostgreSQL was stopped before it was ready"):
                start_postgres(cluster, tmp_path / "log", is_cancelled=lambda: True)
            assert not (cluster.data / "postmaster.pid").exists()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("output", ["out of memory\n", "FATAL:  out of memory\nHINT:  Buy some.\nLOG:  database system is shut down\n"])
def test_a_process_that_exits_while_awaited_ends_the_wait_and_its_reason_is_named(tmp_path: Path, output: str) -> None:
    log = tmp_path / "log"
    log.write_text("FATAL:  of an earlier start\n")
    start = log.stat().st_size
    with log.open("a") as out:
        out.write(output)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(StartFailed, match=f"Valkey exited during startup: (FATAL:  )?out of memory .full log: {log}."):
        servers._wait(process, "Valkey", log, start, lambda: 1 / 0, lambda: False)
