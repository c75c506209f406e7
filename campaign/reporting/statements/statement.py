"""A funder's statement of a period: the fund's balances at its beginning and end, and what changed by day.

It covers the chain up to the last entry before its end, with the names in force then, so that building it again later gives the same.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.funders.contributors import FundContributor
from campaign.ledger.entries import LedgerEntry
from campaign.matching.funds import Fund
from campaign.reporting import proofs
from campaign.reporting.statements import names
from campaign.reporting.statements.balances import Balances, DayChange, add_up, changes_by_day, day_before, days_between
from campaign.reporting.statements.names import Names
from campaign.reporting.statements.shares import FunderShare, shares_at
from campaign.rules import statement_periods
from campaign.rules.local_time import end_of_day
from campaign.rules.statement_periods import PeriodKind, StatementPeriod


class FutureMoment(ValueError):
    """The requested period or moment is in the future."""


class NothingBefore(ValueError):
    """The requested period ended before the fund's first entry."""


@dataclass(frozen=True, kw_only=True)
class StatementEnd:
    """What a statement covers: the entries of the chain after position `after` up to `position`.

    `opens_at` is None for everything from the beginning. `moment` is the end, in the zone of its days; `is_finished` says that the period is over, so
    that this stays what it covers.
    """

    period: StatementPeriod
    position: int
    moment: datetime
    zone: ZoneInfo
    is_finished: bool
    after: int = 0
    opens_at: datetime | None = None

    @property
    def first_on(self) -> date:
        """Its first day."""
        return self.period.first_on or date.min

    @property
    def is_growing(self) -> bool:
        """Whether a later statement of the same period may have more in it."""
        return not self.is_finished and self.period.kind is not PeriodKind.TO_MOMENT

    @property
    def last_on(self) -> date:
        """The last day that it covers."""
        return self.period.last_on if self.period.last_on and self.is_finished else day_before(self.moment, self.zone)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A fund at the end of a period. `day_changes` lead from `opening` to `closing`; `head` is the hash of the last entry.

    `received_cents` is what the funder had paid by then as it was recorded by then: a later correction changes later statements.
    `changes` are those of the fund so far, as a chain of their own (proofs.changes_of). `shares` are those of all funders at the end, the lead funder
    first; empty for a fund without contributors. A statement for a `contributor` shows their own, and neither calls nor payments.
    """

    fund: Fund
    campaign: Campaign
    charity: Charity
    names: Names
    end: StatementEnd
    opening: Balances
    day_changes: list[DayChange]
    head: bytes
    head_before: bytes
    changes: list[dict[str, Any]]
    shares: list[FunderShare]
    contributor: FundContributor | None = None

    @cached_property
    def closing(self) -> Balances:
        """The balances at the end."""
        return self.opening + add_up(day.change for day in self.day_changes)

    @property
    def as_of(self) -> datetime:
        """The moment of its end."""
        return self.end.moment.astimezone(self.end.zone)

    @property
    def entries(self) -> int:
        """The length of the fund's chain."""
        return self.end.position

    @property
    def days(self) -> list[DayChange]:
        """The days on which anything was matched, or a match was reversed."""
        return [day for day in self.day_changes if day.matches]

    @property
    def pledged_cents(self) -> int:
        """Pledged at the end, in cents."""
        return self.closing.pledged_cents

    @property
    def held_cents(self) -> int:
        """Held at the end for gifts under way, in cents."""
        return self.closing.held_cents

    @property
    def matched_cents(self) -> int:
        """Matched at the end, in cents."""
        return self.closing.matched_cents

    @property
    def received_cents(self) -> int:
        """Received from the funder at the end, in cents."""
        return self.closing.received_cents

    @property
    def left_cents(self) -> int:
        """Neither held nor matched at the end, in cents."""
        return self.closing.left_cents

    @property
    def donations(self) -> int:
        """How many gifts are matched at the end."""
        return self.closing.donations


def lock_end(fund: Fund, period: StatementPeriod | None = None) -> StatementEnd:
    """Lock the fund and its names, and return what a statement of the period covers, by default all until now. End the transaction at once.

    Raises FutureMoment and NothingBefore.
    """
    charity = db.session.get_one(Campaign, fund.campaign_id).charity
    # With these locks nobody is appending to the chain or changing a name, and what comes later has no earlier moment.
    names.lock_names(fund)
    now = db.session.scalars(select(func.clock_timestamp())).one()
    if period is None:
        return _end_of(fund, statement_periods.to_moment(now), now, is_finished=False)
    first_moment = _first_moment(fund)
    opens_at, closes_at = _bounds(charity, period)
    if _begins_at(charity, period) > now:
        raise FutureMoment(f"{period.name} has not come yet.")
    if first_moment is None or closes_at <= first_moment:
        raise NothingBefore(f"The fund {fund.slug} has no entry before the end of {period.name}.")
    # A name is to the second: of two moments within one, neither could be stored.
    is_named = period.moment is None or period.moment.microsecond == 0
    end = _end_of(fund, period, min(now, closes_at), is_finished=closes_at <= now and is_named)
    if opens_at is None:
        return end
    after = _last_position(fund, opens_at)
    return StatementEnd(**{**vars(end), "after": after, "opens_at": opens_at})


def first_day_of(fund: Fund) -> date | None:
    """The day of the fund's first entry, in the time zone of that day; None without any."""
    first_moment = _first_moment(fund)
    if first_moment is None:
        return None
    return first_moment.astimezone(ZoneInfo(names.zone_name_at(fund, first_moment))).date()


def _first_moment(fund: Fund) -> datetime | None:
    return db.session.scalar(select(func.min(LedgerEntry.at)).where(LedgerEntry.fund_id == fund.id))


def _bounds(charity: Charity, period: StatementPeriod) -> tuple[datetime | None, datetime]:
    """The first moment of the period, None for the beginning of all, and the first after it."""
    if period.moment:
        return None, period.moment
    assert period.last_on
    return (_begins_at(charity, period) if period.first_on else None), _end_of_day(charity, period.last_on)


def _begins_at(charity: Charity, period: StatementPeriod) -> datetime:
    """When a month or quarter begins, or the day or moment with which another period ends."""
    if period.moment:
        return period.moment
    first_on = period.first_on or period.last_on
    assert first_on
    return _end_of_day(charity, first_on - timedelta(days=1))


def _end_of_day(charity: Charity, day: date) -> datetime:
    """The first moment after the day. Whatever becomes of the time zone, one period ends where the next begins."""
    return end_of_day(day, names.zone_of_day(charity, day))


def _end_of(fund: Fund, period: StatementPeriod, moment: datetime, *, is_finished: bool) -> StatementEnd:
    zone = ZoneInfo(names.zone_name_at(fund, moment))
    if period.last_on and is_finished:
        zone = names.zone_of_day(db.session.get_one(Campaign, fund.campaign_id).charity, period.last_on)
    position = _last_position(fund, moment)
    return StatementEnd(period=period, position=position, moment=moment.astimezone(zone), zone=zone, is_finished=is_finished)


def _last_position(fund: Fund, moment: datetime) -> int:
    """The position of the last entry before the moment: moments never decrease along the chain."""
    e = LedgerEntry
    later = select(e.position).where(e.fund_id == fund.id, e.at >= moment).order_by(e.at, e.position).limit(1)
    first_after = db.session.scalar(later)
    if first_after is not None:
        return first_after - 1
    return db.session.scalars(select(func.coalesce(func.max(e.position), 0)).where(e.chain == f"fund:{fund.id}")).one()


def build_statement(fund: Fund, end: StatementEnd, contributor: FundContributor | None = None) -> Statement:
    """Build the statement that ends here, by default for the lead funder. Nothing before its end changes any more, so that no lock is needed."""
    campaign = db.session.get_one(Campaign, fund.campaign_id)
    until_end = changes_by_day(fund, end.zone, last=end.position, until=end.moment)
    until_opening = changes_by_day(fund, end.zone, last=end.after, until=end.opens_at) if end.opens_at else {}
    named, opening = names.names_at(fund, end.moment), add_up(day.change for day in until_opening.values())
    day_changes = days_between(until_opening, until_end, end.first_on, end.last_on)
    if contributor:
        named = replace(named, funder=names.facts_of_funder(contributor.funder_id, end.moment))
    return Statement(
        fund=fund,
        campaign=campaign,
        charity=campaign.charity,
        names=named,
        end=end,
        opening=opening,
        day_changes=day_changes,
        head=_hash_at(fund, end.position),
        head_before=_hash_at(fund, end.after),
        changes=proofs.changes_of(fund, before=end.moment),
        shares=shares_at(fund, opening + add_up(day.change for day in day_changes), end.moment),
        contributor=contributor,
    )


def _hash_at(fund: Fund, position: int) -> bytes:
    e = LedgerEntry
    return db.session.scalar(select(e.hash).where(e.chain == f"fund:{fund.id}", e.position == position)) or b""
