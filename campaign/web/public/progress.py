"""The progress of a campaign as its page shows it: formatted sums, the bar, and what is said about them."""

from dataclasses import dataclass
from typing import Any

from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign
from campaign.reporting.totals import Totals
from campaign.rules.money import format_money_short
from campaign.rules.progress_bar import Bar, bar_of, match_end_cents
from campaign.texts import match_copy, progress_copy
from campaign.texts.match_copy import FundStatus, MatchState
from campaign.texts.progress_copy import Reached


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark on the bar: its place and width in per cent for SVG, its label, and on which side of the mark the label is."""

    x: str
    label: str
    anchor: str


def progress_of(campaign: Campaign, totals: Totals, state: MatchState, language: str, *, takes_gifts: bool) -> dict[str, Any]:
    """The progress, ready to show."""
    reached = Reached(
        cents=totals.toward_goal_cents,
        goal_cents=totals.goal_cents,
        match_counts=totals.match_counts,
        donations=totals.donations,
        takes_gifts=takes_gifts,
        cause=campaign.cause(language),
        next_goal_cents=campaign.next_goal_cents,
    )

    def short(cents: int) -> str:
        return format_money_short(cents, language)

    return {
        "sum": short(totals.raised_cents if totals.match_counts else totals.donated_cents),
        "beside_sum": progress_copy.beside_sum(reached, language),
        "encouragement": progress_copy.encouragement(reached, language),
        "given": short(totals.donated_cents),
        "matched": short(totals.matched_cents),
        "raised": short(totals.raised_cents),
        "match_counts": totals.match_counts,
        "left": match_copy.matching_left(state, language),
        "on_hold": short(state.on_hold_cents) if state.on_hold_cents else "",
        "shows_left": takes_gifts,
        "pledged": short(totals.pledged_cents),
        "has_fund": totals.pledged_cents > 0,
        "donations": totals.donations,
        "percent": reached.percent,
        "bar": _shown_bar(totals, state, language, takes_gifts=takes_gifts) if reached.has_bar else None,
    }


def _shown_bar(totals: Totals, state: MatchState, language: str, *, takes_gifts: bool) -> dict[str, Any]:
    left = [(f.unmatched_cents, f.ratio) for f in state.funds if f.status == FundStatus.OPEN and not state.is_rematching]
    end = match_end_cents(totals.toward_goal_cents, left, match_counts=totals.match_counts) if takes_gifts else None
    bar = bar_of(
        donated_cents=totals.donated_cents,
        matched_cents=totals.matched_cents if totals.match_counts else 0,
        goal_cents=totals.goal_cents,
        match_end_cents=end,
    )
    return {"donated": _percent(bar.donated), "matched": _percent(bar.matched), **_marks(bar, totals.goal_cents, end, language)}


def _marks(bar: Bar, goal_cents: int, end_cents: int | None, language: str) -> dict[str, Mark | None]:
    goal = gettext("Goal: %(goal)s", goal=format_money_short(goal_cents, language))
    end = gettext("Matching ends at %(sum)s", sum=format_money_short(end_cents, language)) if end_cents is not None else ""
    return {
        "goal": Mark(x=_percent(bar.goal), label=goal, anchor=_anchor(bar.goal)),
        "match_end": None if bar.match_end is None else Mark(x=_percent(bar.match_end), label=end, anchor=_anchor(bar.match_end)),
    }


def _percent(thousandths: int) -> str:
    return f"{thousandths / 10:g}%"


def _anchor(thousandths: int) -> str:
    """A label near an end of the bar stays within it."""
    if thousandths < 300:
        return "start"
    return "middle" if thousandths <= 700 else "end"
