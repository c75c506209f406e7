"""The figures of a campaign as other sites show them: formatted, with the words for its state."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flask import abort
from flask_babel import gettext

from campaign.campaigns.campaigns import Campaign, CampaignStatus, public_campaign
from campaign.matching.funds import funds_of
from campaign.reporting.totals import match_state, no_totals, totals_of
from campaign.rules.money import format_money_short
from campaign.rules.progress_bar import bar_of
from campaign.texts import match_copy
from campaign.texts.match_copy import FundView
from campaign.texts.progress_copy import BAR_FROM_PERCENT


@dataclass(frozen=True, kw_only=True)
class SharedFigures:
    """Sums as texts, and the parts of the bar in thousandths of its length.

    `toward_goal` is what counts toward the goal: what is raised, or what donors gave alone if `match_counts` is not set. `claim` is empty when
    the campaign takes no gifts or has no fund, `closing` while it takes gifts.
    """

    toward_goal: str
    goal: str
    percent: int
    is_empty: bool
    has_bar: bool
    donated_parts: int
    matched_parts: int
    donated: str
    matched: str
    has_fund: bool
    match_counts: bool
    claim: str
    closing: str

    @property
    def sentence(self) -> str:
        """What is raised of the goal; the goal alone while that is nothing."""
        if self.is_empty:
            return gettext("Goal: %(goal)s", goal=self.goal)
        if self.match_counts:
            return gettext("%(raised)s raised of %(goal)s", raised=self.toward_goal, goal=self.goal)
        return gettext("%(given)s given of %(goal)s", given=self.toward_goal, goal=self.goal)


def public_campaign_or_404(slug: str) -> Campaign:
    """The campaign, if strangers may see it."""
    campaign = public_campaign(slug)
    if campaign is None:
        abort(404)
    return campaign


def shared_figures(campaign: Campaign, language: str, *, in_dollars: bool = False) -> SharedFigures:
    """The figures now; `in_dollars` leaves the cents out, for pictures."""
    totals = totals_of(campaign.slug) or no_totals(campaign)
    state = match_state(campaign, funds_of(campaign.id), language, now=datetime.now(UTC))
    donated, matched = totals.donated_cents, totals.matched_cents
    if in_dollars:
        donated, matched, state = (
            _dollars(donated),
            _dollars(matched),
            replace(state, funds=tuple(_in_dollars(fund) for fund in state.funds)),
        )
    toward_goal, goal = donated + (matched if totals.match_counts else 0), totals.goal_cents
    bar = bar_of(donated_cents=donated, matched_cents=toward_goal - donated, goal_cents=goal, match_end_cents=None)
    return SharedFigures(
        toward_goal=format_money_short(toward_goal, language),
        goal=format_money_short(goal, language),
        percent=totals.toward_goal_cents * 100 // goal,
        is_empty=toward_goal <= 0,
        has_bar=totals.toward_goal_cents * 100 >= goal * BAR_FROM_PERCENT,
        donated_parts=bar.donated,
        matched_parts=bar.matched,
        donated=format_money_short(donated, language),
        matched=format_money_short(matched, language),
        has_fund=totals.pledged_cents > 0,
        match_counts=totals.match_counts,
        claim=match_copy.campaign_claim(state, language) if campaign.takes_gifts else "",
        closing=_closing(campaign.status),
    )


def _dollars(cents: int) -> int:
    return cents // 100 * 100


def _in_dollars(fund: FundView) -> FundView:
    """The fund with its balances in whole dollars, but for a last one that is not whole: it is not used up."""
    if fund.unmatched_cents < 100:
        return fund
    left, held = _dollars(fund.unmatched_cents), _dollars(fund.held_cents)
    return replace(fund, available_cents=left - held, held_cents=held)


def _closing(status: CampaignStatus) -> str:
    if status is CampaignStatus.SEALED:
        return gettext("This campaign is over, and its result is final. Thank you to everybody who gave.")
    if status is CampaignStatus.CLOSED:
        return gettext("This campaign is over. Thank you to everybody who gave.")
    return ""
