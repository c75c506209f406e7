"""Sums of the ledger by day, in the charity's time zone: of days that have ended as they were stored once, of the rest from the entries.

An entry counts on the day on which it was posted, and entries are never changed, so the sums of a day that has ended are final.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Date, ForeignKey, Index, Select, cast, delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import Base, db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move

# Before all entries.
FIRST_DAY = date(1970, 1, 1)
# Transactions that began before midnight have ended by then.
SETTLED_AFTER = timedelta(minutes=15)


class LedgerDay(Base):
    """What was posted of one kind on one day, for a fund or for the campaign alone."""

    __tablename__ = "ledger_day"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    fund_id: Mapped[int | None] = mapped_column(ForeignKey("fund.id"))
    day: Mapped[date]
    kind: Mapped[str]
    cents: Mapped[int]
    entries: Mapped[int]


Index(
    "day_is_summed_once",
    LedgerDay.campaign_id,
    LedgerDay.day,
    LedgerDay.kind,
    LedgerDay.fund_id,
    unique=True,
    postgresql_nulls_not_distinct=True,
)


class SummedDays(Base):
    """The last day of a campaign whose sums are stored, and the time zone of the days."""

    __tablename__ = "summed_days"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    until_on: Mapped[date]
    time_zone: Mapped[str]


@dataclass(frozen=True, kw_only=True)
class DaySum:
    """What was posted of a kind, in cents, by how many entries."""

    cents: int = 0
    entries: int = 0


def store_ended_days(campaign: Campaign, *, now: datetime) -> int:
    """Store the sums of the days that have ended since the last time. Returns how many days. The caller commits.

    After a change of the time zone all days are stored anew.
    """
    zone, name = ZoneInfo(campaign.charity.time_zone), campaign.charity.time_zone
    yesterday = (now - SETTLED_AFTER).astimezone(zone).date() - timedelta(days=1)
    stored = db.session.get(SummedDays, campaign.id, populate_existing=True)
    if stored is not None and stored.time_zone != name:
        db.session.execute(delete(LedgerDay).where(LedgerDay.campaign_id == campaign.id))
        stored = None
    first = stored.until_on + timedelta(days=1) if stored else _first_day(campaign, zone)
    if first is None or first > yesterday:
        return 0
    sums = _sums_of_entries(campaign, zone, first, yesterday + timedelta(days=1), kinds=None)
    columns = ["campaign_id", "fund_id", "day", "kind", "cents", "entries"]
    db.session.execute(insert(LedgerDay).from_select(columns, sums))
    values = {"campaign_id": campaign.id, "until_on": yesterday, "time_zone": name}
    db.session.execute(upsert(SummedDays).values(values).on_conflict_do_update(index_elements=["campaign_id"], set_=values))
    return (yesterday - first).days + 1


def sums_by_day(campaign: Campaign, kinds: Collection[Move], *, since: date, fund_id: int | None = None) -> dict[date, dict[Move, DaySum]]:
    """What was posted of these kinds on each day from `since` to today; of one fund, or of the campaign with all its funds."""
    zone, stored = ZoneInfo(campaign.charity.time_zone), db.session.get(SummedDays, campaign.id, populate_existing=True)
    is_usable = stored is not None and stored.time_zone == campaign.charity.time_zone
    unstored = max(since, stored.until_on + timedelta(days=1)) if stored and is_usable else since
    found: dict[date, dict[Move, DaySum]] = defaultdict(dict)
    d = LedgerDay
    ended = (
        select(d.day, d.kind, func.sum(d.cents), func.sum(d.entries))
        .where(d.campaign_id == campaign.id, d.kind.in_(kinds), d.day >= since, d.day < unstored)
        .group_by(d.day, d.kind)
    )
    rest = _sums_of_entries(campaign, zone, unstored, None, kinds=kinds).subquery()
    live = select(rest.c.day, rest.c.kind, func.sum(rest.c.cents), func.sum(rest.c.entries)).group_by(rest.c.day, rest.c.kind)
    if fund_id is not None:
        ended, live = ended.where(d.fund_id == fund_id), live.where(rest.c.fund_id == fund_id)
    for query in (ended, live):
        for day, kind, cents, entries in db.session.execute(query):
            found[day][Move(kind)] = DaySum(cents=int(cents), entries=int(entries))
    return found


def _first_day(campaign: Campaign, zone: ZoneInfo) -> date | None:
    first = db.session.scalar(select(func.min(LedgerEntry.at)).where(LedgerEntry.campaign_id == campaign.id))
    return first.astimezone(zone).date() if first else None


def _sums_of_entries(
    campaign: Campaign, zone: ZoneInfo, first: date, end: date | None, *, kinds: Collection[Move] | None
) -> Select[int, int | None, date, str, int, int]:
    """The sums of the entries on these days, the last one before `end`, by fund, day and kind."""
    e = LedgerEntry
    day = cast(func.timezone(zone.key, e.at), Date).label("day")
    query = select(e.campaign_id, e.fund_id, day, e.kind, func.sum(e.cents).label("cents"), func.count().label("entries")).where(
        e.campaign_id == campaign.id, e.at >= datetime.combine(first, time.min, zone)
    )
    if end is not None:
        query = query.where(e.at < datetime.combine(end, time.min, zone))
    if kinds is not None:
        query = query.where(e.kind.in_(kinds))
    return query.group_by(e.campaign_id, e.fund_id, day, e.kind)
