"""What is to be expected of a fund from a day on: whether it matches gifts then, and when its match runs out. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from campaign.rules.exhaustion_forecast import MOST_DAYS, Forecast, forecast_exhaustion


class FundStage(StrEnum):
    """Where a fund is at a moment. ALL_MATCHED is of one that has ended too, if nothing of its pledge is left."""

    NOT_BEGUN = "not_begun"
    OPEN = "open"
    PAUSED = "paused"
    ALL_MATCHED = "all_matched"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """The kinds of the changes of a fund up to a moment, the first one first, and its window as frozen terms have it."""

    changes: tuple[str, ...]
    opens_at: datetime | None
    closes_at: datetime | None

    def stage(self, moment: datetime, *, unmatched_cents: int) -> FundStage:
        """Where the fund is at this moment."""
        if "activated" not in self.changes:
            return FundStage.NOT_BEGUN
        if unmatched_cents <= 0:
            return FundStage.ALL_MATCHED
        if "ended" in self.changes or (self.closes_at is not None and self.closes_at <= moment):
            return FundStage.ENDED
        if self.opens_at is not None and self.opens_at > moment:
            return FundStage.NOT_BEGUN
        return FundStage.PAUSED if _is_paused(self.changes) else FundStage.OPEN


def _is_paused(changes: Iterable[str]) -> bool:
    return [kind for kind in changes if kind in {"paused", "resumed"}][-1:] == ["paused"]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """When the match runs out at the present pace, if anybody can tell; `left_at_end_cents` is set if it ends on `ends_on` before that."""

    forecast: Forecast | None
    ends_on: date | None
    left_at_end_cents: int | None


def outlook_of(matched_cents: Mapping[date, int], *, unmatched_cents: int, first_on: date, next_on: date, ends_on: date | None) -> Outlook:
    """What to expect from the day `next_on` on of a fund that matches gifts.

    `matched_cents` has what was matched on each day, `first_on` is the first whole day of the fund, and `ends_on` the last one.
    """
    first = max(first_on, next_on - timedelta(days=MOST_DAYS))
    days = [matched_cents.get(first + timedelta(days=number), 0) for number in range((next_on - first).days)]
    forecast = forecast_exhaustion(days, unmatched_cents, today=next_on)
    return Outlook(forecast=forecast, ends_on=ends_on, left_at_end_cents=left_at_end(unmatched_cents, forecast, ends_on, next_on))


def left_at_end(unmatched_cents: int, forecast: Forecast | None, ends_on: date | None, next_on: date) -> int | None:
    """What is left at the present pace when the match ends, if that is before it runs out."""
    if forecast is None or ends_on is None or (forecast.expected_on and forecast.expected_on <= ends_on):
        return None
    return max(0, unmatched_cents - forecast.daily_cents * ((ends_on - next_on).days + 1))
