"""When the donations of a seeded history begin and what becomes of each: drawn once, from one generator, before anything is decided about the match."""

import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from campaign.cli.seeds import AMOUNTS

DAY, HOUR, MINUTE = 86400, 3600, 60
DAYS = 400
MONTH = 2_629_800
# Nothing is under way at the end: what begins last is paid, or has expired, before it.
QUIET = 3 * HOUR
DEBIT_DAYS = 7
# The part of all donations that are months of a monthly gift, and the probability that one ends each month.
MONTHLY_SHARE, END_OF_MONTHLY = 0.12, 0.04
EXPIRED, FAILED, QUARANTINED, DEBIT = 0.06, 0.012, 0.0001, 0.05
REFUND, LOST_DISPUTE, WON_DISPUTE, OPEN_DISPUTE = 0.012, 0.002, 0.001, 0.0005
OPEN_DISPUTE_DAYS = 15
MEAN_CENTS = sum(cents * weight for cents, weight in AMOUNTS) // sum(weight for _, weight in AMOUNTS)
_CENTS, _CUMULATED = [cents for cents, _ in AMOUNTS], list(accumulate(weight for _, weight in AMOUNTS))


class Outcome(StrEnum):
    """What becomes of a checkout."""

    PAID = "paid"
    EXPIRED = "expired"
    FAILED = "failed"
    QUARANTINED = "quarantined"


class Reversed(StrEnum):
    """How money of a donation is returned to its donor."""

    REFUND = "refund"
    LOST = "lost"
    WON = "won"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyPlan:
    """A monthly gift: when its months are paid, and when it ends, if it does."""

    months: tuple[int, ...]
    ended_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """A refund or dispute so many seconds after the payment, of this part of what was charged."""

    kind: Reversed
    after: int
    part: float


def amount(rng: random.Random, *, least: int, most: int) -> int:
    """A round amount as most people donate, or one that somebody has computed."""
    cents = rng.randrange(5_00, 300_00) if rng.random() < 0.03 else _CENTS[bisect(_CUMULATED, rng.random() * _CUMULATED[-1])]
    return max(least, min(most, cents))


def starts(rng: random.Random, count: int, *, begin: int, end: int) -> Iterator[tuple[int, MonthlyPlan | None]]:
    """Yield when each checkout begins, in order, so that all of them and the later months of monthly gifts are `count` donations."""
    monthly, left = [], int(count * MONTHLY_SHARE)
    while left > 0:
        plan = _monthly(rng, _moment(rng, begin, end), end)
        months = plan.months[:left]
        plan = MonthlyPlan(months=months, ended_at=plan.ended_at if len(months) == len(plan.months) else months[-1] + DAY)
        monthly.append(plan)
        left -= len(months)
    single = count - sum(len(plan.months) for plan in monthly)
    planned: list[tuple[int, int, MonthlyPlan | None]] = [(_moment(rng, begin, end), number, None) for number in range(single)]
    planned += [(plan.months[0], single + number, plan) for number, plan in enumerate(monthly)]
    for at, _, of_months in sorted(planned, key=lambda one: one[:2]):
        yield at, of_months


def _moment(rng: random.Random, begin: int, end: int) -> int:
    """A second of a day in Canada, between early morning and late evening. The last month of each hundred days has the most."""
    days = (end - begin) // DAY
    day = int(days * rng.random())
    if day % 100 < 70 and rng.random() < 0.3:
        day += 70 - day % 100
    at = begin + min(day, days - 1) * DAY + int(rng.triangular(10, 28, 23) * HOUR)
    return at if at < end - QUIET else at - 2 * DAY


def _monthly(rng: random.Random, first: int, end: int) -> MonthlyPlan:
    months = [first]
    while months[-1] + MONTH < end - QUIET:
        if rng.random() < END_OF_MONTHLY:
            return MonthlyPlan(months=tuple(months), ended_at=months[-1] + 10 * DAY if months[-1] + 10 * DAY < end else months[-1] + HOUR)
        months.append(months[-1] + MONTH)
    return MonthlyPlan(months=tuple(months), ended_at=None)


def outcome(rng: random.Random) -> Outcome:
    """What becomes of a checkout."""
    dice = rng.random()
    for kind, share in ((Outcome.EXPIRED, EXPIRED), (Outcome.FAILED, FAILED), (Outcome.QUARANTINED, QUARANTINED)):
        if dice < share:
            return kind
        dice -= share
    return Outcome.PAID


def reversal(rng: random.Random, *, paid_at: int, end: int) -> Reversal | None:
    """The refund or dispute of a payment; None for nearly all."""
    dice = rng.random()
    if dice < REFUND:
        part = 1.0 if rng.random() < 0.5 else rng.choice([0.1, 0.25, 0.5, 0.75])
        planned = Reversal(kind=Reversed.REFUND, after=HOUR + int(rng.random() ** 2 * 60 * DAY), part=part)
    elif dice < REFUND + LOST_DISPUTE + WON_DISPUTE:
        kind = Reversed.LOST if dice < REFUND + LOST_DISPUTE else Reversed.WON
        planned = Reversal(kind=kind, after=int((20 + 70 * rng.random()) * DAY), part=1.0)
    elif dice < REFUND + LOST_DISPUTE + WON_DISPUTE + OPEN_DISPUTE and paid_at > end - OPEN_DISPUTE_DAYS * DAY:
        planned = Reversal(kind=Reversed.OPEN, after=HOUR, part=1.0)
    else:
        return None
    return planned if paid_at + planned.after < end - QUIET else None
