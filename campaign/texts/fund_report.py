"""What a fund has done and what is to be expected of it, in sentences for its funder. Each is true in every state of the fund."""

from dataclasses import dataclass
from datetime import date

from campaign.rules.fund_outlook import FundStage, Outlook
from campaign.rules.money import format_money_short
from campaign.texts.catalogue import translator
from campaign.texts.dates import format_day
from campaign.texts.match_forecast import describe_forecast, describe_pace


@dataclass(frozen=True, kw_only=True)
class FundSums:
    """Where a fund is, what it pledged and matched, and the gifts that it matches with the number of their donors, in cents."""

    stage: FundStage
    pledged_cents: int
    matched_cents: int
    gift_cents: int
    donors: int


def headline(sums: FundSums, *, begins_on: date | None, language: str) -> str:
    """What the funder’s money has moved."""
    if not sums.donors:
        return _nothing_yet(sums, begins_on, language)
    to = translator(language)
    amounts = {
        "pledged": format_money_short(sums.pledged_cents, language),
        "matched": format_money_short(sums.matched_cents, language),
        "gifts": format_money_short(sums.gift_cents, language),
    }
    if sums.stage is FundStage.ALL_MATCHED:
        return to.ngettext(
            "Your %(pledged)s has moved %(gifts)s from %(num)s donor",
            "Your %(pledged)s has moved %(gifts)s from %(num)s donors",
            sums.donors,
            **amounts,
        )
    if sums.stage is FundStage.ENDED:
        return to.ngettext(
            "%(matched)s of your %(pledged)s was matched, and has moved %(gifts)s from %(num)s donor",
            "%(matched)s of your %(pledged)s was matched, and has moved %(gifts)s from %(num)s donors",
            sums.donors,
            **amounts,
        )
    return to.ngettext(
        "%(matched)s of your %(pledged)s is matched so far, and has moved %(gifts)s from %(num)s donor",
        "%(matched)s of your %(pledged)s is matched so far, and has moved %(gifts)s from %(num)s donors",
        sums.donors,
        **amounts,
    )


def _nothing_yet(sums: FundSums, begins_on: date | None, language: str) -> str:
    to, pledged = translator(language), format_money_short(sums.pledged_cents, language)
    match sums.stage:
        case FundStage.NOT_BEGUN if begins_on is not None:
            return to.gettext(
                "Your %(pledged)s is ready: it matches gifts from %(day)s on", pledged=pledged, day=format_day(begins_on, language)
            )
        case FundStage.NOT_BEGUN:
            return to.gettext("Your %(pledged)s is ready. It does not match gifts yet", pledged=pledged)
        case FundStage.PAUSED:
            return to.gettext("Your %(pledged)s waits: its matching is paused, and no gift is matched yet", pledged=pledged)
        case FundStage.ENDED | FundStage.ALL_MATCHED:
            return to.gettext("The matching has ended, and no gift is matched with your %(pledged)s", pledged=pledged)
        case FundStage.OPEN:
            return to.gettext("Your %(pledged)s is ready for the first gift", pledged=pledged)


def describe_outlook(stage: FundStage, outlook: Outlook, *, begins_on: date | None, language: str) -> list[str]:
    """When the match runs out, with its range and what that is made from; or why nobody can tell, or needs to."""
    to = translator(language)
    match stage:
        case FundStage.ALL_MATCHED:
            return [to.gettext("All of your pledge is matched. If a gift is refunded, its match goes to earlier gifts that had none.")]
        case FundStage.ENDED:
            return [to.gettext("The matching has ended: what is left is not matched any more.")]
        case FundStage.PAUSED:
            return [to.gettext("The matching is paused, so there is no day on which it runs out. Gifts meanwhile wait in order.")]
        case FundStage.NOT_BEGUN if begins_on is not None:
            return [to.gettext("It begins on %(day)s. Until then nothing is matched.", day=format_day(begins_on, language))]
        case FundStage.NOT_BEGUN:
            return [to.gettext("It has not begun: nothing is matched yet.")]
        case FundStage.OPEN:
            expected = describe_forecast(
                outlook.forecast, ends_on=outlook.ends_on, left_at_end_cents=outlook.left_at_end_cents, language=language
            )
            return [expected, *([describe_pace(outlook.forecast, language)] if outlook.forecast else [])]
