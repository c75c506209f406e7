"""`make bench [COUNT=n]`: measure each row and print the table."""

import sys

from benchmarks import checkouts, hot_fund, settlement, webhooks
from benchmarks.place import a_place

COUNT = 3000


def main() -> int:
    """Exit 0 when every aim is reached."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    rows = []
    with a_place() as place:
        for row in (webhooks, settlement, hot_fund, checkouts):
            rows.append(row.measure(place, count))
            r = rows[-1]
            print(
                f"{r.name:<18} {r.figure:<74} floor {r.floor:<8} ratio {r.ratio:4.2f}  aim {r.aim}  {'reached' if r.reached else 'NOT REACHED'}",
                flush=True,
            )
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
