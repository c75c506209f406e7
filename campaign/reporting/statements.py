"""What a funder gets: the fund as of now, and day by day; money and counts, never donors."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, cast, func, select

from campaign.edges.db import db
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.funds import Fund
from campaign.giving.ledger import LedgerEntry, Move
from campaign.rules.money import decimal, written


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day by the charity's clocks: gifts newly matched, and the match net of what was reversed."""

    on: date
    donations: int
    matched_cents: int


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A fund's standing. `donations` is the number of gifts that the fund has matched."""

    fund: Fund
    campaign: Campaign
    charity: Charity
    pledged_cents: int
    held_cents: int
    matched_cents: int
    donations: int
    days: list[Day]
    as_of: datetime

    @property
    def left_cents(self) -> int:
        """What is neither held nor matched."""
        return self.pledged_cents - self.held_cents - self.matched_cents


def statement_of(fund: Fund) -> Statement:
    """The fund's statement as of now."""
    campaign = db.session.get_one(Campaign, fund.campaign_id)
    db.session.refresh(fund)
    days = _days(fund, campaign.charity)
    as_of = db.session.scalars(select(func.now())).one()
    return Statement(
        fund=fund,
        campaign=campaign,
        charity=campaign.charity,
        pledged_cents=fund.pledged_cents,
        held_cents=fund.held_cents,
        matched_cents=fund.matched_cents,
        donations=_donations(fund),
        days=days,
        as_of=campaign.charity.local(as_of),
    )


def _donations(fund: Fund) -> int:
    e = LedgerEntry
    return db.session.scalar(select(func.count(e.donation_id.distinct())).where(e.fund_id == fund.id, e.kind == Move.MATCH)) or 0


def _days(fund: Fund, charity: Charity) -> list[Day]:
    e = LedgerEntry
    day = cast(func.timezone(charity.time_zone, e.at), Date).label("day")
    into = func.coalesce(func.sum(e.cents).filter(e.to_account == "matched"), 0)
    out = func.coalesce(func.sum(e.cents).filter(e.from_account == "matched"), 0)
    gifts = func.count(e.donation_id.distinct()).filter(e.kind == Move.MATCH)
    rows = db.session.execute(
        select(day, gifts, into - out).where(e.fund_id == fund.id, e.kind.in_([Move.MATCH, Move.UNMATCH])).group_by(day).order_by(day)
    )
    return [Day(on=on, donations=count, matched_cents=int(cents)) for on, count, cents in rows]


def as_csv(statement: Statement, headings: list[str]) -> Iterator[str]:
    """Lines of a file that a spreadsheet opens with its accents: one line a day, sums as 1234.56."""
    yield "\ufeff" + _line(headings)
    for day in statement.days:
        yield _line([day.on.isoformat(), str(day.donations), decimal(day.matched_cents)])


def _line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def printed(statement: Statement, language: str, *, is_test: bool) -> dict[str, Any]:
    """Everything on the printed statement, ready to show."""
    return {
        "language": language,
        "fund": statement.fund.name(language),
        "campaign": statement.campaign.title(language),
        "charity": statement.charity.name(language),
        "as_of": statement.as_of.strftime("%Y-%m-%d %H:%M"),
        "pledged": written(statement.pledged_cents, language),
        "held": written(statement.held_cents, language),
        "matched": written(statement.matched_cents, language),
        "left": written(statement.left_cents, language),
        "donations": str(statement.donations),
        "days": [[d.on.isoformat(), str(d.donations), written(d.matched_cents, language)] for d in statement.days],
        "is_test": is_test,
    }
