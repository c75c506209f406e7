"""Sums of the ledger by day, in the charity's time zone: of days that have ended as they were stored once, of the rest from the entries.

An entry counts on the day on which it was posted, and entries are never changed, so the sums of a day that has ended are final.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Date, ForeignKey, Index, Select, Subquery, and_, case, cast, delete, func, insert, or_, select
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
    """What was posted of one kind on one day, for a fund or for the campaign alone.

    `held_cents` is what it changed the sum on hold by: a match is of money that was on hold, or of what was left. `donations` is of matches how many gifts became matched, and of their reversals how many were no longer matched afterwards.
    """

    __tablename__ = "ledger_day"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    fund_id: Mapped[int | None] = mapped_column(ForeignKey("fund.id"))
    day: Mapped[date]
    kind: Mapped[str]
    cents: Mapped[int]
    entries: Mapped[int]
    held_cents: Mapped[int] = mapped_column(server_default="0")
    donations: Mapped[int] = mapped_column(server_default="0")


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
    """The last day of a campaign whose sums are stored, and the time zone of the days.

    `reach_until_on` is the last one of what fund_reach.py stores; None before the first time, and after a change of the time zone.
    """

    __tablename__ = "summed_days"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    until_on: Mapped[date]
    time_zone: Mapped[str]
    reach_until_on: Mapped[date | None]


# What is summed of entries.
_SUMS = (
    func.sum(LedgerEntry.cents).label("cents"),
    func.count().label("entries"),
    func.sum(
        case((LedgerEntry.to_account == "held", LedgerEntry.cents), (LedgerEntry.from_account == "held", -LedgerEntry.cents), else_=0)
    ).label("held_cents"),
)


@dataclass(frozen=True, kw_only=True)
class DaySum:
    """What was posted of a kind, in cents, by how many entries; `held_cents` and `donations` as in LedgerDay, of a fund alone."""

    cents: int = 0
    entries: int = 0
    held_cents: int = 0
    donations: int = 0


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
    columns = ["campaign_id", "fund_id", "day", "kind", "cents", "entries", "held_cents", "donations"]
    found, changed = sums.subquery(), _matched_gifts(campaign, zone, first, yesterday + timedelta(days=1)).subquery()
    of_its_own = and_(changed.c.fund_id == found.c.fund_id, changed.c.day == found.c.day, changed.c.kind == found.c.kind)
    with_gifts = select(*found.c, func.coalesce(changed.c.donations, 0)).outerjoin_from(found, changed, of_its_own)
    db.session.execute(insert(LedgerDay).from_select(columns, with_gifts))
    values = {"campaign_id": campaign.id, "until_on": yesterday, "time_zone": name}
    db.session.execute(
        upsert(SummedDays)
        .values(values)
        .on_conflict_do_update(index_elements=["campaign_id"], set_=values | ({} if stored else {"reach_until_on": None}))
    )
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


def sums_of_fund(campaign: Campaign, fund_id: int, *, last: int, until: datetime, zone: ZoneInfo) -> dict[date, dict[Move, DaySum]]:
    """What was posted in the fund by day of the zone, up to the entry at the position `last` of its chain, which is the last one before `until`.

    Sums that are stored for the days of another zone are not used.
    """
    stored = db.session.get(SummedDays, campaign.id, populate_existing=True)
    is_usable = stored is not None and stored.time_zone == zone.key
    unstored = min(stored.until_on + timedelta(days=1), until.astimezone(zone).date()) if stored and is_usable else date.min
    found: dict[date, dict[Move, DaySum]] = defaultdict(dict)
    d = LedgerDay
    ended = select(d.day, d.kind, d.cents, d.entries, d.held_cents, d.donations)
    for query in (ended.where(d.fund_id == fund_id, d.day < unstored), _fund_since(fund_id, zone, unstored, last, until)):
        for day, kind, cents, entries, held, donations in db.session.execute(query):
            found[day][Move(kind)] = DaySum(cents=int(cents), entries=entries, held_cents=int(held), donations=donations)
    return found


def _fund_since(fund_id: int, zone: ZoneInfo, first: date, last: int, until: datetime) -> Select[Any]:
    """The sums of the fund's entries from this day on up to the position `last` of its chain, the last one before `until`, by day and kind."""
    e = LedgerEntry
    # The moment says nothing that the position does not; but the index by moment ends there, instead of reading all entries since.
    is_on_days = [e.fund_id == fund_id, e.position <= last, e.at < until]
    if first > date.min:
        is_on_days.append(e.at >= datetime.combine(first, time.min, zone))
    is_of_matches = e.kind.in_([Move.MATCH, Move.UNMATCH])
    changed = select(e.donation_id).where(*is_on_days, is_of_matches)
    moves = changes_of_matches(zone).where(e.fund_id == fund_id, e.position <= last, e.donation_id.in_(changed), is_of_matches).subquery()
    gifts = _first_or_last(moves).subquery()
    day = cast(func.timezone(zone.key, e.at), Date).label("day")
    sums = select(day, e.kind, *_SUMS).where(*is_on_days).group_by(day, e.kind).subquery()
    is_its_own = and_(gifts.c.day == sums.c.day, gifts.c.kind == sums.c.kind)
    return select(*sums.c, func.coalesce(gifts.c.donations, 0)).outerjoin_from(sums, gifts, is_its_own)


def _first_day(campaign: Campaign, zone: ZoneInfo) -> date | None:
    first = db.session.scalar(select(func.min(LedgerEntry.at)).where(LedgerEntry.campaign_id == campaign.id))
    return first.astimezone(zone).date() if first else None


def _matched_gifts(campaign: Campaign, zone: ZoneInfo, first: date, end: date) -> Select[Any]:
    """How many gifts became matched on each of these days, and how many were no longer matched, by fund."""
    e, is_of_matches = LedgerEntry, LedgerEntry.kind.in_([Move.MATCH, Move.UNMATCH])
    is_on_days = and_(e.at >= datetime.combine(first, time.min, zone), e.at < datetime.combine(end, time.min, zone))
    # What a gift had before is in its earlier entries.
    changed = select(e.donation_id).where(e.campaign_id == campaign.id, is_on_days, is_of_matches)
    return _first_or_last(
        changes_of_matches(zone).where(e.campaign_id == campaign.id, e.donation_id.in_(changed), is_of_matches).subquery()
    )


def _first_or_last(moves: Subquery) -> Select[Any]:
    """How many of these entries began the match of a fund with a gift, or ended it, by fund, day and kind."""
    m = moves.c
    is_first_or_last = or_(and_(m.after > 0, m.after == m.change), and_(m.after == 0, m.change < 0))
    return select(m.fund_id, m.day, m.kind, func.count().label("donations")).where(is_first_or_last).group_by(m.fund_id, m.day, m.kind)


def changes_of_matches(zone: ZoneInfo) -> Select[Any]:
    """The entries of matches, each with its day, what it changes the match of its fund with the gift by, and what that is after it."""
    e = LedgerEntry
    change = case((e.kind == Move.MATCH, e.cents), else_=-e.cents)
    after = func.sum(change).over(partition_by=(e.fund_id, e.donation_id), order_by=e.position)
    day = cast(func.timezone(zone.key, e.at), Date)
    return select(e.fund_id, e.kind, day.label("day"), change.label("change"), after.label("after"))


def _sums_of_entries(
    campaign: Campaign, zone: ZoneInfo, first: date, end: date | None, *, kinds: Collection[Move] | None
) -> Select[int, int | None, date, str, int, int, Any]:
    """The sums of the entries on these days, the last one before `end`, by fund, day and kind."""
    e = LedgerEntry
    day = cast(func.timezone(zone.key, e.at), Date).label("day")
    query = select(e.campaign_id, e.fund_id, day, e.kind, *_SUMS)
    query = query.where(e.campaign_id == campaign.id, e.at >= datetime.combine(first, time.min, zone))
    if end is not None:
        query = query.where(e.at < datetime.combine(end, time.min, zone))
    if kinds is not None:
        query = query.where(e.kind.in_(kinds))
    return query.group_by(e.campaign_id, e.fund_id, day, e.kind)
