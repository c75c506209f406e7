"""How much time is left until a day by which staff must have acted."""

from datetime import date
from typing import Any

from flask_babel import gettext, ngettext


def time_left(due_on: date, today: date, *, warned_days: int) -> dict[str, Any]:
    """The days that are left, in words, and whether that is none, or at most `warned_days`."""
    days = (due_on - today).days
    if days < 0:
        words = ngettext("Overdue by %(num)s day", "Overdue by %(num)s days", -days)
    elif days == 0:
        words = gettext("Due today")
    else:
        words = ngettext("%(num)s day left", "%(num)s days left", days)
    return {"time_left": words, "is_overdue": days < 0, "is_urgent": days <= warned_days}
