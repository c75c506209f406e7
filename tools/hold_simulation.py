"""What unpaid holds cost attackers and honest donors, by policy: `python -m tools.hold_simulation` prints a table.

Attackers begin checkouts of $25,000 that they never pay, each from a network and an e-mail of its own, and again when a hold ends. Honest donors
come one by one, begin a checkout, and pay three minutes later; what was held for them is matched, and the rest if there is any.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from campaign.rules.allocation import Allocation
from campaign.rules.hold_bounds import FundBalance, HoldBounds, UnpaidHolds, holdable

PLEDGE = 50_000_00
ATTACK = 25_000_00
FUND = 1
HOLD_MINUTES = 32
PAYING_MINUTES = 3
MINUTES = 8 * 60
GIFTS = [25_00, 50_00, 100_00, 100_00, 250_00, 500_00]
MANY = 10**6

UNBOUNDED = HoldBounds(share_percent=100, checkout_percent=100, period_factor=MANY, open_per_email=MANY, open_per_network=MANY)
POLICIES = {
    "no bound": UNBOUNDED,
    "a tenth for each checkout, no share": replace(UNBOUNDED, checkout_percent=10, period_factor=2),
    "half for those who pay, nothing else": replace(UNBOUNDED, share_percent=50),
    "as campaigns begin": HoldBounds(),
}


@dataclass
class World:
    """A fund and the holds in it, with the minute at which each ends."""

    bounds: HoldBounds
    matched: int = 0
    open_holds: list[tuple[int, int]] = field(default_factory=list)
    holders: dict[str, UnpaidHolds] = field(default_factory=dict)

    @property
    def held(self) -> int:
        """What is on hold, in cents."""
        return sum(cents for _, cents in self.open_holds)

    @property
    def available(self) -> int:
        """What is neither matched nor on hold, in cents."""
        return PLEDGE - self.matched - self.held

    def hold(self, minute: int, name: str, wanted: int) -> int:
        """Begin a checkout. Returns what is held for it, in cents."""
        one = self.holders.setdefault(name, UnpaidHolds(most_open=self.bounds.open_per_email, open_count=0, open_cents={}, period_cents={}))
        balance = FundBalance(pledged_cents=PLEDGE, matched_cents=self.matched, held_cents=self.held)
        cents = holdable(self.bounds, Allocation(fund_id=FUND, cents=min(wanted, self.available)), balance, [one])
        one.add([Allocation(fund_id=FUND, cents=cents)] if cents else [])
        self.open_holds.append((minute + HOLD_MINUTES, cents))
        return cents

    def pay(self, held: int, minute: int, wanted: int) -> int:
        """Pay a checkout. Returns what it is matched with at once, in cents."""
        self.open_holds.remove((minute, held))
        matched = held + min(wanted - held, self.available)
        self.matched += matched
        return matched

    def expire(self, minute: int) -> None:
        """End the holds whose time has passed."""
        self.open_holds = [(ends, cents) for ends, cents in self.open_holds if ends > minute]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What honest donors got, in cents, and how much was on hold for attackers at the worst moment."""

    gifts: int
    given: int
    matched: int
    in_full: int
    worst_percent: int


def simulate(bounds: HoldBounds, *, attackers: int, donors: int, seed: int) -> Outcome:
    """A day of eight hours with both."""
    chance, world = random.Random(seed), World(bounds)  # a simulation
    arrivals = sorted((chance.randrange(MINUTES - PAYING_MINUTES), chance.choice(GIFTS)) for _ in range(donors))
    paying: list[tuple[int, int, int, int]] = []
    given = matched = in_full = worst = 0
    for minute in range(MINUTES):
        world.expire(minute)
        for number in range(attackers):
            if minute % HOLD_MINUTES == 0:
                world.hold(minute, f"attacker {number} {minute // 120}", ATTACK)
        worst = max(worst, world.held * 100 // max(1, PLEDGE - world.matched))
        for number, (arrival, cents) in enumerate(arrivals):
            if arrival == minute:
                paying.append((minute + PAYING_MINUTES, minute + HOLD_MINUTES, world.hold(minute, f"donor {number}", cents), cents))
        for due, ends, held, cents in [one for one in paying if one[0] == minute]:
            paying.remove((due, ends, held, cents))
            got = world.pay(held, ends, cents)
            given, matched, in_full = given + cents, matched + got, in_full + (got == cents)
    return Outcome(gifts=donors, given=given, matched=matched, in_full=in_full, worst_percent=worst)


def lines(simulate_one: Callable[..., Outcome] = simulate) -> Iterator[str]:
    """The table, line by line."""
    yield f"{'policy':40} {'attackers':>9} {'gifts':>6} {'in full':>8} {'matched of given':>22} {'most on hold':>13}"
    for name, bounds in POLICIES.items():
        for attackers in (0, 2, 1000):
            outcome = simulate_one(bounds, attackers=attackers, donors=200, seed=1)
            sums = f"${outcome.matched // 100:,} of ${outcome.given // 100:,}"
            yield f"{name:40} {attackers:9} {outcome.gifts:6} {outcome.in_full:8} {sums:>22} {outcome.worst_percent:12}%"


if __name__ == "__main__":
    for line in lines():
        print(line)
