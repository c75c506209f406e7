"""How much of which fund goes with a gift: the decision itself, as arithmetic on whole cents.

Funds are drawn on in the order given. Each cent of a gift is matched by one fund at most; a fund's odd cents round down (policy.md, section 2).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Cents of match for each cent given: 1:1 is `Ratio(numerator=1, denominator=1)`."""

    numerator: int
    denominator: int

    def match_of(self, gift_cents: int) -> int:
        """The most that this ratio gives for a gift; odd cents round down."""
        return gift_cents * self.numerator // self.denominator

    def gift_behind(self, match_cents: int) -> int:
        """The least part of a gift that earns this match."""
        return -(-match_cents * self.denominator // self.numerator)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a fund can still give."""

    fund_id: int
    ratio: Ratio
    available_cents: int


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A part of a fund that goes with a gift, held or matched."""

    fund_id: int
    cents: int


def allocate(gift_cents: int, offers: Sequence[Offer]) -> list[Allocation]:
    """Match for the unmatched part of a gift, from the first fund on.

    Never more than a fund has, never more than its ratio allows; nothing is left in a fund that could still have matched.
    """
    allocations = []
    unmatched = gift_cents
    for offer in offers:
        cents = min(offer.ratio.match_of(unmatched), offer.available_cents)
        if cents > 0:
            allocations.append(Allocation(fund_id=offer.fund_id, cents=cents))
            unmatched -= offer.ratio.gift_behind(cents)
    return allocations


def unmatched_part(gift_cents: int, allocations: Iterable[Allocation], ratios: dict[int, Ratio]) -> int:
    """The part of a gift that no allocation covers yet."""
    return gift_cents - sum(ratios[a.fund_id].gift_behind(a.cents) for a in allocations)


def total(allocations: Iterable[Allocation]) -> int:
    """Cents of match in all."""
    return sum(a.cents for a in allocations)


def full_match(gift_cents: int, ratios: Sequence[Ratio]) -> int:
    """What a gift would get if the first fund were never used up: the measure of "in full"."""
    return ratios[0].match_of(gift_cents) if ratios else 0
