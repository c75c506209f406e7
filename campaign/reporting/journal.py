"""The journal: every entry of the ledger that moves money, as debits and credits of the charity's accounts, by the day of the fact.

The day is the same by which receipts and returns go, in the charity's time zone: a gift's when it was received, a fee's, refund's and payout's
when Stripe charged, returned or sent the money, a funder's payment's as it was written down. A lost dispute, and money that came back, have the day
on which the books had it: Stripe names none. What was recorded wrongly is taken back on its own day.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
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
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from campaign.campaigns.campaigns import CampaignTotals
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.reversals import ReversalKind
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment, FunderPaymentReturn, FunderPaymentReversal
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.payments.offline_gifts import OfflineReversal
from campaign.payments.reversals import Reversal
from campaign.reporting.gifts_received import campaigns_of
from campaign.reporting.journal_postings import MONEY, MoneyMove, OfflineMove, money_move
from campaign.rules import journal, local_time
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import Grain, Movement, Purpose, Subject
from campaign.stripe_sync.balance_transactions import PAYOUT_REVERSALS, BalanceTransaction
from campaign.stripe_sync.payouts import Payout

ROWS_AT_ONCE = 1000


ALWAYS = Period(first_on=date.min, last_on=date(9998, 12, 31))

# The entries of a closed month's chains that it had: the last position of each by the name of the chain.
Heads = Mapping[str, int]


def movements(
    charity: Charity, period: Period, *, grain: Grain = Grain.DAY, after: Heads | None = None, closing: int = 0
) -> Iterator[Movement]:
    """Yield the movements of the days of the period, journal entry by journal entry, streamed from the database.

    With `after`, only entries that came after these positions, numbered for this `closing`.
    """
    dated = _dated(charity, period, after)
    query = _days(dated) if grain is Grain.DAY else _entries(dated)
    for on, kind, row, reference, campaign_id, fund_id, entries, cents, entry_id in db.session.execute(
        query, execution_options={"yield_per": ROWS_AT_ONCE}
    ):
        posting = MONEY[money_move(kind)]
        day_number = journal.number_of_day(on, posting.subject, row, closing=closing or None)
        yield Movement(
            on=on,
            number=day_number if grain is Grain.DAY else journal.number_of_entry(on, entry_id),
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
    return _sums(_dated(charity, period, after))


def _sums(dated: Subquery) -> dict[MoneyMove, MoveSum]:
    d = dated.c
    query = select(d.kind, func.count(), func.sum(d.cents)).group_by(d.kind)
    return {money_move(kind): MoveSum(entries=entries, cents=int(cents)) for kind, entries, cents in db.session.execute(query)}


def sums_by_month(charity: Charity, period: Period) -> dict[date, dict[MoneyMove, MoveSum]]:
    """The entries of the days of the period by the first day of their month and by move."""
    d = _dated(charity, period).c
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


def stripe_balance(charity: Charity) -> int:
    """What lies at Stripe for the charity now, by the running totals of its campaigns and its payouts, in cents."""
    e, t = LedgerEntry, CampaignTotals
    left = select(func.coalesce(func.sum(t.donated_cents - t.offline_cents + t.covered_fee_cents - t.fee_cents), 0))
    signed = case((e.kind == Move.PAYOUT, e.cents), else_=-e.cents)
    sent = select(func.coalesce(func.sum(signed), 0)).where(e.kind.in_([Move.PAYOUT, Move.PAYOUT_REVERSAL]))
    campaigns = campaigns_of(charity)
    return int(
        db.session.scalars(left.where(t.campaign_id.in_(campaigns))).one()
        - db.session.scalars(sent.where(e.campaign_id.in_(campaigns))).one()
    )


@dataclass(frozen=True, kw_only=True)
class StripeBalances:
    """The balance at Stripe by the books at the beginning and the end of a period, and what the lines of the period change it by, in cents.

    The last is the balance of now less all lines after the period. `difference_cents` is what entries that were posted since the period began
    move the balance by, less what their lines do: zero, unless the journal leaves something out. The nightly check reads older entries.
    """

    change_cents: int
    closing_cents: int
    difference_cents: int

    @property
    def opening_cents(self) -> int:
        """The balance at the beginning."""
        return self.closing_cents - self.change_cents


def stripe_balances(charity: Charity, period: Period, sums: Mapping[MoneyMove, MoveSum]) -> StripeBalances:
    """Tie the sums of the period to the balance at Stripe."""
    later = Period(first_on=period.last_on + timedelta(days=1), last_on=ALWAYS.last_on)
    since, _ = period.moments(ZoneInfo(charity.time_zone))
    return StripeBalances(
        change_cents=change_of(Purpose.STRIPE, sums),
        closing_cents=stripe_balance(charity) - change_of(Purpose.STRIPE, sums_of(charity, later)),
        difference_cents=_posted_since(charity, since) - change_of(Purpose.STRIPE, _sums(_dated(charity, ALWAYS, posted_since=since))),
    )


def _posted_since(charity: Charity, since: datetime) -> int:
    """What entries that were posted since this moment move the balance at Stripe by, by their accounts alone."""
    e = LedgerEntry
    signed = case((e.to_account == "stripe", e.cents), (e.from_account == "stripe", -e.cents), else_=0)
    query = select(func.coalesce(func.sum(signed), 0)).where(e.campaign_id.in_(campaigns_of(charity)), e.at >= since)
    return int(db.session.scalars(query).one())


def _dated(charity: Charity, period: Period, after: Heads | None = None, *, posted_since: datetime | None = None) -> Subquery:
    """The entries of the charity that move money on a day of the period, with that day; `row` and `name` are of a payout or payment."""
    arms = (_gifts, _fees, _returns, _offline_returns, _payouts, _payments, _payments_returned)
    each = [arm(charity, period) for arm in arms]
    if posted_since is not None:
        each = [arm.where(LedgerEntry.at >= posted_since) for arm in each]
    dated = [arm.subquery() for arm in each]
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


def _arm(charity: Charity, on: Any, subject: Subject, *, row: Any = None, name: Any = None) -> Select[Any]:
    """Entries of the moves of this subject, dated by `on`."""
    e, none = LedgerEntry, null()
    kinds = [move.value for move, posting in MONEY.items() if posting.subject is subject and isinstance(move, Move)]
    is_offline = and_(e.fund_id.is_(None), or_(e.to_account == "bank", e.from_account == "bank"))
    offline = case({move.name.lower(): move.value for move in OfflineMove}, value=e.kind, else_=e.kind)
    kind = case((is_offline, offline), else_=e.kind)
    columns: tuple[Any, ...] = (
        *(e.id, kind.label("kind"), e.cents, e.campaign_id, e.fund_id, e.donation_id, e.chain, e.position),
        cast(on, Date).label("on"),
        cast(none if row is None else row, BigInteger).label("row"),
        cast(none if name is None else name, Text).label("name"),
    )
    return select(*columns).where(e.kind.in_(kinds), e.campaign_id.in_(campaigns_of(charity)))


def _day(charity: Charity, moment: Any) -> ColumnElement[Any]:
    return cast(func.timezone(charity.time_zone, moment), Date)


def _gifts(charity: Charity, period: Period) -> Select[Any]:
    """The day on which the gift was received, which its receipt has."""
    d = Donation
    gifts = _arm(charity, _day(charity, d.received_at), Subject.GIFTS).join(d, d.id == LedgerEntry.donation_id)
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
    """The day that staff wrote down, on which the money went back or the bank returned it."""
    e, r = LedgerEntry, OfflineReversal
    is_its_own = e.reference.in_([func.concat(f"{move}:offline:", r.id) for move in (Move.REFUND, Move.OFFLINE_REVERSAL)])
    return _arm(charity, r.reversed_on, Subject.RETURNS).join(r, and_(r.donation_id == e.donation_id, is_its_own))


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
