"""What starts is waited for as long as it is alive; a long wait and a failure name the log."""

import subprocess
import sys
from pathlib import Path

import pytest

from campaign.embedded import servers
from campaign.embedded.servers import NotStarted, prepare_postgres, start_postgres, wait_until

LOG = Path("/var/log/part.log")


def part() -> tuple[str, Path]:
    return "the part", LOG


def test_a_slow_start_is_waited_for_and_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(servers, "NOTICE_SECONDS", 0.1)
    answers = iter([False] * 5 + [True])
    assert wait_until(lambda: next(answers), what=part, is_cancelled=lambda: False)
    assert f"Still waiting for the part after 0 seconds (log: {LOG})" in capsys.readouterr().err


def test_a_quick_start_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert wait_until(lambda: True, what=part, is_cancelled=lambda: False)
    assert capsys.readouterr() == ("", "")


def test_a_start_that_never_ends_is_given_up_with_the_name_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "LONGEST_START_SECONDS", 0.1)
    with pytest.raises(NotStarted, match=f"the part was not ready after 0.1 seconds .log: {LOG}."):
        wait_until(lambda: False, what=part, is_cancelled=lambda: False)


def test_a_cancelled_start_leaves_no_server_running(tmp_path: Path) -> None:
    cluster = prepare_postgres(tmp_path / "postgres")
    with pytest.raises(NotStarted, match="PostgreSQL was stopped before it was ready"):
        start_postgres(cluster, tmp_path / "log", is_cancelled=lambda: True)
    assert not (cluster.data / "postmaster.pid").exists()


def test_a_part_that_dies_while_it_is_waited_for_ends_the_wait(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("out of memory\n")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(NotStarted, match=f"Valkey ended at once: out of memory .whole log: {log}."):
        servers._wait(process, "Valkey", log, lambda: 1 / 0, lambda: False)
