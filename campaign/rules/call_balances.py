"""To which calls for funds payments are applied. Pure.

What came in, in its order, is applied to the oldest calls first. The same calls and sums give the same parts, whenever and however often it is computed:
after a payment was corrected, returned or reversed, or a call cancelled, nothing is to be moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AppliedPart:
    """So many cents of the sum at the index `source` are applied to the call at the index `call`."""

    call: int
    source: int
    cents: int


def applied_in_order(calls: Sequence[int], sums: Sequence[int]) -> list[AppliedPart]:
    """The parts in the order of calls. Both are in cents, the calls oldest first, the sums in the order in which they came in; none is negative."""
    found, call, left = list[AppliedPart](), 0, calls[0] if calls else 0
    for source, cents in enumerate(sums):
        rest = cents
        while rest > 0 and call < len(calls):
            taken = min(rest, left)
            if taken:
                found.append(AppliedPart(call=call, source=source, cents=taken))
            rest, left = rest - taken, left - taken
            if left == 0:
                call += 1
                left = calls[call] if call < len(calls) else 0
    return found
