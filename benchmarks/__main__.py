"""`make bench [COUNT=n]`: measures each row and prints the table."""

import sys

from benchmarks import checkouts, hot_fund, receipts, settlement, webhooks
from benchmarks.place import start_servers
from benchmarks.row import print_row

COUNT = 3000


def main() -> int:
    """Exit 0 when every target is reached, otherwise 1."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with start_servers() as servers:
        rows = [print_row(module.measure(servers, count)) for module in (webhooks, settlement, hot_fund, checkouts)]
        rows += [print_row(row) for row in receipts.measure(servers, count)]
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
