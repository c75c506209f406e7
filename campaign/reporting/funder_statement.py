"""A funder's statement: the fund as of a moment, by day, and in JSON entry by entry with the hash chain. It never names donors.

A statement covers the chain up to the last entry before its moment, so that building it again later gives the same bytes.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.config import resource
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.edges.pdf_signing import KeyFile
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.reporting import ledger_days, proofs, published_heads, spreadsheets
from campaign.reporting.ledger_days import DaySum
from campaign.reporting.published_heads import SignedHead
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules.money import format_money
from campaign.texts.dates import format_moment
from campaign.texts.document_labels import statement_labels

TEMPLATE = resource("templates") / "funders" / "statement.typ"


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day in the charity's time zone: the donations that became matched less those whose match ended, and the match less reversals.

    The sums of the days are those of the statement. A later statement has the same days, whatever is refunded meanwhile.
    """

    on: date
    donations: int
    matched_cents: int


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A fund as of a moment. `donations` is how many it matches, `entries` the length of its chain, `head` the last hash.

    `received_cents` is what the funder had paid by then as it was recorded by then: a later correction changes later statements.

    `changes` are those of the fund so far, as a chain of their own (proofs.changes_of).
    """

    fund: Fund
    campaign: Campaign
    charity: Charity
    pledged_cents: int
    held_cents: int
    matched_cents: int
    received_cents: int
    donations: int
    days: list[Day]
    entries: int
    head: bytes
    changes: list[dict[str, Any]]
    as_of: datetime

    @property
    def left_cents(self) -> int:
        """The part of the pledge that is neither held nor matched."""
        return self.pledged_cents - self.held_cents - self.matched_cents


class FutureMoment(ValueError):
    """The requested moment is in the future."""


@dataclass(frozen=True, kw_only=True)
class ChainEnd:
    """Where a statement ends: the position of its last entry in the chain, and its moment."""

    position: int
    moment: datetime


def lock_end(fund: Fund, *, before: datetime | None = None) -> ChainEnd:
    """Lock the fund and return where its chain ends before the moment, by default now. End the transaction at once. Raises FutureMoment."""
    charity = db.session.get_one(Campaign, fund.campaign_id).charity
    # With this lock nobody is appending to the chain, and no later entry has an earlier moment.
    db.session.execute(select(Fund.id).where(Fund.id == fund.id).with_for_update(read=True))
    now = db.session.scalars(select(func.clock_timestamp())).one()
    if before is not None and before.date() > charity.local(now).date() + timedelta(days=1):
        raise FutureMoment(f"{before:%Y-%m-%d %H:%M} has not come yet.")
    moment = now if before is None else min(now, before)
    return ChainEnd(position=_last_position(fund, moment), moment=moment)


def build_statement(fund: Fund, end: ChainEnd) -> Statement:
    """Build the statement of the chain up to this end. Nothing before it changes any more, so that no lock is needed."""
    campaign, last = db.session.get_one(Campaign, fund.campaign_id), end.position
    sums = ledger_days.sums_of_fund(campaign, fund.id, last=last, until=end.moment)

    def total(*kinds: Move, less: tuple[Move, ...] = ()) -> int:
        return sum(found.cents * ((kind in kinds) - (kind in less)) for day in sums.values() for kind, found in day.items())

    days = list(_days(sums))
    return Statement(
        fund=fund,
        campaign=campaign,
        charity=campaign.charity,
        pledged_cents=total(Move.PLEDGE),
        held_cents=sum(found.held_cents for day in sums.values() for found in day.values()),
        matched_cents=total(Move.MATCH, less=(Move.UNMATCH,)),
        received_cents=total(Move.RECEIVE, less=(Move.RECEIVE_REVERSAL,)),
        donations=sum(day.donations for day in days),
        days=days,
        entries=last,
        head=db.session.scalar(select(LedgerEntry.hash).where(*_of(fund), LedgerEntry.position == last)) or b"",
        changes=proofs.changes_of(fund, before=end.moment),
        as_of=campaign.charity.local(end.moment),
    )


def _of(fund: Fund) -> tuple[ColumnElement[bool], ...]:
    return (LedgerEntry.chain == f"fund:{fund.id}",)


def _last_position(fund: Fund, moment: datetime) -> int:
    """The position of the last entry before the moment."""
    e = LedgerEntry
    first_after = db.session.scalar(select(func.min(e.position)).where(e.fund_id == fund.id, e.at >= moment))
    if first_after is not None:
        return first_after - 1
    return db.session.scalars(select(func.coalesce(func.max(e.position), 0)).where(*_of(fund))).one()


def _days(sums: Mapping[date, Mapping[Move, DaySum]]) -> Iterator[Day]:
    for on, found in sorted(sums.items()):
        matched, unmatched = (found.get(move, DaySum()) for move in (Move.MATCH, Move.UNMATCH))
        if matched.entries or unmatched.entries:
            yield Day(on=on, donations=matched.donations - unmatched.donations, matched_cents=matched.cents - unmatched.cents)


def as_csv(statement: Statement, headings: list[str], language: str = "en") -> Iterator[str]:
    """Yield CSV lines, one a day, for the spreadsheets of the language."""
    return spreadsheets.csv_lines(table_of(statement, headings, title="", total=""), language)


def table_of(statement: Statement, headings: list[str], *, title: str, total: str) -> Table:
    """The days of the statement as a sheet, whose sums are those of the statement."""
    day, donations, matched = headings
    columns = (
        Column(heading=day, kind=Kind.DATE),
        Column(heading=donations, kind=Kind.COUNT, is_totalled=True),
        Column(heading=matched, kind=Kind.MONEY, is_totalled=True),
    )
    rows: Iterator[Sequence[Cell]] = ([found.on, found.donations, found.matched_cents] for found in statement.days)
    return Table(title=title, columns=columns, rows=rows, total=total)


def as_json(statement: Statement, key: KeyFile) -> Iterator[str]:
    """Yield the statement as signed JSON with each entry of the chain and its hash, in pieces (docs/verify.md).

    No transaction is open between two pieces: whoever reads them may be slow. Raises SigningKeyMissing.
    """
    return proofs.signed(_pieces(statement), key)


def _pieces(statement: Statement) -> Iterator[str]:
    summary = {
        "format": "campaign-statement/2",
        "fund": statement.fund.slug,
        "campaign": statement.campaign.slug,
        "currency": statement.campaign.currency,
        "as_of": statement.as_of.isoformat(),
        "pledged_cents": statement.pledged_cents,
        "held_cents": statement.held_cents,
        "matched_cents": statement.matched_cents,
        "available_cents": statement.left_cents,
        "donations": statement.donations,
        "chain": f"fund:{statement.fund.id}",
        "head": {"position": statement.entries, "hash": statement.head.hex()},
        "changes": statement.changes,
    }
    yield json.dumps(summary, ensure_ascii=False, indent=1)[:-2] + ',\n "entries": ['
    separator = "\n  "
    for lines in proofs.pages_of(statement.fund, last=statement.entries):
        yield separator + ",\n  ".join(json.dumps(line, ensure_ascii=False) for line in lines)
        separator = ",\n  "
    yield "\n ]"


def render_pdf(statement: Statement, language: str, key: KeyFile, *, is_test: bool) -> bytes:
    """Render the printed statement. Raises RenderingFailed and SigningKeyMissing."""
    head = published_heads.sign_end(statement.fund, statement.entries, statement.head, key)
    return pdf.render(TEMPLATE, template_data(statement, language, head, is_test=is_test), at=statement.as_of)


def template_data(statement: Statement, language: str, head: SignedHead, *, is_test: bool) -> dict[str, Any]:
    """Return everything on the printed statement, ready to show."""
    return {
        "language": language,
        "labels": statement_labels(language),
        "fund": statement.fund.name(language),
        "campaign": statement.campaign.title(language),
        "charity": statement.charity.name(language),
        "as_of": format_moment(statement.as_of, language, "long"),
        "pledged": format_money(statement.pledged_cents, language),
        "held": format_money(statement.held_cents, language),
        "matched": format_money(statement.matched_cents, language),
        "left": format_money(statement.left_cents, language),
        "received": format_money(statement.received_cents, language),
        "donations": str(statement.donations),
        "days": [[d.on.isoformat(), str(d.donations), format_money(d.matched_cents, language)] for d in statement.days],
        "head": head.text,
        "signature": textwrap.wrap(head.signature, 64),
        "is_test": is_test,
    }
