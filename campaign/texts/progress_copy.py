"""What a campaign's page says about its progress, from the first gift to beyond the goal."""

from dataclasses import dataclass

from campaign.rules.money import format_money_short
from campaign.rules.progress_bar import next_milestone
from campaign.texts.catalogue import Translator, translator

# A nearly empty bar lowers giving (policy.md, section 2): it is hidden until a twentieth of the goal is raised.
BAR_FROM_PERCENT = 5


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What counts toward the goal, in cents. `match_counts` is whether the match does; `takes_gifts` whether the campaign still takes gifts.

    `cause` is what the gifts go to. `next_goal_cents` is the goal after the goal, if there is one.
    """

    cents: int
    goal_cents: int
    match_counts: bool
    donations: int
    takes_gifts: bool
    cause: str
    next_goal_cents: int | None = None

    @property
    def percent(self) -> int:
        """The whole per cent of the goal."""
        return self.cents * 100 // self.goal_cents

    @property
    def has_bar(self) -> bool:
        """Whether the bar is shown."""
        return self.percent >= BAR_FROM_PERCENT


def beside_sum(reached: Reached, language: str) -> str:
    """What follows the large sum: of what goal, or how far beyond it."""
    to = translator(language)
    goal = format_money_short(reached.goal_cents, language)
    if reached.percent > 100:
        if reached.match_counts:
            return to.gettext("raised, %(percent)s%% of the goal", percent=reached.percent)
        return to.gettext("given, %(percent)s%% of the goal", percent=reached.percent)
    return to.gettext("raised of %(goal)s", goal=goal) if reached.match_counts else to.gettext("given of %(goal)s", goal=goal)


def encouragement(reached: Reached, language: str) -> str:
    """One sentence about where the campaign is; empty where the sums say it all."""
    to = translator(language)
    if reached.percent >= 100:
        return _beyond_goal(reached, to)
    if not reached.takes_gifts:
        return ""
    if not reached.donations:
        return to.gettext("Be the first to give.")
    if reached.percent >= 90:
        left = format_money_short(reached.goal_cents - reached.cents, language)
        return to.gettext("Only %(left)s to go.", left=left)
    if reached.percent >= 50:
        return to.gettext("More than halfway to the goal.")
    milestone = next_milestone(reached.cents, reached.goal_cents)
    if reached.has_bar or milestone is None:
        return ""
    return to.gettext("Next milestone: %(sum)s", sum=format_money_short(milestone, language))


def _beyond_goal(reached: Reached, to: Translator) -> str:
    goal = format_money_short(reached.goal_cents, to.language)
    if reached.takes_gifts and reached.next_goal_cents and reached.cents < reached.next_goal_cents:
        following = format_money_short(reached.next_goal_cents, to.language)
        return to.gettext("The goal of %(goal)s is reached: thank you! The next goal: %(following)s", goal=goal, following=following)
    if reached.takes_gifts:
        return to.gettext("The goal of %(goal)s is reached: thank you! Every gift still funds %(cause)s.", goal=goal, cause=reached.cause)
    return to.gettext("The goal of %(goal)s was reached: thank you!", goal=goal)
