"""The two moments of a payment: when the donor made it, and when the charity had it (policy.md, section 2b).

Both are facts of Stripe's charge. An event does not name them, but says between which two moments the charge was made. While neither the end
of a day nor the edge of a fund's window lies between the two, every moment in between leads to the same match and the same date.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True)
class PaymentMoments:
    """`authorized_at` decides the windows of funds, `received_at` dates the receipt; `is_of_charge` is whether they were read from the charge.

    Otherwise the charge was made at `not_before` or later, if that is known, and at `authorized_at` at the latest.
    """

    authorized_at: datetime
    received_at: datetime
    is_of_charge: bool = False
    not_before: datetime | None = None

    def is_decisive(self, edges: Iterable[datetime], zones: Iterable[ZoneInfo]) -> bool:
        """Whether these moments lead to the same windows and the same dates as those of the charge.

        `edges` are the starts and ends of windows, `zones` the time zones in which days are counted.
        """
        if self.is_of_charge or self.not_before is None:
            return True
        return are_alike(self.not_before, self.authorized_at, edges, zones)


def moments_of_charge(charged_at: datetime, *, succeeded_at: datetime | None = None) -> PaymentMoments:
    """The moments of a payment whose charge was created at `charged_at`.

    A card is charged at once. A bank debit is submitted then, and succeeds days later, at `succeeded_at`.
    """
    return PaymentMoments(authorized_at=charged_at, received_at=max(charged_at, succeeded_at or charged_at), is_of_charge=True)


def are_alike(one: datetime, other: datetime, edges: Iterable[datetime], zones: Iterable[ZoneInfo]) -> bool:
    """Whether no edge of a window and no end of a day lies between two moments. A window includes its start and excludes its end."""
    first, last = min(one, other), max(one, other)
    if any(first < edge <= last for edge in edges):
        return False
    return all(first.astimezone(zone).date() == last.astimezone(zone).date() for zone in zones)
