"""Days that move with the calendar, such as this month, so that a saved view or a link means the same whenever it is opened."""

from datetime import date, timedelta
from enum import StrEnum

from campaign.rules.fiscal_years import Period, fiscal_year, fiscal_year_of
from campaign.rules.months import month_before, month_of


class RelativeDays(StrEnum):
    """Days by their distance from today."""

    THIS_MONTH = "this_month"
    LAST_MONTH = "last_month"
    LAST_30_DAYS = "last_30_days"
    THIS_FISCAL_YEAR = "this_fiscal_year"


def days_of(relative: RelativeDays, today: date, *, fiscal_year_end: str) -> Period:
    """What these days are today, which is in them for all but last month; `fiscal_year_end` is a month and a day, as `03-31`."""
    match relative:
        case RelativeDays.THIS_MONTH:
            return month_of(today)
        case RelativeDays.LAST_MONTH:
            return month_before(today)
        case RelativeDays.LAST_30_DAYS:
            return Period(first_on=today - timedelta(days=29), last_on=today)
        case RelativeDays.THIS_FISCAL_YEAR:
            return fiscal_year(fiscal_year_end, fiscal_year_of(fiscal_year_end, today))
