"""On which day each entry of the ledger that moves money is in the journal, and as which move.

The day is the same by which receipts and returns go, in the charity's time zone: a gift's when it was received, a fee's, refund's and payout's
when Stripe charged, returned or sent the money, a funder's payment's as it was written down, a deposit's when it was taken to the bank. A lost
dispute, and money that came back, have the day on which the books had it: Stripe names none. What was recorded wrongly is taken back on its own day.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.stripe.reversals import ReversalKind
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment, FunderPaymentReturn, FunderPaymentReversal
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.payments.deposits import CHAIN_OF_DEPOSITS, Deposit
from campaign.payments.offline_gifts import OfflineGift, OfflineReversal
from campaign.payments.reversals import Reversal
from campaign.reporting.gifts_received import campaigns_of
from campaign.reporting.journal_postings import MONEY, OfflineMove
from campaign.rules import local_time
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import Subject
from campaign.rules.offline_gifts import OfflineMethod
from campaign.stripe_sync.balance_transactions import PAYOUT_REVERSALS, BalanceTransaction
from campaign.stripe_sync.payouts import Payout

ALWAYS = Period(first_on=date.min, last_on=date(9998, 12, 31))

# What a closed month had: the last position of each chain by its name, and the number of the last deposit.
Heads = Mapping[str, int]

TAKEN_TO_BANK = [method.value for method in OfflineMethod if method.takes_deposit]


def dated_entries(charity: Charity, period: Period, after: Heads | None = None, *, posted_since: datetime | None = None) -> Subquery:
    """What moves money of the charity on a day of the period, with that day and its move; `row` and `name` are of a payout, payment or deposit.

    With `after`, only what came after these positions; with `posted_since`, only entries that were posted since then.
    """
    each = [arm(charity, period) for arm in ARMS]
    if posted_since is not None:
        each = [arm.where(LedgerEntry.at >= posted_since) for arm in each]
    return _union(each, period, after)


def entries_of_undeposited(charity: Charity, period: Period) -> Subquery:
    """Those of `dated_entries` that are of gifts without Stripe, which alone move undeposited funds."""
    gifts = _gifts(charity, period).where(OfflineGift.donation_id.is_not(None))
    return _union([gifts, _offline_returns(charity, period), _deposits(charity, period)], period, None)


def _union(arms: Sequence[Select[Any]], period: Period, after: Heads | None) -> Subquery:
    dated = [arm.subquery() for arm in arms]
    return union_all(*(select(one).where(*_is_in(one, period, after)) for one in dated)).subquery("dated")


def _is_in(dated: Subquery, period: Period, after: Heads | None) -> Iterator[ColumnElement[bool]]:
    yield dated.c.on >= period.first_on
    yield dated.c.on <= period.last_on
    if after is not None:
        position = cast(literal(dict(after), JSONB).op("->>")(dated.c.chain), BigInteger)
        yield dated.c.position > func.coalesce(position, 0)


def _moments(charity: Charity, period: Period, moment: Any) -> Iterator[ColumnElement[bool]]:
    """The moments of the days of the period, which an index finds."""
    zone = ZoneInfo(charity.time_zone)
    if period.first_on > ALWAYS.first_on:
        yield moment >= datetime.combine(period.first_on, time.min, zone)
    if period.last_on < ALWAYS.last_on:
        yield moment < local_time.end_of_day(period.last_on, zone)


def _arm(charity: Charity, on: Any, subject: Subject, *, kind: Any = None, row: Any = None, name: Any = None) -> Select[Any]:
    """Entries of the moves of this subject, dated by `on`; their `kind` is that of the ledger unless another is named."""
    kinds = [move.value for move, posting in MONEY.items() if posting.subject is subject and isinstance(move, Move)]
    columns = _columns(on, kind=LedgerEntry.kind if kind is None else kind, row=row, name=name)
    return select(*columns, LedgerEntry.chain, LedgerEntry.position).where(
        LedgerEntry.kind.in_(kinds), LedgerEntry.campaign_id.in_(campaigns_of(charity))
    )


def _columns(on: Any, *, kind: Any, row: Any, name: Any) -> tuple[Any, ...]:
    e, none = LedgerEntry, null()
    return (
        *(e.id, cast(kind, Text).label("kind"), e.cents, e.campaign_id, e.fund_id, e.donation_id),
        cast(on, Date).label("on"),
        cast(none if row is None else row, BigInteger).label("row"),
        cast(none if name is None else name, Text).label("name"),
    )


def _day(charity: Charity, moment: Any) -> ColumnElement[Any]:
    return cast(func.timezone(charity.time_zone, moment), Date)


def _gifts(charity: Charity, period: Period) -> Select[Any]:
    """The day on which the gift was received, which its receipt has. Cheques and cash are not at the bank on that day."""
    e, d, g = LedgerEntry, Donation, OfflineGift
    kind = case(
        (g.method.in_(TAKEN_TO_BANK), OfflineMove.UNDEPOSITED_DONATION.value),
        (g.method.is_not(None), OfflineMove.DONATION.value),
        else_=e.kind,
    )
    gifts = _arm(charity, _day(charity, d.received_at), Subject.GIFTS, kind=kind).join(d, d.id == e.donation_id)
    gifts = gifts.outerjoin(g, and_(g.donation_id == e.donation_id, e.to_account == "bank"))
    return gifts.where(d.campaign_id.in_(campaigns_of(charity)), *_moments(charity, period, d.received_at))


def _fees(charity: Charity, period: Period) -> Select[Any]:
    """The day on which Stripe charged or returned it."""
    e, t, d = LedgerEntry, BalanceTransaction, Donation
    fees = _arm(charity, _day(charity, t.created_at), Subject.FEES).join(t, t.stripe_id == e.cause)
    # The donation is the way from Stripe's line to the entry for which there is an index.
    fees = fees.join(d, and_(d.id == e.donation_id, d.payment_intent == t.payment_intent))
    return fees.where(*_moments(charity, period, t.created_at))


def _returns(charity: Charity, _: Period) -> Select[Any]:
    """A refund's day at Stripe when it is posted first; otherwise the day on which the books had it."""
    e, r, d = LedgerEntry, Reversal, Donation
    is_first = and_(r.kind == ReversalKind.REFUND.value, func.split_part(e.reference, ":", 3) == "1")
    moment = case((is_first, func.coalesce(r.returned_at, e.at)), else_=e.at)
    returns = _arm(charity, _day(charity, moment), Subject.RETURNS).join(r, r.stripe_id == func.split_part(e.reference, ":", 2))
    return returns.join(d, and_(d.id == e.donation_id, d.payment_intent == r.payment_intent))


def _offline_returns(charity: Charity, _: Period) -> Select[Any]:
    """The day that staff wrote down, on which the money went back or the bank returned it.

    Who has left their deposit was never at the bank (payments/deposits.py); of all others the bank has the money, or will have all of it.
    """
    e, r, g = LedgerEntry, OfflineReversal, OfflineGift
    is_its_own = e.reference.in_([func.concat(f"{move}:offline:", r.id) for move in (Move.REFUND, Move.OFFLINE_REVERSAL)])
    was_never_banked = and_(g.method.in_(TAKEN_TO_BANK), g.deposit_id.is_(None))
    kind = case(
        (and_(was_never_banked, e.kind == Move.REFUND), OfflineMove.UNDEPOSITED_REFUND.value),
        (was_never_banked, OfflineMove.UNDEPOSITED_REVERSAL.value),
        (e.kind == Move.REFUND, OfflineMove.REFUND.value),
        else_=e.kind,
    )
    returns = _arm(charity, r.reversed_on, Subject.RETURNS, kind=kind).join(r, and_(r.donation_id == e.donation_id, is_its_own))
    return returns.join(g, g.donation_id == r.donation_id)


def _deposits(charity: Charity, _: Period) -> Select[Any]:
    """The day on which cheques and cash were taken to the bank: the entry of each gift once more, as its deposit.

    A charity's deposits are closed in the order of their numbers, which is their position for what came after a closing.
    """
    e, g, p = LedgerEntry, OfflineGift, Deposit
    columns = _columns(p.deposited_on, kind=literal(OfflineMove.DEPOSIT.value), row=p.number, name=p.number)
    place = literal(CHAIN_OF_DEPOSITS).label("chain"), p.number.label("position")
    deposits = select(*columns, *place).join(g, g.donation_id == e.donation_id).join(p, p.id == g.deposit_id)
    return deposits.where(e.kind == Move.DONATION, p.charity_id == charity.id, p.closed_at.is_not(None))


def _payouts(charity: Charity, _: Period) -> Select[Any]:
    """The day on which it left the balance at Stripe, or came back to it; it is at the bank some days later."""
    e, t = LedgerEntry, BalanceTransaction
    came_back = select(func.min(t.created_at)).where(t.source == e.cause, t.type.in_(PAYOUT_REVERSALS)).scalar_subquery()
    moment = case((func.split_part(e.reference, ":", 1) == "payout_back", func.coalesce(came_back, e.at)), else_=Payout.created_at)
    payouts = _arm(charity, _day(charity, moment), Subject.PAYOUTS, row=Payout.id, name=e.cause)
    return payouts.join(Payout, Payout.stripe_id == e.cause)


def _payments(charity: Charity, _: Period) -> Select[Any]:
    """The day that was written down of a funder's payment, also when it was recorded wrongly."""
    e, p, reversal, request = LedgerEntry, FunderPayment, FunderPaymentReversal, FunderPaymentRequest
    # Before returns were rows of their own, a reversal said on which day all of the money went back.
    on = func.coalesce(case((e.kind == Move.RECEIVE_REVERSAL, request.returned_on)), p.received_on)
    payments = _arm(charity, on, Subject.FUNDERS, row=p.id, name=p.reference).join(p, e.reference.in_(_references(cast(p.id, Text))))
    return payments.outerjoin(reversal, reversal.funder_payment_id == p.id).outerjoin(request, request.id == reversal.request_id)


def _payments_returned(charity: Charity, _: Period) -> Select[Any]:
    """The day that was written down of money that went back to a funder, also when that was recorded wrongly."""
    e, r = LedgerEntry, FunderPaymentReturn
    names = _references(func.concat(r.funder_payment_id, ":", r.id))
    return _arm(charity, r.returned_on, Subject.FUNDERS, row=r.funder_payment_id, name=r.reference).join(r, e.reference.in_(names))


def _references(name: Any) -> list[ColumnElement[str]]:
    """The references of the entries of a payment or return with this name (funders/payments.py), which are unique."""
    return [func.concat(f"{move}:", name) for move in (Move.RECEIVE, Move.RECEIVE_REVERSAL)]


ARMS = (_gifts, _fees, _returns, _offline_returns, _deposits, _payouts, _payments, _payments_returned)
