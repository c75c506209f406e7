"""How long what is stored about people stays: the periods that a charity sets, with their defaults and bounds, and those of the books.

Income Tax Act, s. 230(4)(b): books and records, six years after the end of the last fiscal year that they relate to. Regulation 5800(1): duplicates
of receipts, two years after the calendar year; the books need them for six.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from campaign.rules.fiscal_years import fiscal_year, fiscal_year_of

YEARS_OF_BOOKS = 6
# Law 25, s. 32 (Act respecting the protection of personal information in the private sector); PIPEDA, principle 4.9 and s. 8(3).
DAYS_TO_ANSWER = 30
WARNED_DAYS = 7


class Retained(StrEnum):
    """What is stored for a time. CHECKOUTS are names and addresses of gifts that were not paid, EVENTS what Stripe sends about payments.

    CARDS are those about a gift in honour or in memory of somebody, with whom they went to.
    """

    EMAILS = "emails"
    EVENTS = "events"
    CHECKOUTS = "checkouts"
    LINKS = "links"
    CARDS = "cards"
    SIGN_INS = "sign_ins"
    REGISTER = "register"
    BOOKS = "books"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The period in days unless the charity sets another one, and the shortest and longest that it may set."""

    default: int
    shortest: int
    longest: int


# An email is wanted when a donor asks for it again, an event when a payment is disputed, which banks allow for 120 days and more.
PERIODS = {
    Retained.EMAILS: Bounds(default=730, shortest=30, longest=2555),
    Retained.EVENTS: Bounds(default=180, shortest=130, longest=2555),
    Retained.CHECKOUTS: Bounds(default=90, shortest=7, longest=730),
    Retained.LINKS: Bounds(default=90, shortest=7, longest=730),
    # Long enough to learn that one came back, or to answer who asks why it came.
    Retained.CARDS: Bounds(default=30, shortest=7, longest=180),
    Retained.SIGN_INS: Bounds(default=365, shortest=90, longest=2555),
    Retained.REGISTER: Bounds(default=730, shortest=365, longest=2555),
}


def due_on(received_on: date) -> date:
    """The last day on which a request that came on this day is answered in time."""
    return received_on + timedelta(days=DAYS_TO_ANSWER)


def books_until(received_on: date, fiscal_year_end: str) -> date:
    """The last day on which the books about a gift of this day are retained."""
    year = fiscal_year_of(fiscal_year_end, received_on)
    return fiscal_year(fiscal_year_end, year + YEARS_OF_BOOKS).last_on
