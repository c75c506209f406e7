"""Mutation tests of the triggers that move money: each mutant has one change, and a test must fail. `make mutants` prints the survivors.

mutmut does the same for Python (docs/mutants.md), but not for SQL in the database.
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

from campaign.devstack.servers import Postgres
from tests.conftest import TEMPLATE, cluster_at, start_cluster

FUNCTIONS = (
    "account_change",
    "chain_ledger_entry",
    "move_balances",
    "move_matches",
    "move_donor",
    "refuse_match_beyond_terms",
    "refuse_match_beyond_net",
    "locked_funds",
    "refuse_raise_by_one_person",
    "refuse_pledge_without_change",
)
TESTS = (
    "test_ledger",
    "test_incidents",
    "test_funds",
    "test_events",
    "test_proofs",
    "test_concurrency",
    "test_donor_merges",
    "test_books_stateful",
    "test_pledges",
)
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
    (r"account_change\('(?!held)\w+'", "account_change('held'"),
    (r"account_change\('held'", "account_change('matched'"),
    (r"max\(", "min("),
    (r"DESC", "ASC"),
    (r"count\(\*\)", "0"),
    (r"count\(\*\) FILTER \([^)]*\)\)", "count(*)"),
    (r"ceil\(", "floor("),
    (r"ratio_denominator", "ratio_numerator"),
    (r"ratio_numerator", "ratio_denominator"),
    (r"amount_cents", "net_cents"),
    (r"net_cents ELSE|ELSE d.net_cents", "ELSE d.amount_cents"),
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
    """Yield a description and the changed function for every place where a change applies."""
    body = source.index("AS $")
    for pattern, replacement in CHANGES:
        for match in re.finditer(pattern, source[body:]):
            start, end = body + match.start(), body + match.end()
            line = source[source.rfind("\n", 0, start) + 1 : source.find("\n", end)].strip()
            yield (
                f"{match.group().strip()} -> {replacement.strip() or 'nothing'} in: {line[:110]}",
                source[:start] + replacement + source[end:],
            )


def is_killed(home: Path) -> bool:
    """Whether a test fails, in a forked process that has already loaded all modules."""
    child = os.fork()
    if child == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        quiet = ["-o", "addopts=", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider", "-W", "ignore", "-x", "-q"]
        os._exit(pytest.main([*quiet, "--cluster", str(home), *(f"tests/{name}.py" for name in TESTS)]))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def replace(cluster: Postgres, function: str) -> str | None:
    """Replace a function in the template database. Returns the error when the database rejects the text, else None."""
    try:
        with cluster.connect(TEMPLATE) as connection:
            connection.execute(function.encode())
    except Exception as error:
        return str(error)
    return None


def main(names: list[str]) -> int:
    """Exit 0 when no mutant survives. Tests the named functions, or all when none is named."""
    home = Path(tempfile.mkdtemp(prefix="campaign-mutants-"))
    server = start_cluster(home)
    cluster, tried = cluster_at(home), 0
    survivors: list[str] = []
    try:
        assert not is_killed(home), "the tests fail without a mutant"
        for name in names or FUNCTIONS:
            with cluster.connect(TEMPLATE) as connection:
                row = connection.execute("SELECT pg_get_functiondef(%s::regproc)", [name]).fetchone()
            assert row
            source = str(row[0])
            for description, mutant in mutants(source):
                if replace(cluster, mutant):
                    continue
                tried += 1
                if not is_killed(home):
                    survivors.append(description)
                    print(f"survived: {name}: {description}", flush=True)
            replace(cluster, source)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(home, ignore_errors=True)
    print(f"{tried} mutants, {tried - len(survivors)} killed", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
