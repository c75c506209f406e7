"""The campaign day by day for staff: gifts, matches and what was returned; and when the match runs out at the present pace."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from campaign.campaigns.campaigns import Campaign
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund, funds_of
from campaign.reporting import ledger_days
from campaign.reporting.ledger_days import DaySum
from campaign.rules.exhaustion_forecast import MOST_DAYS, Forecast, forecast_exhaustion
from campaign.rules.fund_outlook import left_at_end

_KINDS = (Move.DONATION, Move.REFUND, Move.DISPUTE, Move.OFFLINE_REVERSAL, Move.REINSTATEMENT, Move.MATCH, Move.UNMATCH)


@dataclass(frozen=True, kw_only=True)
class CampaignDay:
    """One day, in cents. `returned_cents` is less what came back of disputes; `matched_cents` less what was freed.

    `donations` are those that were paid, refunded ones included, less those that never were gifts: a cheque that the bank returned is subtracted on
    the day on which the books had it, so that all days come to the campaign's count.
    """

    day: date
    donations: int
    donated_cents: int
    returned_cents: int
    matched_cents: int


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is left of the match in funds that match gifts now, when it runs out, and until when gifts are matched (None: no end).

    `left_at_end_cents` is what is left then at the present pace; it is set if the match ends before it runs out.
    """

    left_cents: int
    forecast: Forecast | None
    ends_on: date | None
    left_at_end_cents: int | None


def list_days(campaign: Campaign, *, first: date, last: date) -> list[CampaignDay]:
    """Each day from the first to the last, those without gifts too."""
    found = ledger_days.sums_by_day(campaign, _KINDS, since=first)
    return [_day(day, found.get(day, {})) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))]


def _day(day: date, sums: dict[Move, DaySum]) -> CampaignDay:
    def cents(kind: Move) -> int:
        return sums.get(kind, DaySum()).cents

    return CampaignDay(
        day=day,
        donations=sums.get(Move.DONATION, DaySum()).entries - sums.get(Move.OFFLINE_REVERSAL, DaySum()).entries,
        donated_cents=cents(Move.DONATION),
        returned_cents=cents(Move.REFUND) + cents(Move.DISPUTE) + cents(Move.OFFLINE_REVERSAL) - cents(Move.REINSTATEMENT),
        matched_cents=cents(Move.MATCH) - cents(Move.UNMATCH),
    )


def outlook_of(campaign: Campaign, *, now: datetime) -> Outlook | None:
    """What to expect of the funds that match gifts now; None when there is none, or nothing of them is left."""
    funds = [fund for fund in funds_of(campaign.id) if fund.paused_at is None and fund.terms.is_open(now)]
    left = sum(fund.pledged_cents - fund.matched_cents for fund in funds)
    if left <= 0:
        return None
    today, ends = campaign.charity.local(now).date(), [fund.terms.closes_at for fund in funds]
    moments = [moment for moment in ends if moment is not None]
    # The window excludes its end: at midnight, the day before is the last one.
    ends_on = campaign.charity.local(max(moments) - timedelta(microseconds=1)).date() if len(moments) == len(ends) else None
    forecast = forecast_exhaustion(_matched_by_day(campaign, funds, today), left, today=today)
    return Outlook(left_cents=left, forecast=forecast, ends_on=ends_on, left_at_end_cents=left_at_end(left, forecast, ends_on, today))


def _matched_by_day(campaign: Campaign, funds: list[Fund], today: date) -> list[int]:
    """What was matched on each of the last whole days on which one of the funds was active."""
    active = min(campaign.charity.local(fund.activated_at).date() for fund in funds if fund.activated_at)
    first = max(active + timedelta(days=1), today - timedelta(days=MOST_DAYS))
    return [day.matched_cents for day in list_days(campaign, first=first, last=today - timedelta(days=1))]
