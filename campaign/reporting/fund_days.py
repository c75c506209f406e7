"""What a fund had pledged, matched and left at the end of each day on which that changed, in its charity's time zone."""

from dataclasses import dataclass
from datetime import date

from campaign.campaigns.campaigns import Campaign
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.reporting import ledger_days
from campaign.reporting.ledger_days import DaySum

_KINDS = (Move.PLEDGE, Move.MATCH, Move.UNMATCH)


@dataclass(frozen=True, kw_only=True)
class FundDay:
    """The fund at the end of a day, in cents. What was on hold then is part of what was left."""

    on: date
    pledged_cents: int
    matched_cents: int

    @property
    def left_cents(self) -> int:
        """What was not matched."""
        return self.pledged_cents - self.matched_cents


def days_of(fund: Fund, campaign: Campaign) -> list[FundDay]:
    """The days on which the fund changed, the earliest first."""
    found, pledged, matched = list[FundDay](), 0, 0
    sums_by_day = ledger_days.sums_by_day(campaign, _KINDS, since=ledger_days.FIRST_DAY, fund_id=fund.id)
    for on, sums in sorted(sums_by_day.items()):
        more_pledged, more_matched = _cents(sums, Move.PLEDGE), _cents(sums, Move.MATCH) - _cents(sums, Move.UNMATCH)
        if more_pledged or more_matched:
            pledged, matched = pledged + more_pledged, matched + more_matched
            found.append(FundDay(on=on, pledged_cents=pledged, matched_cents=matched))
    return found


def _cents(sums: dict[Move, DaySum], kind: Move) -> int:
    return sums.get(kind, DaySum()).cents
