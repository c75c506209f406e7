"""Calls for funds: asking a funder for what is matched (earned) and not yet called, and credit notes for what turned out not to be earned.

Calls and credit notes are numbered together, consecutively for each charity and without gaps, frozen when they are issued, and never changed. What was
received is applied to the oldest calls first (rules/call_balances.py): a payment needs no call, and no row says which call it is for.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, UniqueConstraint, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.funders import payments
from campaign.funders.funders import Funder
from campaign.ledger.entries import Entry, LedgerEntry, post_entries
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund, Leftover
from campaign.rules.call_balances import AppliedPart, applied_in_order


class CallKind(StrEnum):
    """CALL asks for money. CREDIT_NOTE takes back what was called and is matched no longer, after the fund has ended."""

    CALL = "call"
    CREDIT_NOTE = "credit_note"


class CallSeries(Base):
    """The counter of one charity. Its row stays locked until the transaction ends: a sequence would leave gaps after a rollback."""

    __tablename__ = "call_series"

    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"), primary_key=True)
    last_number: Mapped[int] = mapped_column(server_default="0")


class FundCall(Base):
    """A call or a credit note. `content` is what its document says (call_contents.py), `reason` that of a credit note."""

    __tablename__ = "fund_call"
    __table_args__ = (
        UniqueConstraint("charity_id", "number", name="call_is_numbered_once"),
        Index("ix_fund_call_fund_id", "fund_id", "number"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    number: Mapped[int]
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    kind: Mapped[str]
    cents: Mapped[int]
    issued_on: Mapped[date]
    due_on: Mapped[date | None]
    content: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(server_default="", default="")
    issued_by: Mapped[str]
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def name(self) -> str:
        """Its number as it is written, which is also the reference for the transfer."""
        return format_number(self.number)


class CallCancellation(Base):
    """A call that is no longer asked for, and why. Its number stays used."""

    __tablename__ = "call_cancellation"

    call_id: Mapped[int] = mapped_column(ForeignKey("fund_call.id"), primary_key=True, autoincrement=False)
    reason: Mapped[str]
    cancelled_by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


# What is applied to a call: a payment, or a credit note.
Source = payments.FunderPayment | FundCall


class CallBalance(NamedTuple):
    """A call that is not cancelled, with how much is applied to it, of which payments and credit notes."""

    call: FundCall
    applied_cents: int
    parts: list[tuple[Source, int]]

    @property
    def open_cents(self) -> int:
        """What is still to be paid of it."""
        return self.call.cents - self.applied_cents


def format_number(number: int) -> str:
    """A number of the series as it is written."""
    return f"C-{number:05d}"


def take_next_number(charity_id: int) -> int:
    """Take the next number of the charity's series."""
    counted = insert(CallSeries).values(charity_id=charity_id, last_number=1)
    counted = counted.on_conflict_do_update(index_elements=["charity_id"], set_={"last_number": CallSeries.last_number + 1})
    return db.session.scalars(counted.returning(CallSeries.last_number)).one()


def post_call(call: FundCall, fund: Fund) -> None:
    """Insert the call or credit note and post it. The fund is locked."""
    db.session.add(call)
    db.session.flush()
    _post(Move.CALL if call.kind == CallKind.CALL else Move.CALL_REVERSAL, call, fund, cause=call.name)


def post_cancellation(call: FundCall, fund: Fund, *, reason: str, actor: str) -> CallCancellation:
    """Cancel the call and reverse its entry. The fund is locked; the database refuses it for a call to which anything is applied."""
    cancellation = CallCancellation(call_id=call.id, reason=reason, cancelled_by=actor)
    db.session.add(cancellation)
    db.session.flush()
    _post(Move.CALL_REVERSAL, call, fund, cause=call.name)
    return cancellation


def _post(kind: Move, call: FundCall, fund: Fund, *, cause: str) -> None:
    source, target = ("earned", "called") if kind is Move.CALL else ("called", "earned")
    of_fund = {"campaign_id": fund.campaign_id, "fund_id": fund.id}
    post_entries(Entry(kind=kind, source=source, target=target, cents=call.cents, reference=f"{kind}:{call.id}", cause=cause, **of_fund))


def is_cancelled() -> ColumnElement[bool]:
    """A condition on a `FundCall`."""
    return exists().where(CallCancellation.call_id == FundCall.id)


def called_cents(fund: Fund) -> int:
    """What is called of the fund now: its calls without those that were cancelled, less its credit notes."""
    return int(db.session.scalars(_called().where(FundCall.fund_id == fund.id)).one())


def _called() -> Select[int]:
    signed = case((FundCall.kind == CallKind.CALL, FundCall.cents), else_=-FundCall.cents)
    return select(func.coalesce(func.sum(signed), 0)).where(~is_cancelled())


def callable_cents(fund: Fund, *, now: datetime) -> int:
    """What may be called of the fund in all: what is matched, and after its end the whole pledge where what is left is given all the same."""
    is_whole = fund.leftover == Leftover.DONATED and fund.activated_at is not None and fund.has_ended(now)
    return fund.pledged_cents if is_whole else fund.matched_cents


def uncalled_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many funds of the charity have ended while not all of what may be called of them is called."""
    called = _called().where(FundCall.fund_id == Fund.id).correlate(Fund).scalar_subquery()
    may_be_called = case((Fund.leftover == Leftover.DONATED, Fund.pledged_cents), else_=Fund.matched_cents)
    has_ended = and_(Fund.activated_at.is_not(None), or_(Fund.ended_at.is_not(None), Fund.closes_at <= func.now()))
    of_charity = select(func.count()).select_from(Fund).join(Campaign, Campaign.id == Fund.campaign_id)
    return of_charity.where(Campaign.charity_id == charity_id, has_ended, may_be_called > called)


def open_cents(fund: Fund) -> int:
    """What is called of the fund and not received now. Never negative: what was received beyond it is applied to the next call."""
    return max(called_cents(fund) - payments.received_cents(fund), 0)


def calls_of(fund: Fund) -> list[FundCall]:
    """The calls and credit notes of the fund, cancelled ones included, in the order of their numbers."""
    return list(db.session.scalars(select(FundCall).where(FundCall.fund_id == fund.id).order_by(FundCall.number)))


def find_call(fund: Fund, number: int) -> FundCall | None:
    """The call or credit note of the fund with this number."""
    return db.session.scalar(select(FundCall).where(FundCall.fund_id == fund.id, FundCall.number == number))


def cancellation_of(call: FundCall) -> CallCancellation | None:
    """Why the call is no longer asked for; None while it is."""
    return db.session.get(CallCancellation, call.id, populate_existing=True)


def balances_of(fund: Fund) -> list[CallBalance]:
    """The calls of the fund that are not cancelled, oldest first, with what is applied to each."""
    asked = list(
        db.session.scalars(
            select(FundCall).where(FundCall.fund_id == fund.id, FundCall.kind == CallKind.CALL, ~is_cancelled()).order_by(FundCall.number)
        )
    )
    sources = _sources_of(fund)
    parts = applied_in_order([call.cents for call in asked], [cents for _, cents in sources])
    return [_balance(call, [part for part in parts if part.call == index], sources) for index, call in enumerate(asked)]


def _balance(call: FundCall, applied: list[AppliedPart], sources: list[tuple[Source, int]]) -> CallBalance:
    parts = [(sources[part.source][0], part.cents) for part in applied]
    return CallBalance(call=call, applied_cents=sum(part.cents for part in applied), parts=parts)


def _sources_of(fund: Fund) -> list[tuple[Source, int]]:
    """What came in for the fund and is retained, and what was credited, by day."""
    p, left = payments.FunderPayment, payments.FunderPayment.cents - payments.returned_in_query()
    paid = db.session.execute(select(p, left).where(p.fund_id == fund.id, payments.is_counted(), left > 0))
    notes = db.session.scalars(select(FundCall).where(FundCall.fund_id == fund.id, FundCall.kind == CallKind.CREDIT_NOTE))
    dated: list[tuple[date, int, int, Source, int]] = []
    dated += [(payment.received_on, 0, payment.id, payment, int(cents)) for payment, cents in paid]
    dated += [(note.issued_on, 1, note.id, note, note.cents) for note in notes]
    dated.sort(key=lambda one: (one[0], one[1], one[2]))
    return [(source, cents) for _, _, _, source, cents in dated]


def surplus_cents(fund: Fund) -> int:
    """What was received of the fund beyond what is called: it is applied to the next call, or is to be returned."""
    return max(payments.received_cents(fund) - called_cents(fund), 0)


def has_nothing_applied(call: FundCall, fund: Fund) -> bool:
    """Whether the call asks for something and nothing is applied to it."""
    return any(one.call.id == call.id and one.applied_cents == 0 for one in balances_of(fund))


def list_overdue(charity: Charity, *, today: date) -> list[tuple[FundCall, Fund, int]]:
    """The charity's calls whose day has passed while something of them is open, with the open cents; the oldest first."""
    funds = select(Fund).join(FundCall, FundCall.fund_id == Fund.id).where(FundCall.charity_id == charity.id, FundCall.due_on < today)
    found = [(one, fund) for fund in db.session.scalars(funds.distinct()) for one in balances_of(fund)]
    overdue = [(one.call, fund, one.open_cents) for one, fund in found if one.open_cents and one.call.due_on and one.call.due_on < today]
    return sorted(overdue, key=lambda row: row[0].number)


def list_open(*, due_since: date) -> list[tuple[FundCall, Fund]]:
    """The calls of all charities that were due on this day or later and of which something is open."""
    funds = select(Fund).join(FundCall, FundCall.fund_id == Fund.id).where(FundCall.due_on >= due_since).distinct()
    return [(one.call, fund) for fund in db.session.scalars(funds) for one in balances_of(fund) if one.open_cents]


def matched_between(fund: Fund, *, after: int, upto: int) -> tuple[int, int]:
    """What was matched, and what of it was released, by the fund's entries after a position of its chain up to another one, in cents."""
    e = LedgerEntry
    in_all, released_of = (func.coalesce(func.sum(e.cents).filter(e.kind == kind), 0) for kind in (Move.MATCH, Move.UNMATCH))
    summed = select(in_all, released_of).where(e.chain == f"fund:{fund.id}", e.position > after, e.position <= upto)
    matched, released = db.session.execute(summed).one()
    return int(matched), int(released)


def last_position(fund: Fund) -> int:
    """The position in the fund's chain of its last call that is not cancelled; 0 before the first."""
    last = select(FundCall.id).where(FundCall.fund_id == fund.id, FundCall.kind == CallKind.CALL, ~is_cancelled())
    call_id = db.session.scalar(last.order_by(FundCall.number.desc()).limit(1))
    return db.session.scalar(select(LedgerEntry.position).where(LedgerEntry.reference == f"{Move.CALL}:{call_id}")) or 0


def fund_of(call: FundCall) -> Fund:
    """The fund that is called."""
    return db.session.get_one(Fund, call.fund_id)


def funder_of(call: FundCall) -> Funder:
    """The funder who is asked."""
    return db.session.get_one(Funder, fund_of(call).funder_id)


def campaign_of(call: FundCall) -> Campaign:
    """The campaign whose fund is called."""
    return db.session.get_one(Campaign, fund_of(call).campaign_id)
