"""Which payments settle which calls for funds. Pure.

What came in, in its order, settles the oldest calls first. The same calls and sums give the same shares, whenever and however often it is computed:
after a payment was corrected, returned or reversed, or a call cancelled, nothing is to be moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many cents of the sum at the index `source` settle the call at the index `call`."""

    call: int
    source: int
    cents: int


def shares_of(calls: Sequence[int], sums: Sequence[int]) -> list[Share]:
    """The shares in the order of calls. Both are in cents, the calls oldest first, the sums in the order in which they came in; none is negative."""
    found, call, left = list[Share](), 0, calls[0] if calls else 0
    for source, cents in enumerate(sums):
        rest = cents
        while rest > 0 and call < len(calls):
            taken = min(rest, left)
            if taken:
                found.append(Share(call=call, source=source, cents=taken))
            rest, left = rest - taken, left - taken
            if left == 0:
                call += 1
                left = calls[call] if call < len(calls) else 0
    return found
