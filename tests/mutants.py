"""Mutants of the triggers that move money: one thing is changed at a time, and a test must notice. `make mutants` prints those that live.

mutmut does the same for Python (docs/mutants.md); nobody does it for what the database itself refuses.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.embedded.servers import Postgres
from tests.conftest import TEMPLATE, cluster_at, make_ready

FUNCTIONS = (
    "moved",
    "chain_ledger_entry",
    "move_balances",
    "move_matches",
    "refuse_beyond_terms",
    "refuse_match_beyond_net",
    "locked_funds",
)
TESTS = ("test_ledger", "test_incidents", "test_funds", "test_events", "test_proofs", "test_concurrency", "test_books_stateful")
CHANGES = (
    (r" \+ (?!INTERVAL)", " - "),
    (r"-sum\(", "sum("),
    (r"-cents", "cents"),
    (r" > ", " >= "),
    (r" < ", " <= "),
    (r" <> ", " = "),
    (r" = 0", " <> 0"),
    (r"IS NOT NULL", "IS NULL"),
    (r"IS NULL", "IS NOT NULL"),
    (r" AND ", " OR "),
    (r" OR ", " AND "),
    (r"NOT (?!FOUND|NULL|EXISTS)", ""),
    (r"from_account, to_account", "to_account, from_account"),
    (r"to_account, from_account", "from_account, to_account"),
    (r"moved\('(?!held)\w+'", "moved('held'"),
    (r"moved\('held'", "moved('matched'"),
    (r"max\(", "min("),
    (r"DESC", "ASC"),
    (r"count\(\*\)", "0"),
    (r"count\(\*\) FILTER \([^)]*\)\)", "count(*)"),
    (r"ceil\(", "floor("),
    (r"ratio_denominator", "ratio_numerator"),
    (r"ratio_numerator", "ratio_denominator"),
    (r"amount_cents", "net_cents"),
    (r"net_cents ELSE|ELSE d.net_cents", "ELSE d.amount_cents"),
    (r"'donation', 'offline'", "'offline'"),
    (r"'hold', 'match'", "'hold'"),
    (r"'hold', 'match'", "'match'"),
    (r"DISTINCT ", ""),
    (r" FOR NO KEY UPDATE", ""),
    (r"clock_timestamp", "now"),
    (r"'available'", "'held'"),
    (r" WHEN target THEN cents", " WHEN target THEN 0"),
    (r" WHEN source THEN -cents", ""),
)


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """What is changed, and the whole function with it; each place where a change applies is a mutant of its own."""
    body = source.index("AS $")
    for pattern, instead in CHANGES:
        for found in re.finditer(pattern, source[body:]):
            start, end = body + found.start(), body + found.end()
            line = source[source.rfind("\n", 0, start) + 1 : source.find("\n", end)].strip()
            yield f"{found.group().strip()} -> {instead.strip() or 'nothing'} in: {line[:110]}", source[:start] + instead + source[end:]


def is_noticed(home: Path) -> bool:
    """Whether a test fails, in a process of its own that has loaded everything already."""
    child = os.fork()
    if child == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        quiet = ["-o", "addopts=", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider", "-W", "ignore", "-x", "-q"]
        os._exit(pytest.main([*quiet, "--cluster", str(home), "--steps", "400", *(f"tests/{name}.py" for name in TESTS)]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def replace(cluster: Postgres, function: str) -> str | None:
    """Put this text of a function in the template of all tests; the refusal, when it is no function at all."""
    try:
        with cluster.connect(TEMPLATE) as connection:
            connection.execute(function.encode())
    except Exception as refused:
        return str(refused)
    return None


def main(wanted: list[str]) -> int:
    """Exit 0 when no mutant lives. Functions may be named; all without."""
    home = Path(tempfile.mkdtemp(prefix="campaign-mutants-"))
    server = make_ready(home)
    cluster, alive, tried = cluster_at(home), [], 0
    try:
        assert not is_noticed(home), "the tests fail before anything is changed"
        for name in wanted or FUNCTIONS:
            with cluster.connect(TEMPLATE) as connection:
                source = connection.execute("SELECT pg_get_functiondef(%s::regproc)", [name]).fetchone()[0]
            for what, changed in mutants(source):
                if replace(cluster, changed):
                    continue
                tried += 1
                if not is_noticed(home):
                    alive.append(what)
                    print(f"alive: {name}: {what}", flush=True)
            replace(cluster, source)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(home, ignore_errors=True)
    print(f"{tried} mutants, {tried - len(alive)} killed", flush=True)
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
