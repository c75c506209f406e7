"""What a fund had matched, on hold and left at the end of each day on which any of it changed, in its charity's time zone, from its ledger entries."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Date, case, cast, func, select

from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund


@dataclass(frozen=True, kw_only=True)
class FundDay:
    """The fund at the end of a day, in cents."""

    on: date
    pledged_cents: int
    matched_cents: int
    held_cents: int

    @property
    def left_cents(self) -> int:
        """What was neither matched nor on hold."""
        return self.pledged_cents - self.matched_cents - self.held_cents


def days_of(fund: Fund, charity: Charity) -> list[FundDay]:
    """The days on which the fund changed, the earliest first."""
    e, day = LedgerEntry, cast(func.timezone(charity.time_zone, LedgerEntry.at), Date)

    def moved(account: str) -> ColumnElement[int]:
        return func.sum(case((e.to_account == account, e.cents), else_=0) - case((e.from_account == account, e.cents), else_=0))

    pledged = func.sum(case((e.kind == Move.PLEDGE, e.cents), else_=0))
    rows = db.session.execute(select(day, pledged, moved("matched"), moved("held")).where(e.fund_id == fund.id).group_by(day).order_by(day))
    found, sums = list[FundDay](), [0, 0, 0]
    for on, *changes in rows:
        sums = [before + int(change) for before, change in zip(sums, changes, strict=True)]
        if any(changes):
            found.append(FundDay(on=on, pledged_cents=sums[0], matched_cents=sums[1], held_cents=sums[2]))
    return found
