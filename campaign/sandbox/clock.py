"""The account's clock: ours, moved ahead by whoever wants next month to be now."""

import time

_ahead = 0


def now() -> int:
    """Seconds since 1970 at the account."""
    return int(time.time()) + _ahead


def set_ahead(seconds: int) -> None:
    """How far the account's clock is ahead of ours."""
    global _ahead  # one clock for one process that is one account
    _ahead = seconds
