"""What information returns have still to report of a donation's refunds and disputes, and from which day.

The books name each cent that went back once. What of it was there before the first receipt is left out by that receipt; the rest is reported
by one return, unless it comes back to the charity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from campaign.rules.receipt_requirements import INFORMATION_RETURN_ABOVE_CENTS


@dataclass(frozen=True, kw_only=True)
class ReversalState:
    """One refund or dispute: what of it is in effect, what of that the first receipt left out, and what information returns report, in cents.

    `returned_at` is when the money went back; None if that is not known.
    """

    reversal_id: int
    posted_cents: int
    returned_at: datetime | None
    left_out_cents: int = 0
    reported_cents: int = 0

    @property
    def named_cents(self) -> int:
        """What of it the books name already."""
        return self.left_out_cents + self.reported_cents


def unnamed_changes(states: Sequence[ReversalState], *, charged_cents: int) -> dict[int, int]:
    """By reversal, the cents that are in effect and not named yet; less than zero for what is named and has come back since.

    `states` are all reversals of one payment, in the order in which their money went back. Together they return what was charged at most: what is
    named stays so as long as it is in effect, and the rest is counted in this order.
    """
    staying = {state.reversal_id: min(state.posted_cents, state.named_cents) for state in states}
    rest = min(charged_cents, sum(state.posted_cents for state in states)) - sum(staying.values())
    changes = {}
    for state in states:
        new = max(0, min(state.posted_cents - staying[state.reversal_id], rest))
        rest -= new
        changes[state.reversal_id] = staying[state.reversal_id] + new - state.named_cents
    return changes


def returned_cents(states: Sequence[ReversalState], changes: Mapping[int, int]) -> int:
    """What of the donation is returned since its first receipt, in cents."""
    return sum(_since_receipt(state, changes) for state in states)


def has_to_be_reported(returned: int) -> bool:
    """Whether so many cents, returned since the first receipt in one part or several, take an information return.

    The Act speaks of property of more than $50. That smaller parts are added up is our choice, so that none is left out.
    """
    return returned > INFORMATION_RETURN_ABOVE_CENTS


def reportable_from(states: Sequence[ReversalState], changes: Mapping[int, int]) -> datetime | None:
    """The moment from which the first of what is not named yet has to be reported; None if that is not known.

    A reversal has to be reported from when its money went back, but not before more than the limit had been returned, added up in the order of
    these moments, in whatever order we hear of them.
    """
    exceeded_at, returned = None, 0
    for state in states:
        returned += _since_receipt(state, changes)
        if has_to_be_reported(returned):
            exceeded_at = state.returned_at
            break
    if exceeded_at is None:
        return None
    new = (state.returned_at for state in states if changes[state.reversal_id] > 0)
    return min((max(returned_at, exceeded_at) for returned_at in new if returned_at), default=None)


def _since_receipt(state: ReversalState, changes: Mapping[int, int]) -> int:
    return max(0, state.reported_cents + changes[state.reversal_id])
