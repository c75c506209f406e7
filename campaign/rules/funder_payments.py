"""What is written down of a payment of a funder, and what is asked first, because it is seldom right or has consequences: an old day, or one sum twice."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class PaymentDetails:
    """What is written down of a payment. `received_on` is a day in the charity's time zone."""

    cents: int
    received_on: date
    reference: str


@dataclass(frozen=True, kw_only=True)
class ReturnDetails:
    """What is written down of money that went back to a funder. `returned_on` is a day in the charity's time zone, `reference` that of the transfer."""

    cents: int
    returned_on: date
    reference: str


class PaymentQuestion(StrEnum):
    """What may be a mistake. The values are those of the form's boxes."""

    EARLIER_YEAR = "earlier_year"
    FILED_YEAR = "filed_year"
    BEFORE_CAMPAIGN = "before_campaign"
    SAME_AMOUNT = "same_amount"


def questions_about(
    received_on: date, *, today: date, campaign_began_on: date, is_filed: bool, has_same_amount: bool
) -> list[PaymentQuestion]:
    """The questions about a payment of this day. Days are in the charity's time zone.

    `is_filed` is whether a return was filed that would count the payment otherwise, `has_same_amount` whether another one was on that day.
    """
    asked = {
        PaymentQuestion.EARLIER_YEAR: received_on.year < today.year,
        PaymentQuestion.FILED_YEAR: is_filed,
        PaymentQuestion.BEFORE_CAMPAIGN: received_on < campaign_began_on,
        PaymentQuestion.SAME_AMOUNT: has_same_amount,
    }
    return [question for question, is_asked in asked.items() if is_asked]
