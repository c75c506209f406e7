"""The bar of a campaign's progress: how far gifts and their match have come, where the match ends, and where the goal is."""

from collections.abc import Iterable
from dataclasses import dataclass

from campaign.rules.allocation import Ratio

STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Positions and widths in thousandths of the bar's length. `match_end` is None where the match ends beyond the bar, or has ended."""

    donated: int
    matched: int
    goal: int
    match_end: int | None


def bar_of(*, donated_cents: int, matched_cents: int, goal_cents: int, match_end_cents: int | None) -> Bar:
    """The bar, as long as the goal or, beyond it, as what is raised."""
    length = max(goal_cents, donated_cents + matched_cents)
    donated = donated_cents * STEPS // length
    return Bar(
        donated=donated,
        matched=(donated_cents + matched_cents) * STEPS // length - donated,
        goal=goal_cents * STEPS // length,
        match_end=match_end_cents * STEPS // length if match_end_cents is not None and match_end_cents <= length else None,
    )


def match_end_cents(reached_cents: int, unmatched: Iterable[tuple[int, Ratio]], *, match_counts: bool) -> int | None:
    """The sum at which nothing will be left to match, if all gifts from now on are matched in full; None when nothing is left now.

    `reached_cents` is what counts toward the goal now, and `unmatched` what each open fund has left, with its ratio.
    """
    left = [(cents, ratio) for cents, ratio in unmatched if cents > 0]
    if not left:
        return None
    gifts = sum(-(-cents * ratio.denominator // ratio.numerator) for cents, ratio in left)
    return reached_cents + gifts + (sum(cents for cents, _ in left) if match_counts else 0)


def next_milestone(reached_cents: int, goal_cents: int) -> int | None:
    """The next part of the goal that is worth naming, in cents; None once the goal is reached."""
    return next((part for share in (5, 10, 25, 50, 75, 100) if (part := goal_cents * share // 100) > reached_cents), None)
