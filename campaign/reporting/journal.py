"""The journal: every entry of the ledger that moves money, as debits and credits of the charity's accounts, by the day of the fact.

Which day and which move that is, journal_days.py says. It only reads.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Date, Select, Subquery, case, cast, func, literal, select

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.reporting.journal_days import Heads, dated_entries
from campaign.reporting.journal_postings import MONEY, MoneyMove, money_move
from campaign.rules import journal
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import Grain, Movement, Purpose, Subject

ROWS_AT_ONCE = 1000


def movements(charity: Charity, period: Period, *, grain: Grain = Grain.DAY, after: Heads | None = None) -> Iterator[Movement]:
    """Yield the movements of the days of the period, journal entry by journal entry, streamed from the database.

    With `after`, only entries that came after these positions.
    """
    dated = dated_entries(charity, period, after)
    query = _days(dated) if grain is Grain.DAY else _entries(dated)
    for on, kind, row, reference, campaign_id, fund_id, entries, cents, entry_id in db.session.execute(
        query, execution_options={"yield_per": ROWS_AT_ONCE}
    ):
        posting = MONEY[money_move(kind)]
        by_day = grain is Grain.DAY
        yield Movement(
            on=on,
            number=journal.number_of_day(on, posting.subject, row) if by_day else journal.number_of_entry(on, posting.subject, entry_id),
            posting=posting,
            kind=kind,
            entries=entries,
            cents=int(cents),
            reference=reference or "",
            campaign_id=campaign_id,
            fund_id=fund_id,
        )


def _days(dated: Subquery) -> Select[Any]:
    d = dated.c
    by = (d.on, d.kind, d.row, d.name, d.campaign_id, d.fund_id)
    sums = (func.count(), func.sum(d.cents), func.min(d.id))
    return select(*by, *sums).group_by(*by).order_by(d.on, _place(d.kind), d.row, d.campaign_id, d.fund_id, d.kind, d.name)


def _entries(dated: Subquery) -> Select[Any]:
    d = dated.c
    name = func.coalesce(d.name, Donation.public_id)
    columns = (d.on, d.kind, d.row, name, d.campaign_id, d.fund_id, literal(1), d.cents, d.id)
    return select(*columns).outerjoin(Donation, Donation.id == d.donation_id).order_by(d.on, d.id)


def _place(kind: ColumnElement[str]) -> ColumnElement[int]:
    subjects = list(Subject)
    return case({move.value: subjects.index(posting.subject) for move, posting in MONEY.items()}, value=kind)


@dataclass(frozen=True, kw_only=True)
class MoveSum:
    """How many entries of a move there are, and what they add up to."""

    entries: int
    cents: int


def sums_of(charity: Charity, period: Period, *, after: Heads | None = None) -> dict[MoneyMove, MoveSum]:
    """The entries of the days of the period, added up by move."""
    return add_up(dated_entries(charity, period, after))


def add_up(dated: Subquery) -> dict[MoneyMove, MoveSum]:
    """These entries, added up by move."""
    d = dated.c
    query = select(d.kind, func.count(), func.sum(d.cents)).group_by(d.kind)
    return {money_move(kind): MoveSum(entries=entries, cents=int(cents)) for kind, entries, cents in db.session.execute(query)}


def sums_by_month(charity: Charity, period: Period) -> dict[date, dict[MoneyMove, MoveSum]]:
    """The entries of the days of the period by the first day of their month and by move."""
    d = dated_entries(charity, period).c
    first_on = cast(func.date_trunc("month", d.on), Date)
    sums: dict[date, dict[MoneyMove, MoveSum]] = {}
    query = select(first_on, d.kind, func.count(), func.sum(d.cents)).group_by(first_on, d.kind)
    for month, kind, entries, cents in db.session.execute(query):
        sums.setdefault(month, {})[money_move(kind)] = MoveSum(entries=entries, cents=int(cents))
    return sums


def change_of(purpose: Purpose, sums: Mapping[MoneyMove, MoveSum]) -> int:
    """What the moves add to an account, debits less credits, in cents."""
    return sum(
        found.cents * ((MONEY[move].debit is purpose) - (MONEY[move].credit is purpose)) for move, found in sums.items() if move in MONEY
    )
