"""What a card about a gift may say and when it may be sent: nothing that a mail program makes a link of, and from today to a year ahead."""

import re
from datetime import date, timedelta

# What mail programs make links of by themselves: an address with a scheme, of a website, of a host alone, or of a mailbox.
_LINK = re.compile(r"\w+:/|www\.|\S@\S|[\w-]\.(?!\d)[^\W_]{2,}", re.IGNORECASE)


def has_link(text: str) -> bool:
    """Whether a mail program may make a link of a part of the text."""
    return _LINK.search(text) is not None


def last_day(today: date) -> date:
    """A year after this day; of the 29th of February, the day before the 1st of March."""
    try:
        return today.replace(year=today.year + 1)
    except ValueError:
        return (today + timedelta(days=1)).replace(year=today.year + 1) - timedelta(days=1)
