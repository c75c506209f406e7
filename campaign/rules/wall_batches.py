"""When gifts begin to be shown on the page of a campaign: at random, late, on the hour and in company, so that none can be tied to a person.

Whoever follows the total of a campaign knows when somebody gave how much. A name that appeared soon afterwards, or alone, would say who it was.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

# The delay of an entry after staff have agreed is drawn by the caller from these.
DELAY_HOURS = range(1, 13)
FEWEST_TOGETHER = 3
FEWEST_GIFTS = 10
# How long an entry that is ready waits for company. With the delay, that is two days at most.
LONGEST_WAIT = timedelta(hours=35)
_HOUR = timedelta(hours=1)


def ready_at(decided_at: datetime, *, delay_hours: int) -> datetime:
    """The first full hour after the delay."""
    assert delay_hours in DELAY_HOURS
    return next_hour(decided_at + delay_hours * _HOUR)


def next_hour(moment: datetime) -> datetime:
    """The full hour after this moment."""
    return moment.replace(minute=0, second=0, microsecond=0) + _HOUR


def may_appear(ready: Sequence[datetime], *, at: datetime, gifts: int, already: int = 0) -> bool:
    """Whether entries that are ready since these moments may begin to be shown at this hour, as which `already` others do.

    `gifts` is how many the campaign has had: of a few, the total alone says who gave what.
    """
    return bool(ready) and gifts >= FEWEST_GIFTS and (len(ready) + already >= FEWEST_TOGETHER or min(ready) + LONGEST_WAIT <= at)
