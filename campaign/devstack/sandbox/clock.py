"""The account's clock: the system clock plus an offset, so that a tester can move ahead in time."""

import time

_ahead = 0


def now() -> int:
    """The account's time, in seconds since 1970."""
    return int(time.time()) + _ahead


def set_ahead(seconds: int) -> None:
    """Set how far the account's clock is ahead of the system clock."""
    global _ahead  # one process is one account and has one clock
    _ahead = seconds
