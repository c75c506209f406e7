"""How sums of a fund are shared among its funders: in whole cents that add up, in proportion to what each pledged.

Webster's method (Sainte-Laguë): a sum goes cent by cent to whom it brings nearest to their exact part. So no share ever falls when the sum grows.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


def share_out(total_cents: int, weights: Sequence[int]) -> tuple[int, ...]:
    """The share of each weight in a sum that is not negative, in cents; a tie goes to the earlier one. Each weight is more than zero.

    A share gets its cent number k at the quotient weight / (2k - 1), the largest quotients first. All whose quotient is above a bound that gives out
    at most the sum are counted at once; fewer cents than twice the number of weights are left, and follow one by one.
    """
    assert total_cents >= 0
    assert all(weight > 0 for weight in weights), weights
    all_weights = sum(weights)
    # The bound is 2 * all_weights / steps: with it, each share is less than half a cent above its part of `steps / 2`.
    steps = max(2 * total_cents - len(weights), 0)
    shares = [-(-weight * steps // all_weights) // 2 for weight in weights]
    queue = [(Fraction(2 * share + 1, weight), place) for place, (share, weight) in enumerate(zip(shares, weights, strict=True))]
    heapq.heapify(queue)
    for _ in range(total_cents - sum(shares)):
        place = queue[0][1]
        shares[place] += 1
        heapq.heapreplace(queue, (Fraction(2 * shares[place] + 1, weights[place]), place))
    return tuple(shares)


@dataclass(frozen=True, kw_only=True)
class ShareSums:
    """The sums of a fund, or one funder's share of them, in cents."""

    pledged_cents: int
    held_cents: int
    matched_cents: int
    called_cents: int
    received_cents: int

    @property
    def left_cents(self) -> int:
        """What of the pledge is neither held nor matched."""
        return self.pledged_cents - self.held_cents - self.matched_cents

    def __add__(self, other: "ShareSums") -> "ShareSums":
        """Both together."""
        return ShareSums(**{name: cents + getattr(other, name) for name, cents in vars(self).items()})


def shares_of(sums: ShareSums, weights: Sequence[int]) -> tuple[ShareSums, ...]:
    """The share of each weight in every sum. They add up to the sums, and for each of them what is held, matched and left adds up to what is pledged.

    What is held is the difference that it makes to a share, so that nobody has less than nothing left.
    """
    taken = share_out(sums.matched_cents + sums.held_cents, weights)
    matched = share_out(sums.matched_cents, weights)
    rows = zip(
        share_out(sums.pledged_cents, weights),
        (taken_cents - matched_cents for taken_cents, matched_cents in zip(taken, matched, strict=True)),
        matched,
        share_out(sums.called_cents, weights),
        share_out(sums.received_cents, weights),
        strict=True,
    )
    names = ("pledged_cents", "held_cents", "matched_cents", "called_cents", "received_cents")
    return tuple(ShareSums(**dict(zip(names, row, strict=True))) for row in rows)
