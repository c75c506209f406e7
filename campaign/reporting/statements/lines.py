"""The lines of a statement: each entry of the fund's chain with why it was posted, and the balances after it.

Why is read from the entry itself, and from entries that were posted before it: what is posted later does not change a line.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Row, Select, String, and_, case, cast, func, literal, select
from sqlalchemy.orm import aliased

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.payments import FunderPayment
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.matching.holds import REMATCH_CAUSE, FreedBy
from campaign.reporting.statements.balances import Balances
from campaign.rules.statement_lines import LineRule, ListingExtent

PAGE_SIZE = 1000

_E = LedgerEntry


def _is_preceded_by(*kinds: Move) -> ColumnElement[bool]:
    """Whether the donation had an entry of these kinds in its campaign's chain before the entry."""
    earlier = aliased(LedgerEntry)
    of_donation = (earlier.donation_id == _E.donation_id, earlier.fund_id.is_(None), earlier.kind.in_(kinds), earlier.id < _E.id)
    return select(earlier.id).where(*of_donation).correlate(_E).exists()


def _last_reversal() -> ColumnElement[str]:
    """The kind of the donation's last reversal before the entry."""
    r = aliased(LedgerEntry)
    kinds = [Move.REFUND, Move.DISPUTE, Move.OFFLINE_REVERSAL]
    last = select(r.kind).where(r.donation_id == _E.donation_id, r.kind.in_(kinds), r.id < _E.id).order_by(r.id.desc()).limit(1)
    return last.correlate(_E).scalar_subquery()


def _is_of_return() -> ColumnElement[bool]:
    """Whether the reference of the entry names a return of a payment beside the payment (funders/payments.py)."""
    return func.split_part(_E.reference, ":", 3) != ""


def _is_of_credit_note() -> ColumnElement[bool]:
    """Whether what is called became less by a credit note, which has a number of its own: a call that is cancelled has an entry before."""
    e = aliased(LedgerEntry)
    called = func.concat(f"{Move.CALL}:", func.split_part(_E.reference, ":", 2))
    return ~select(e.id).where(e.reference == called).correlate(_E).exists()


def _rematch_causes(*freed: FreedBy) -> list[str]:
    return [one.cause for one in freed]


# Of each kind of entry of a fund, the rule by which it was posted. A kind that is not here has no line, and no statement (a test holds it).
RULES: Mapping[Move, ColumnElement[Any]] = {
    Move.PLEDGE: case((_E.position == 1, LineRule.PLEDGED.value), else_=LineRule.RAISED.value),
    Move.HOLD: literal(LineRule.HELD.value),
    Move.RELEASE: case((_is_preceded_by(Move.DONATION), LineRule.RELEASED_LATE.value), else_=LineRule.RELEASED.value),
    Move.MATCH: case(
        (_E.cause.in_(_rematch_causes(FreedBy.PLEDGE, FreedBy.RESUMED, FreedBy.ACTIVATED)), LineRule.MATCHED_ON_CHANGE.value),
        (_E.cause.startswith(REMATCH_CAUSE), LineRule.REMATCHED.value),
        (and_(_E.from_account == "available", _is_preceded_by(Move.REINSTATEMENT)), LineRule.MATCHED_AGAIN.value),
        else_=LineRule.MATCHED.value,
    ),
    Move.UNMATCH: case(
        {
            Move.REFUND.value: LineRule.REFUNDED.value,
            Move.DISPUTE.value: LineRule.DISPUTED.value,
            Move.OFFLINE_REVERSAL.value: LineRule.FELL_THROUGH.value,
        },
        value=_last_reversal(),
        else_=LineRule.REDUCED.value,
    ),
    Move.CALL: literal(LineRule.CALLED.value),
    Move.CALL_REVERSAL: case((_is_of_credit_note(), LineRule.CREDITED.value), else_=LineRule.CALL_CANCELLED.value),
    Move.RECEIVE: case((_is_of_return(), LineRule.RETURN_UNDONE.value), else_=LineRule.RECEIVED.value),
    Move.RECEIVE_REVERSAL: case((_is_of_return(), LineRule.RETURNED.value), else_=LineRule.CORRECTED.value),
}
_RULE = case({kind.value: rule for kind, rule in RULES.items()}, value=_E.kind).label("rule")

_PAYMENT_ID = case(
    (_E.kind.in_([Move.RECEIVE, Move.RECEIVE_REVERSAL]), cast(func.split_part(_E.reference, ":", 2), BigInteger)), else_=None
)
# The number of a call or credit note (funders/calls.py).
_CALL_NUMBER = case((_E.kind.in_([Move.CALL, Move.CALL_REVERSAL]), _E.cause), else_=None)


# Entries that somebody asks about one by one: calls, payments, and the terms.
_OF_ACCOUNT = (Move.PLEDGE, Move.CALL, Move.CALL_REVERSAL, Move.RECEIVE, Move.RECEIVE_REVERSAL)


@dataclass(frozen=True, kw_only=True)
class ListedEntry:
    """One entry. `reference` is the random id of a gift, the number of a call or credit note, or what the funder's payment was recorded under."""

    position: int
    at: datetime
    rule: LineRule
    reference: str
    cents: int


@dataclass(frozen=True, kw_only=True)
class Line(ListedEntry):
    """One entry with the balances after it."""

    after: Balances


class Listing(NamedTuple):
    """Entries to list, and which these are of the period."""

    extent: ListingExtent
    entries: Sequence[ListedEntry]


@dataclass(frozen=True, kw_only=True)
class RuleSum:
    """What was posted by a rule, in so many entries."""

    rule: LineRule
    entries: int
    cents: int


def lines_of(fund: Fund, opening: Balances, *, after: int, last: int, hidden: Collection[LineRule] = ()) -> Iterator[Line]:
    """Yield the entries after one position up to another that have none of the `hidden` rules, in order. No transaction is open between two pages: whoever reads may be slow."""
    balances = opening
    for first in range(after, last, PAGE_SIZE):
        rows = db.session.execute(_page(fund, first, min(first + PAGE_SIZE, last))).all()
        db.session.rollback()
        for row in rows:
            balances = balances + Balances.of_entry(row.from_account, row.to_account, row.cents)
            if row.rule not in hidden:
                yield Line(**_values(row), after=balances)


def list_exceptional(fund: Fund, *, after: int, last: int, most: int) -> Listing:
    """The entries after one position up to another that are no hold and no match; of the account alone where those are more than `most`."""
    exceptional = _page(fund, after, last).where(_E.kind.in_([*_OF_ACCOUNT, Move.UNMATCH])).limit(most + 1)
    if len(rows := db.session.execute(exceptional).all()) <= most:
        return Listing(extent=ListingExtent.EXCEPTIONAL, entries=[ListedEntry(**_values(row)) for row in rows])
    of_account = db.session.execute(_page(fund, after, last).where(_E.kind.in_(_OF_ACCOUNT)))
    return Listing(extent=ListingExtent.ACCOUNT, entries=[ListedEntry(**_values(row)) for row in of_account])


def _values(row: Row[Any]) -> dict[str, Any]:
    """The values of a ListedEntry."""
    return {"position": row.position, "at": row.at, "rule": LineRule(row.rule), "reference": row.reference, "cents": row.cents}


def _page(fund: Fund, after: int, until: int) -> Select[Any]:
    reference = func.coalesce(Donation.public_id, FunderPayment.reference, _CALL_NUMBER, cast(literal(""), String)).label("reference")
    query = select(_E.position, _E.at, _E.from_account, _E.to_account, _E.cents, _RULE, reference)
    query = query.outerjoin(Donation, Donation.id == _E.donation_id).outerjoin(FunderPayment, FunderPayment.id == _PAYMENT_ID)
    return query.where(_E.chain == f"fund:{fund.id}", _E.position > after, _E.position <= until).order_by(_E.position)


def sums_by_rule(fund: Fund, *, after: int, last: int) -> list[RuleSum]:
    """What was posted by each rule after one position up to another, in the order of LineRule."""
    rows = db.session.execute(
        select(_RULE, func.count().label("entries"), func.sum(_E.cents).label("cents"))
        .where(_E.chain == f"fund:{fund.id}", _E.position > after, _E.position <= last)
        .group_by(_RULE)
    )
    found = [RuleSum(rule=LineRule(row.rule), entries=row.entries, cents=int(row.cents)) for row in rows]
    return sorted(found, key=lambda one: list(LineRule).index(one.rule))
