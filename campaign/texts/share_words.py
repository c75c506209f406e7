"""The words about the shares of several funders in one fund, for their pages."""

from campaign.rules.money import format_money_short
from campaign.texts.catalogue import translator


def contributor_headline(*, pledged_cents: int, matched_cents: int, language: str) -> str:
    """What of a contributor’s part is matched; both sums are theirs."""
    amounts = {"matched": format_money_short(matched_cents, language), "pledged": format_money_short(pledged_cents, language)}
    return translator(language).gettext("Matched of your part of the pledge: %(matched)s of %(pledged)s", **amounts)


def fund_headline(*, pledged_cents: int, matched_cents: int, gift_cents: int, donors: int, language: str) -> str:
    """What a fund of several funders has moved, for its lead funder."""
    to, pledged = translator(language), format_money_short(pledged_cents, language)
    if not donors:
        return to.gettext("Your fund of %(pledged)s has not matched a gift yet", pledged=pledged)
    return to.ngettext(
        "Your fund of %(pledged)s has matched gifts of %(gifts)s from %(num)s donor with %(matched)s",
        "Your fund of %(pledged)s has matched gifts of %(gifts)s from %(num)s donors with %(matched)s",
        donors,
        pledged=pledged,
        matched=format_money_short(matched_cents, language),
        gifts=format_money_short(gift_cents, language),
    )


def describe_lead(language: str) -> str:
    """That a contributor has nothing to pay to the charity."""
    return translator(language).gettext("The lead funder pays the charity for all funders, so the charity asks you for nothing.")


def describe_shares(language: str) -> str:
    """How the sums of the fund are shared."""
    return translator(language).gettext(
        "Each sum is shared in proportion to what each funder promised of the pledge when the fund was activated, in whole cents that add up."
    )


def describe_no_share(language: str) -> str:
    """Why there are no shares on a day before the activation."""
    return translator(language).gettext("The fund was not active yet, so nothing was shared.")
