"""`make books [COUNT=300000]`, at least 25,000: the integrity check of large books, and of what is new in them.

The floor of the whole check is one pass over all entries that computes their hashes, which a check cannot do without.
Half of the donations are matched, the others and the new ones wait. Receipts have documents of the usual size: 300,000 need 35 GB of disk.
"""

import sys
import time
from collections.abc import Iterator

from sqlalchemy import text

from benchmarks import large_books
from benchmarks.place import start_servers
from benchmarks.row import Row, print_row
from campaign.edges.db import db
from campaign.reporting.integrity import checker
from campaign.reporting.integrity.scope import VerifiedPoint

COUNT = 300_000
NEW = (0, 1000, 5000)
TARGET_WHOLE, TARGET_NEW = 60, 2
HASH_ALL = "SELECT count(*) FROM ledger_entry WHERE hash = sha256(hash || digest || convert_to(concat_ws('|', kind, cents, reference, cause), 'UTF8'))"


def main() -> int:
    """Exit 0 when every target is reached, otherwise 1."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with start_servers() as servers, servers.app.app_context():
        large_books.fill(count, matched=count // 2, documents=large_books.DOCUMENTS)
        rows = [print_row(row) for row in measure(count)]
    return 0 if all(row.reached for row in rows) else 1


def measure(count: int) -> Iterator[Row]:
    """Measure a check of all books, then checks of as many new donations as NEW says. Asserts that they find nothing."""
    db.session.rollback()
    floor = _seconds(HASH_ALL)
    started = time.monotonic()
    point = _check(None)
    whole = time.monotonic() - started
    yield Row(
        name=f"check of {count}",
        target=f"< {TARGET_WHOLE} s",
        figure=f"{whole:.1f} s",
        floor=f"{floor:.1f} s",
        ratio=whole / floor,
        reached=whole < TARGET_WHOLE,
    )
    first = large_books.FIRST + count
    for new in NEW:
        if new:
            large_books.fill(new, matched=0, first=first, documents=large_books.DOCUMENTS)
        first += new
        started = time.monotonic()
        point = _check(point)
        seconds = time.monotonic() - started
        yield Row(
            name=f"check of {new} new",
            target=f"< {TARGET_NEW} s",
            figure=f"{seconds:.2f} s after {count}",
            floor=f"{whole:.1f} s",
            ratio=seconds / whole,
            reached=seconds < TARGET_NEW,
        )


def _check(since: VerifiedPoint | None) -> VerifiedPoint:
    result = checker.check(db.engine, since=since)
    assert result.point is not None, result.findings
    return result.point


def _seconds(sql: str) -> float:
    started = time.monotonic()
    db.session.execute(text(sql))
    db.session.rollback()
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main())
