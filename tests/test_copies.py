"""A checkout that was copied with its data leaves the original's processes, books and environment alone; one that was moved keeps its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign import config
from campaign.devstack import copies, directories
from campaign.devstack.copies import refuse_copied_environment, separate_copy
from campaign.devstack.processes import command_of, end_leftovers
from campaign.devstack.servers import StartFailed
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """The var/ of a checkout that has run."""
    var = tmp_path / "original" / "var"
    for directory in ("run", "valkey", "postgres/data"):
        (var / directory).mkdir(parents=True)
    separate_copy(var)
    return var


@pytest.fixture
def child(var: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the original that children.json names."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)  # campaign"], start_new_session=True)
    while "campaign" not in command_of(child.pid):  # Not before the program is in place, shortly after it has started.
        time.sleep(0.01)
    (var / "run" / "children.json").write_text(json.dumps({"web": child.pid}))
    yield child
    child.kill()
    child.wait()


def copy_of(var: Path) -> Path:
    return Path(shutil.copytree(var.parent, var.parent.with_name("copy"), symlinks=True)) / "var"


def test_a_run_in_a_copy_does_not_end_the_processes_of_the_original(var: Path, child: subprocess.Popen[bytes]) -> None:
    copy = copy_of(var)
    separate_copy(copy)
    end_leftovers(copy / "run" / "children.json")
    assert child.poll() is None
    end_leftovers(var / "run" / "children.json")
    assert child.wait(PATIENCE_SECONDS) != 0, "the control: the original ends its own"


def test_a_checkout_that_was_moved_ends_the_processes_that_it_left_behind(var: Path, child: subprocess.Popen[bytes]) -> None:
    moved = var.parent.rename(var.parent.with_name("moved")) / "var"
    separate_copy(moved)
    end_leftovers(moved / "run" / "children.json")
    assert child.wait(PATIENCE_SECONDS) != 0
    assert json.loads((moved / copies.MARKER).read_text())["path"] == str(moved)


def test_a_database_that_was_copied_while_it_ran_is_refused_with_what_to_do(var: Path) -> None:
    (var / "postgres" / "data" / "postmaster.pid").write_text("1\n")
    copy = copy_of(var)
    with pytest.raises(StartFailed, match=r"copied from .*original/var while the database was running.*stop the original and copy again"):
        separate_copy(copy)
    separate_copy(var)


def test_data_behind_a_link_is_copied_with_its_checkout_and_kept_when_it_moves(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(copies, "SHARED_DIRECTORY", shared)
    monkeypatch.setattr(directories, "SHARED_DIRECTORY", shared)
    monkeypatch.setattr(directories, "is_reachable_by_all", lambda _: False)
    monkeypatch.setattr(directories, "make_directory", lambda directory, _: directory.mkdir(exist_ok=True))
    data = directories.data_directory(var / "postgres", "nobody")
    (data / "books").write_text("ours")
    copy = copy_of(var)
    separate_copy(copy)
    theirs = directories.data_directory(copy / "postgres", "nobody")
    assert (theirs / "books").read_text() == "ours"
    (theirs / "books").write_text("theirs")
    moved = var.parent.rename(var.parent.with_name("moved")) / "var"
    separate_copy(moved)
    assert directories.data_directory(moved / "postgres", "nobody") == data
    again = var.parent / "var" / "postgres"
    again.mkdir(parents=True)
    assert list(directories.data_directory(again, "nobody").iterdir()) == [], "a new checkout at the old path has books of its own"
    assert (data / "books").read_text() == "ours"


def test_copied_settings_of_a_running_service_are_ignored(var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = var / "run" / "settings.json"
    stored = {config.STORED_IN: str(running.resolve()), config.OWNER_URL: "postgresql:///owners", "DATABASE_URL": "postgresql:///ours"}
    running.write_text(json.dumps(stored))
    copied = copy_of(var) / "run" / "settings.json"
    monkeypatch.setattr(config, "RUNNING", running)
    assert config.settings_of_running_service() == {"DATABASE_URL": "postgresql:///ours"}
    assert config.settings_of_running_service(as_owner=True) == {"DATABASE_URL": "postgresql:///owners"}
    monkeypatch.setattr(config, "RUNNING", copied)
    assert config.settings_of_running_service() == {}


def test_a_script_in_a_copied_environment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_copied_environment()
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").touch()
    monkeypatch.setattr(sys, "argv", [os.fspath(environment / "bin" / "campaign")])
    with pytest.raises(StartFailed, match=r"was copied or moved and belongs to .*; run make"):
        refuse_copied_environment()
    monkeypatch.setattr(sys, "prefix", os.fspath(environment))
    refuse_copied_environment()
