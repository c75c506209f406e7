"""When a funder is reminded of a call for funds: once a week before it is due, and twice after, as days of the charity's time zone. Pure."""

from datetime import date, timedelta
from enum import StrEnum


class Reminder(StrEnum):
    """Which reminder it is. The values are those of the outbox."""

    BEFORE = "before"
    FIRST = "first"
    SECOND = "second"


DAYS_BEFORE, DAYS_TO_SECOND = 7, 15
# A call that is open again after it was paid, as the money went back, is a matter for a person by then.
LAST_DAYS_AFTER = 45


def due_reminder(*, issued_on: date, due_on: date, today: date) -> Reminder | None:
    """The latest reminder whose day has come; None before the first one, and long after the last.

    Those before it are not made up for. A call that is due within a week gets none before: its own letter has just said so.
    """
    if today > due_on + timedelta(days=LAST_DAYS_AFTER):
        return None
    if today >= due_on + timedelta(days=DAYS_TO_SECOND):
        return Reminder.SECOND
    if today > due_on:
        return Reminder.FIRST
    first = due_on - timedelta(days=DAYS_BEFORE)
    return Reminder.BEFORE if issued_on < first <= today else None
