"""`make exports`: how soon each export and a fund's statement begin and how much memory they take, in the books that DATABASE_URL names.

The floor is a page that asks nothing. Each export is read for a minute, or to its end, in a process of its own, which reports how much it grew.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context

from benchmarks.pages import signed_in
from benchmarks.row import Row, print_row
from campaign.campaigns.campaigns import current_campaign
from campaign.config import read_settings
from campaign.matching.funds import funds_of
from campaign.rules import statement_periods

from campaign import create_app  # isort: skip

TARGET_SECONDS, TARGET_MB, LONGEST_SECONDS = 0.5, 100, 60
EXPORTS = ("donations", "donors", "receipts", "ledger", "payouts", "consents")
FORMATS, STATEMENT_FORMATS = ("csv", "xlsx"), ("csv", "xlsx", "json")
ALL_DAYS = "from=2020-01-01&to=2030-12-31"


@dataclass(frozen=True, kw_only=True)
class Download:
    """What one download took."""

    floor_seconds: float
    first_byte_seconds: float
    seconds: float
    size: int
    grown_mb: float


def main() -> int:
    """Exit 0 when every target is reached, otherwise 1."""
    if not os.environ.get("DATABASE_URL"):
        print("DATABASE_URL must name the database of a service with books, for example those of `campaign seed --bulk`.", file=sys.stderr)
        return 2
    rows = [print_row(row) for row in measure()]
    return 0 if all(row.reached for row in rows) else 1


def measure() -> Iterator[Row]:
    """Measure each export, and the statement of the first fund from its beginning, in each format."""
    addresses = {
        f"{what}.{extension}": f"/staff/exports/file?what={what}&{ALL_DAYS}&headings=fr&format={extension}"
        for what in EXPORTS
        for extension in FORMATS
    }
    for name, address in {**addresses, **_statements()}.items():
        download = _in_a_process_of_its_own(address)
        yield Row(
            name=name,
            target=f"first byte < {TARGET_SECONDS} s, < {TARGET_MB} MB",
            figure=f"first byte {download.first_byte_seconds:.2f} s, {download.size / 1e6:.1f} MB in {download.seconds:.0f} s,"
            f" {download.grown_mb:.0f} MB of memory",
            floor=f"{download.floor_seconds * 1000:.0f} ms",
            ratio=download.first_byte_seconds / download.floor_seconds,
            reached=download.first_byte_seconds < TARGET_SECONDS and download.grown_mb < TARGET_MB,
        )


def _statements() -> dict[str, str]:
    app = create_app(read_settings())
    with app.app_context():
        campaign = current_campaign()
        assert campaign
        fund, period = funds_of(campaign.id)[0], statement_periods.to_moment(datetime.now(UTC).replace(microsecond=0))
        return {f"statement.{form}": f"/staff/funds/{fund.slug}/statements/{period.name}.{form}" for form in STATEMENT_FORMATS}


def _in_a_process_of_its_own(address: str) -> Download:
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_download, (address,))


def _download(address: str) -> Download:
    app = create_app(read_settings())
    with app.app_context():
        client = signed_in(app)
    client.get("/staff/exports")
    floor = min(_seconds(lambda: client.get("/healthz")) for _ in range(5))
    before = _peak_mb()
    started = time.perf_counter()
    answer = client.get(address, buffered=False)
    chunks = answer.iter_encoded()
    size = len(next(chunks))
    first = time.perf_counter() - started
    while time.perf_counter() - started < LONGEST_SECONDS and (chunk := next(chunks, None)) is not None:
        size += len(chunk)
    assert answer.status_code == 200, f"{address}: {answer.status}"
    answer.close()
    return Download(
        floor_seconds=floor,
        first_byte_seconds=first,
        seconds=time.perf_counter() - started,
        size=size,
        grown_mb=_peak_mb() - before,
    )


def _seconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
