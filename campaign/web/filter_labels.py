"""What the lists of staff can be filtered by, in words, in the current language."""

from flask_babel import gettext

from campaign.payments.status import Status
from campaign.reporting.donation_filters import UNPAID, UNPAID_STATES, TributeFilter
from campaign.reporting.donor_list import Trait
from campaign.rules.relative_days import RelativeDays
from campaign.web.labels import status_labels


def list_state_labels() -> dict[str, str]:
    """What the list of gifts can be filtered by: the status, or all that were begun and not paid."""
    received = (Status.PAID, Status.PARTIALLY_REFUNDED, Status.REFUNDED, Status.DISPUTED)
    words = status_labels()
    return {
        **{status.value: words[status] for status in received},
        UNPAID: gettext("begun and not paid, all"),
        **{status.value: words[status] for status in UNPAID_STATES},
    }


def tribute_filter_labels() -> dict[TributeFilter, str]:
    """What the list of gifts can be filtered by: any tribute, or one of a kind."""
    return {
        TributeFilter.ANY: gettext("with a tribute"),
        TributeFilter.HONOUR: gettext("in honour of somebody"),
        TributeFilter.MEMORY: gettext("in memory of somebody"),
    }


def relative_days_labels() -> dict[RelativeDays, str]:
    """Days that move with the calendar."""
    return {
        RelativeDays.THIS_MONTH: gettext("this month"),
        RelativeDays.LAST_MONTH: gettext("last month"),
        RelativeDays.LAST_30_DAYS: gettext("last 30 days"),
        RelativeDays.THIS_FISCAL_YEAR: gettext("this fiscal year"),
    }


def donor_trait_labels() -> dict[Trait, str]:
    """What the list of donors can be filtered by."""
    return {
        Trait.MONTHLY: gettext("monthly gift goes on"),
        Trait.ANNUAL: gettext("one receipt for the year"),
        Trait.PER_DONATION: gettext("a receipt for each gift"),
        Trait.WITHOUT_EMAIL: gettext("without an email address"),
        Trait.NEWS: gettext("agreed to news"),
    }
