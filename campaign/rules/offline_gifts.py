"""Gifts that were paid without Stripe: how, on which day, and what is asked first, because it is seldom right or has consequences."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

# A day that is further back than this is asked about: most cheques are recorded within weeks.
OLD_AFTER = timedelta(days=90)


class OfflineMethod(StrEnum):
    """How a gift was paid without Stripe."""

    CHEQUE = "cheque"
    CASH = "cash"
    ETRANSFER = "etransfer"
    BANK_TRANSFER = "bank_transfer"

    @property
    def takes_deposit(self) -> bool:
        """Whether somebody takes the money to the bank."""
        return self in {OfflineMethod.CHEQUE, OfflineMethod.CASH}


class OfflineReversalKind(StrEnum):
    """Why a gift no longer counts, in part or in full.

    A payment that the bank RETURNED, and one that was recorded by MISTAKE, never was a gift. What is REFUNDED was one, and went back to the donor.
    """

    RETURNED = "returned"
    MISTAKE = "mistake"
    REFUNDED = "refunded"


class OfflineQuestion(StrEnum):
    """What may be a mistake. The values are those of the form's boxes."""

    EARLIER_YEAR = "earlier_year"
    OLD_DAY = "old_day"
    FILED_YEAR = "filed_year"
    SAME_REFERENCE = "same_reference"
    SAME_DONOR = "same_donor"


@dataclass(frozen=True, kw_only=True)
class SameGifts:
    """Whether a gift by the same method with the same reference, and one of the same sum and day by the same donor, are recorded."""

    of_reference: bool = False
    of_donor: bool = False


def questions_about(received_on: date, *, today: date, is_filed: bool, same: SameGifts) -> list[OfflineQuestion]:
    """The questions about a gift of this day. Days are in the charity's time zone. `is_filed` is whether a return was filed that it would change.

    Its receipt is dated that day, so that a typing error of a year would put it into the taxes of another one.
    """
    is_earlier = received_on.year < today.year
    asked = {
        OfflineQuestion.EARLIER_YEAR: is_earlier,
        OfflineQuestion.OLD_DAY: not is_earlier and received_on < today - OLD_AFTER,
        OfflineQuestion.FILED_YEAR: is_filed,
        OfflineQuestion.SAME_REFERENCE: same.of_reference,
        OfflineQuestion.SAME_DONOR: same.of_donor and not same.of_reference,
    }
    return [question for question, is_asked in asked.items() if is_asked]


def moment_of_day(day: date, zone: ZoneInfo, *, now: datetime) -> datetime:
    """The moment of a gift that was received on this day: its noon, or now if that is still to come.

    At noon no time zone and no change of the clocks makes another day of it, and the windows of funds, which begin and end at midnight, see the right one.
    """
    return min(datetime.combine(day, time(12), zone), now)
