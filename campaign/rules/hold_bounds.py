"""How much match may be held for people who have not paid: a share for payers is always left, and no one holds much (policy.md, section 2a)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from campaign.rules.allocation import Allocation


@dataclass(frozen=True, kw_only=True)
class HoldBounds:
    """A campaign's bounds. Those in money count for each fund by itself.

    Unpaid holds of a fund together are at most `share_percent` of what it has not matched. One unpaid checkout holds at most
    `checkout_percent` of the pledge, or `checkout_cents` if that is more: its limit. All unpaid checkouts of one e-mail, and of one network,
    hold together at most the limit at a time, and `period_factor` times the limit within `period`, checkouts that ended unpaid included.
    """

    share_percent: int = 50
    checkout_percent: int = 10
    checkout_cents: int = 1000_00
    period_factor: int = 2
    period: timedelta = timedelta(hours=2)
    open_per_email: int = 10
    open_per_network: int = 50

    def limit_of(self, pledged_cents: int) -> int:
        """The most that one unpaid checkout may hold of a fund with this pledge, in cents."""
        return max(pledged_cents * self.checkout_percent // 100, self.checkout_cents)


@dataclass(frozen=True, kw_only=True)
class FundBalance:
    """The balance of a fund, in cents."""

    pledged_cents: int
    matched_cents: int
    held_cents: int


@dataclass
class UnpaidHolds:
    """What one e-mail or one network holds without having paid.

    `open_count` is the number of its open checkouts that hold anything, `most_open` the most it may have. `open_cents` is what they hold of
    each fund now, `period_cents` what was held of each fund within the period for checkouts that are not paid.
    """

    most_open: int
    open_count: int
    open_cents: dict[int, int]
    period_cents: dict[int, int]

    def add(self, parts: Iterable[Allocation]) -> None:
        """Count the hold of one more checkout."""
        for number, part in enumerate(parts):
            self.open_count += number == 0
            self.open_cents[part.fund_id] = self.open_cents.get(part.fund_id, 0) + part.cents
            self.period_cents[part.fund_id] = self.period_cents.get(part.fund_id, 0) + part.cents


def holdable(bounds: HoldBounds, part: Allocation, balance: FundBalance, holders: Sequence[UnpaidHolds]) -> int:
    """How much of what a fund would match may be held before payment, in cents, for a checkout of these holders."""
    limit, fund_id = bounds.limit_of(balance.pledged_cents), part.fund_id
    share = (balance.pledged_cents - balance.matched_cents) * bounds.share_percent // 100 - balance.held_cents
    rest = [limit - holder.open_cents.get(fund_id, 0) for holder in holders]
    rest += [bounds.period_factor * limit - holder.period_cents.get(fund_id, 0) for holder in holders]
    return 0 if any(holder.open_count >= holder.most_open for holder in holders) else max(0, min(part.cents, share, limit, *rest))
