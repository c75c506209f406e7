"""Balances of a fund at a position of its chain, and their changes by day and by entry. Each is a sum of entries, so that they add up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.reporting import ledger_days
from campaign.reporting.ledger_days import DaySum


@dataclass(frozen=True, kw_only=True)
class Balances:
    """Of a fund in cents, or changes of them. `donations` is how many gifts it matches."""

    pledged_cents: int = 0
    held_cents: int = 0
    matched_cents: int = 0
    called_cents: int = 0
    received_cents: int = 0
    donations: int = 0

    @property
    def left_cents(self) -> int:
        """The part of the pledge that is neither held nor matched."""
        return self.pledged_cents - self.held_cents - self.matched_cents

    def __add__(self, change: "Balances") -> "Balances":
        """The balances after the change."""
        return Balances(**{name: cents + getattr(change, name) for name, cents in vars(self).items()})

    def __sub__(self, other: "Balances") -> "Balances":
        """The change from the other balances to these."""
        return Balances(**{name: cents - getattr(other, name) for name, cents in vars(self).items()})

    @classmethod
    def of_entry(cls, source: str, target: str, cents: int) -> Self:
        """What an entry from one account to another changes; `donations` is not in one entry."""

        def change(account: str) -> int:
            return cents * ((target == account) - (source == account))

        return cls(
            pledged_cents=-change("outside"),
            held_cents=change("held"),
            matched_cents=change("matched"),
            called_cents=change("called"),
            received_cents=change("received"),
        )


@dataclass(frozen=True, kw_only=True)
class DayChange:
    """What changed on one day, in so many entries; `matches` of them are matches or their reversals."""

    on: date
    change: Balances
    entries: int
    matches: int

    @property
    def donations(self) -> int:
        """The gifts that became matched less those whose match ended."""
        return self.change.donations

    @property
    def matched_cents(self) -> int:
        """The match less its reversals."""
        return self.change.matched_cents


def add_up(changes: Iterable[Balances]) -> Balances:
    """The sum of changes."""
    return sum(changes, start=Balances())


def changes_by_day(fund: Fund, zone: ZoneInfo, *, last: int, until: datetime) -> dict[date, DayChange]:
    """What changed on each day of the zone up to the position `last`, whose entry is the last one before `until`."""
    campaign = db.session.get_one(Campaign, fund.campaign_id)
    sums = ledger_days.sums_of_fund(campaign, fund.id, last=last, until=until, zone=zone)
    return {on: _day_change(on, of_kinds) for on, of_kinds in sums.items()}


def _day_change(on: date, of_kinds: Mapping[Move, DaySum]) -> DayChange:
    def total(plus: Move, minus: Move | None = None) -> int:
        return of_kinds.get(plus, DaySum()).cents - (of_kinds.get(minus, DaySum()).cents if minus else 0)

    matched, unmatched = (of_kinds.get(move, DaySum()) for move in (Move.MATCH, Move.UNMATCH))
    change = Balances(
        pledged_cents=total(Move.PLEDGE),
        held_cents=sum(found.held_cents for found in of_kinds.values()),
        matched_cents=total(Move.MATCH, Move.UNMATCH),
        called_cents=total(Move.CALL, Move.CALL_REVERSAL),
        received_cents=total(Move.RECEIVE, Move.RECEIVE_REVERSAL),
        donations=matched.donations - unmatched.donations,
    )
    entries = sum(found.entries for found in of_kinds.values())
    return DayChange(on=on, change=change, entries=entries, matches=matched.entries + unmatched.entries)


def days_between(before: Mapping[date, DayChange], after: Mapping[date, DayChange], first_on: date, last_on: date) -> list[DayChange]:
    """What changed on each day after the entries of `before` up to those of `after`.

    Where the charity's time zone was changed in between, hours of the day before are counted on the first day, and of the day after on the last.
    """
    nothing = DayChange(on=date.min, change=Balances(), entries=0, matches=0)
    found: dict[date, DayChange] = {}
    for on in sorted(after):
        late, early = after[on], before.get(on, nothing)
        if late.entries == early.entries:
            continue
        day = min(max(on, first_on), last_on)
        sums = found.get(day, nothing)
        found[day] = DayChange(
            on=day,
            change=sums.change + late.change - early.change,
            entries=sums.entries + late.entries - early.entries,
            matches=sums.matches + late.matches - early.matches,
        )
    return list(found.values())


def balances_at(fund: Fund, position: int) -> Balances:
    """The balances after the entry at this position, without the number of donations."""
    if position == 0:
        return Balances()
    e = LedgerEntry

    def change(account: str) -> object:
        return func.coalesce(func.sum(case((e.to_account == account, e.cents), (e.from_account == account, -e.cents), else_=0)), 0)

    sums = select(*(change(name) for name in ("outside", "held", "matched", "called", "received")))  # type: ignore[call-overload]
    at_position = db.session.execute(sums.where(e.chain == f"fund:{fund.id}", e.position <= position)).one()
    outside, held, matched, called, received = map(int, at_position)
    return Balances(pledged_cents=-outside, held_cents=held, matched_cents=matched, called_cents=called, received_cents=received)


def day_before(moment: datetime, zone: ZoneInfo) -> date:
    """The day of the last microsecond before the moment."""
    return (moment - timedelta(microseconds=1)).astimezone(zone).date()
