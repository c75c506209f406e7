"""A month of the charity's money: what its journal adds up to, receipts, funds, and Stripe's own lines beside the books. It only reads.

Its figures, as one JSON object, are what a closing stores (reporting/closed_months.py), so that later differences show against them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.receipts.receipts import Receipt, ReceiptEnd, ReceiptLine
from campaign.reporting import account_balances, journal
from campaign.reporting.account_balances import AccountBalances
from campaign.reporting.gifts_received import campaigns_of, first_and_last_received
from campaign.reporting.journal import MoveSum
from campaign.reporting.journal_postings import MoneyMove
from campaign.rules.fiscal_years import Period
from campaign.stripe_sync.balance_transactions import PAYOUT, PAYOUT_REVERSALS, BalanceTransaction
from campaign.stripe_sync.payouts import Payout

# What a fund promises and matches, and what is called of it, for which no money moves.
PROMISES = (Move.PLEDGE, Move.MATCH, Move.UNMATCH, Move.CALL, Move.CALL_REVERSAL)


@dataclass(frozen=True, kw_only=True)
class MonthFigures:
    """A month by the books: `sums` by move, those of `PROMISES` by the moment of the entry, and receipts by the moment they were issued or ended."""

    stripe: AccountBalances
    undeposited: AccountBalances
    sums: Mapping[MoneyMove, MoveSum]
    issued: MoveSum
    ended: MoveSum

    def as_json(self) -> dict[str, Any]:
        """The figures as a closing stores them: sums in cents, each with how many they are of."""
        counted = {move.value: found for move, found in self.sums.items()} | {"issued": self.issued, "ended": self.ended}
        return {
            "opening": [0, self.stripe.opening_cents],
            "undeposited_opening": [0, self.undeposited.opening_cents],
            **{name: [found.entries, found.cents] for name, found in counted.items() if found.entries},
            "closing": [0, self.stripe.closing_cents],
            "undeposited_closing": [0, self.undeposited.closing_cents],
        }

    @property
    def digest(self) -> str:
        """A digest of the figures, by which it shows that they have changed."""
        return sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


def figures_of(charity: Charity, month: Period) -> MonthFigures:
    """The figures of the month by the books as they are now."""
    sums = journal.sums_of(charity, month)
    return MonthFigures(
        stripe=account_balances.stripe_balances(charity, month, sums),
        undeposited=account_balances.undeposited_balances(charity, month, sums),
        sums=sums | _promises(charity, month),
        issued=_issued(charity, month),
        ended=_ended(charity, month),
    )


def _promises(charity: Charity, month: Period) -> dict[MoneyMove, MoveSum]:
    e = LedgerEntry
    first, after = month.moments(ZoneInfo(charity.time_zone))
    found = select(e.kind, func.count(), func.sum(e.cents)).where(e.campaign_id.in_(campaigns_of(charity)), e.at >= first, e.at < after)
    rows = db.session.execute(found.where(e.kind.in_(PROMISES)).group_by(e.kind))
    return {Move(kind): MoveSum(entries=entries, cents=int(cents)) for kind, entries, cents in rows}


def _issued(charity: Charity, month: Period) -> MoveSum:
    first, after = month.moments(ZoneInfo(charity.time_zone))
    return _receipts(Receipt.charity_id == charity.id, Receipt.issued_at >= first, Receipt.issued_at < after)


def _ended(charity: Charity, month: Period) -> MoveSum:
    first, after = month.moments(ZoneInfo(charity.time_zone))
    ended = select(ReceiptEnd.receipt_id).where(ReceiptEnd.at >= first, ReceiptEnd.at < after)
    return _receipts(Receipt.charity_id == charity.id, Receipt.id.in_(ended))


def _receipts(*conditions: ColumnElement[bool]) -> MoveSum:
    sums = select(func.count(Receipt.id.distinct()), func.coalesce(func.sum(ReceiptLine.cents), 0))
    count, cents = db.session.execute(sums.join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id).where(*conditions)).one()
    return MoveSum(entries=count, cents=int(cents))


@dataclass(frozen=True, kw_only=True)
class AtStripe:
    """What Stripe's own lines moved the balance by in a month, in cents, and what they add up to at its end.

    `other_cents` is of no payment of ours. `payouts_cents` is of whole payouts, with other money on the account.
    """

    gifts_cents: int
    returns_cents: int
    fees_cents: int
    payouts_cents: int
    other_cents: int
    closing_cents: int


def at_stripe(charity: Charity, currency: str, month: Period) -> AtStripe:
    """The month by Stripe's own lines."""
    t, zone = BalanceTransaction, ZoneInfo(charity.time_zone)
    first, after = month.moments(zone)
    is_ours = and_(Donation.id.is_not(None), Donation.campaign_id.in_(campaigns_of(charity)))
    is_in_month, is_payout = t.created_at >= first, t.type.in_([PAYOUT, *PAYOUT_REVERSALS])
    is_charge = or_(t.charged_at.is_not(None), t.type.in_(["charge", "payment"]))

    def total(column: Any, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(column).filter(*conditions), 0)

    query = (
        select(
            total(t.cents, is_in_month, is_ours, is_charge),
            total(t.cents, is_in_month, is_ours, ~is_charge),
            total(t.fee_cents, is_in_month, is_ours),
            total(t.net_cents, is_in_month, is_payout),
            total(t.net_cents, is_in_month, ~is_payout, ~func.coalesce(is_ours, False)),
            total(t.net_cents),
        )
        .outerjoin(Donation, and_(Donation.payment_intent == t.payment_intent, Donation.received_at.is_not(None)))
        .where(t.currency == currency, t.created_at < after)
    )
    gifts, returns, fees, payouts, other, closing = map(int, db.session.execute(query).one())
    return AtStripe(
        gifts_cents=gifts, returns_cents=returns, fees_cents=fees, payouts_cents=payouts, other_cents=other, closing_cents=closing
    )


def payouts_of(charity: Charity, month: Period) -> list[Payout]:
    """The payouts of the month, the oldest first."""
    first, after = month.moments(ZoneInfo(charity.time_zone))
    of_month = select(Payout).where(Payout.created_at >= first, Payout.created_at < after)
    return list(db.session.scalars(of_month.order_by(Payout.created_at, Payout.id)))


def not_received_cents(charity: Charity) -> int:
    """What funds have matched and funders have not paid yet, as it is now, in cents."""
    e, of_charity = LedgerEntry, Fund.campaign_id.in_(campaigns_of(charity))
    signed = case((e.kind == Move.RECEIVE, e.cents), else_=-e.cents)
    received = select(func.coalesce(func.sum(signed), 0)).join(Fund, Fund.id == e.fund_id)
    matched = select(func.coalesce(func.sum(Fund.matched_cents), 0)).where(of_charity)
    paid = received.where(e.kind.in_([Move.RECEIVE, Move.RECEIVE_REVERSAL]), of_charity)
    return int(db.session.scalars(matched).one()) - int(db.session.scalars(paid).one())


def first_day_of_money(charity: Charity) -> datetime | None:
    """The moment of the first gift that was received."""
    first, _ = first_and_last_received(charity)
    return first
