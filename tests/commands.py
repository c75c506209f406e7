"""Commands in tests: each runs in a process of its own."""

import os
import pty
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

from campaign.cli import main
from campaign.config import ROOT
from tests.forks import FORKS
from tests.patience import PATIENCE_SECONDS


def run_command(*arguments: str, environment: Mapping[str, str], typed: str | None = None) -> CompletedProcess[str]:
    """Run `campaign` with these arguments and nothing but this environment; with what is `typed`, at a terminal."""
    with tempfile.TemporaryDirectory() as folder, _terminal(typed) as terminal:
        output, errors = Path(folder) / "output", Path(folder) / "errors"
        process = FORKS.Process(target=_run, args=(arguments, dict(environment), output, errors, terminal))
        process.start()
        process.join(PATIENCE_SECONDS)
        code = process.exitcode
        process.kill()
        process.join()
        assert code is not None, f"{arguments} took more than {PATIENCE_SECONDS} seconds"
        return CompletedProcess(arguments, code, output.read_text(), errors.read_text())


@contextmanager
def _terminal(typed: str | None) -> Iterator[str]:
    """The name of a terminal at which this is typed; empty for none."""
    if typed is None:
        yield ""
        return
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed.encode())
        yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def _run(arguments: tuple[str, ...], environment: dict[str, str], output: Path, errors: Path, terminal: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    for path, descriptor in ((output, 1), (errors, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
    if terminal:
        os.dup2(os.open(terminal, os.O_RDONLY | os.O_NOCTTY), 0)
        sys.stdin = os.fdopen(0)
    sys.argv = ["campaign", *arguments]
    main.main()
