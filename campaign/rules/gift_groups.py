"""Groups of days, none with so few gifts that one of them shows. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

FEWEST_GIFTS = 5


@dataclass(frozen=True, kw_only=True)
class GiftGroup:
    """Consecutive days with the gifts that were matched on them, and their match in cents, net of what was returned."""

    first_on: date
    last_on: date
    gifts: int
    matched_cents: int

    def joined(self, later: "GiftGroup") -> "GiftGroup":
        """Both as one."""
        return GiftGroup(
            first_on=self.first_on,
            last_on=later.last_on,
            gifts=self.gifts + later.gifts,
            matched_cents=self.matched_cents + later.matched_cents,
        )


def group_days(days: Iterable[GiftGroup]) -> list[GiftGroup]:
    """The days, the earliest first, in the smallest groups with at least five gifts each; none when they have fewer altogether.

    The groups have all days, so that nobody finds what is missing as a difference: what is left at the end is in the last group.
    """
    groups: list[GiftGroup] = []
    for day in days:
        if groups and groups[-1].gifts < FEWEST_GIFTS:
            groups[-1] = groups[-1].joined(day)
        else:
            groups.append(day)
    # More may have been returned on the last days than was matched.
    while len(groups) > 1 and groups[-1].gifts < FEWEST_GIFTS:
        last = groups.pop()
        groups[-1] = groups[-1].joined(last)
    return [group for group in groups if group.gifts >= FEWEST_GIFTS]
