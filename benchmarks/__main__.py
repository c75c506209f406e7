"""`make bench [COUNT=n]`: measure each row and print the table."""

import sys

from benchmarks import checkouts, hot_fund, receipts, settlement, webhooks
from benchmarks.place import a_place
from benchmarks.row import Row

COUNT = 3000


def main() -> int:
    """Exit 0 when every aim is reached."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with a_place() as place:
        rows = [_told(row.measure(place, count)) for row in (webhooks, settlement, hot_fund, checkouts)]
        rows += [_told(row) for row in receipts.measure(place, count)]
    return 0 if all(row.reached for row in rows) else 1


def _told(r: Row) -> Row:
    said = "reached" if r.reached else "NOT REACHED"
    print(f"{r.name:<18} {r.figure:<74} floor {r.floor:<8} ratio {r.ratio:4.2f}  aim {r.aim}  {said}", flush=True)
    return r


if __name__ == "__main__":
    sys.exit(main())
