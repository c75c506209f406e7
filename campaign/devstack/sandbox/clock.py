"""The account's two clocks, both from the system clock, so that a tester can move ahead in time and still open checkouts.

`now` moves ahead with the tester: subscriptions, payouts, bank debits, refunds, disputes and what they create follow it. `request_time`
does not: requests are judged by it (the expiry of a Checkout Session, the Date header), as the service has only the real time. A skew
moves both, as if the clocks of Stripe and of the service differed.
"""

import time

_ahead = 0
_skew = 0


def now() -> int:
    """The account's time, in seconds since 1970."""
    return request_time() + _ahead


def request_time() -> int:
    """The time by which requests are judged, in seconds since 1970."""
    return int(time.time()) + _skew


def set_ahead(seconds: int) -> None:
    """Set how far the account's clock is ahead of that of requests."""
    global _ahead  # one process is one account and has one clock
    _ahead = seconds


def set_skew(seconds: int) -> None:
    """Set how far Stripe's clocks are ahead of the system clock, or behind it when negative."""
    global _skew
    _skew = seconds
