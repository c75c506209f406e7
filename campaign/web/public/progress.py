"""The progress of a campaign as its page shows it: formatted sums, and the parts of the bar."""

from typing import Any

from campaign.reporting.totals import Totals
from campaign.rules import money
from campaign.texts import match_copy
from campaign.texts.match_copy import MatchState

MILESTONE_PARTS = 20


def progress_of(totals: Totals, state: MatchState, language: str) -> dict[str, Any]:
    """The formatted totals, and the parts of the progress bar in thousandths of the goal."""
    goal, toward_goal = totals.goal_cents, totals.toward_goal_cents
    donated = min(1000, totals.donated_cents * 1000 // goal)
    matched = totals.matched_cents if totals.match_counts else 0
    return {
        "given": money.format_money_short(totals.donated_cents, language),
        "matched": money.format_money_short(totals.matched_cents, language),
        "raised": money.format_money_short(totals.raised_cents, language),
        "match_counts": totals.match_counts,
        "goal": money.format_money_short(goal, language),
        "left": match_copy.matching_left(state, language),
        "on_hold": money.format_money_short(state.on_hold_cents, language) if state.on_hold_cents else "",
        "pledged": money.format_money_short(totals.pledged_cents, language),
        "has_fund": totals.pledged_cents > 0,
        "donations": totals.donations,
        "donors": totals.donors,
        "given_parts": donated,
        "matched_parts": min(1000 - donated, matched * 1000 // goal),
        "percent": toward_goal * 100 // goal,
        # A nearly empty bar lowers giving (policy.md, section 2): it is hidden until a twentieth of the goal is raised.
        "has_bar": toward_goal * MILESTONE_PARTS >= goal,
    }
