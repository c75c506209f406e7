"""Money at Stripe: the balance by the books of the campaigns and by Stripe's transactions, and what each payout paid out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, any_, case, exists, func, or_, select, tuple_

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.reversals import ReversalKind
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.payments.quarantine import QuarantinedPayment
from campaign.payments.reversals import Reversal
from campaign.stripe_sync.balance_transactions import PAYOUT, PAYOUT_REVERSALS, BalanceTransaction
from campaign.stripe_sync.payouts import NOT_APPLICABLE, Payout

PAYOUTS_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Clearing:
    """The balance at Stripe in the campaign's currency, by owner, in cents.

    The campaigns' sums are by their books. `disputed_cents` is what open disputes of donations have withdrawn, and is negative.
    `quarantined_cents` is what is left of payments in quarantine. `untied_payouts_cents` is negative: payouts made by hand, which are still
    in the campaigns' books, as Stripe does not say whose money they paid out. `other_cents` are transactions of no payment of ours: sales of
    a shop on the same account, or fees that Stripe charges to the account. `rest_cents` is what the books and the transactions differ by
    otherwise: mostly transactions that were not read yet, and losses beyond a charge.
    """

    this_campaign_cents: int
    other_campaigns_cents: int
    disputed_cents: int
    quarantined_cents: int
    untied_payouts_cents: int
    other_cents: int
    rest_cents: int

    @property
    def balance_cents(self) -> int:
        """The balance: the sum of Stripe's transactions, and of these parts."""
        return sum(vars(self).values())


def clearing_of(campaign: Campaign) -> Clearing:
    """The balance at Stripe, divided by owner."""
    at_stripe = {campaign_id: int(cents) for campaign_id, cents in db.session.execute(_at_stripe(campaign.currency))}
    t = BalanceTransaction
    # What a payout paid out, without its own transaction, sums to it (the check of the books holds it): only the rest has to be summed.
    not_paid_out = select(func.coalesce(func.sum(t.net_cents), 0)).where(t.currency == campaign.currency, t.payout.is_(None))
    read = select(func.coalesce(func.sum(Payout.cents), 0)).where(Payout.currency == campaign.currency)
    read = read.where(Payout.transactions_read_at.is_not(None))
    own = select(func.coalesce(func.sum(t.net_cents), 0)).join(Payout, Payout.stripe_id == t.source)
    own = own.where(t.currency == campaign.currency, t.payout == t.source)
    manual = select(func.coalesce(func.sum(t.net_cents), 0)).join(Payout, Payout.stripe_id == t.source)
    manual = manual.where(t.currency == campaign.currency, Payout.reconciliation_status == NOT_APPLICABLE)
    balance, untied = (sum(int(db.session.scalars(part).one()) for part in parts) for parts in ((not_paid_out, read, own), (manual,)))
    disputed, quarantined, other = (of(campaign.currency) for of in (_disputed_cents, _quarantined_cents, _other_cents))
    this = at_stripe.pop(campaign.id, 0)
    others = sum(at_stripe.values())
    return Clearing(
        this_campaign_cents=this,
        other_campaigns_cents=others,
        disputed_cents=disputed,
        quarantined_cents=quarantined,
        untied_payouts_cents=untied,
        other_cents=other,
        rest_cents=balance - this - others - disputed - quarantined - untied - other,
    )


def at_stripe_cents(campaign: Campaign) -> int:
    """What of the campaign's money lies at Stripe by its books, in cents."""
    return int(dict(iter(db.session.execute(_at_stripe(campaign.currency)))).get(campaign.id, 0))


def _disputed_cents(currency: str) -> int:
    """What disputes of donations have moved at Stripe and not in the ledger."""
    t = BalanceTransaction
    moved = select(func.sum(t.cents)).where(t.source == Reversal.stripe_id, t.currency == currency).correlate(Reversal).scalar_subquery()
    disputes = (
        select(func.coalesce(func.sum(moved + Reversal.posted_cents), 0))
        .join(Donation, (Donation.payment_intent == Reversal.payment_intent) & Donation.received_at.is_not(None))
        .where(Reversal.kind == ReversalKind.DISPUTE, moved.is_not(None))
    )
    return int(db.session.scalars(disputes).one())


def _quarantined_cents(currency: str) -> int:
    """What of quarantined payments that are no donation is in the balance."""
    t, q = BalanceTransaction, QuarantinedPayment
    left = select(func.coalesce(func.sum(t.net_cents), 0)).join(q, q.payment_intent == t.payment_intent)
    return int(db.session.scalars(left.where(t.currency == currency, _is_in_balance(), ~_is_of_donation())).one())


def _other_cents(currency: str) -> int:
    """What of transactions that are of no payment of ours, and of no payout, is in the balance."""
    t = BalanceTransaction
    is_quarantined = exists().where(QuarantinedPayment.payment_intent == t.payment_intent)
    is_ours = or_(_is_of_donation(), is_quarantined, t.type.in_([PAYOUT, *PAYOUT_REVERSALS]))
    others = select(func.coalesce(func.sum(t.net_cents), 0)).where(t.currency == currency, _is_in_balance(), ~is_ours)
    return int(db.session.scalars(others).one())


def _is_of_donation() -> ColumnElement[bool]:
    return exists().where(Donation.payment_intent == BalanceTransaction.payment_intent, Donation.received_at.is_not(None))


def _is_in_balance() -> ColumnElement[bool]:
    """Whether the transaction was not paid out, or came back with its payout."""
    failed = select(Payout.stripe_id).where(Payout.status.in_(["failed", "canceled"])).scalar_subquery()
    return or_(BalanceTransaction.payout.is_(None), BalanceTransaction.payout == any_(func.array(failed)))  # Both by the index on it.


def _at_stripe(currency: str) -> Select[int, int]:
    e, t = LedgerEntry, CampaignTotals
    paid_out = (
        select(func.coalesce(func.sum(case((e.kind == Move.PAYOUT, e.cents), else_=-e.cents)), 0))
        .where(e.kind.in_([Move.PAYOUT, Move.PAYOUT_REVERSAL]), e.campaign_id == t.campaign_id)
        .correlate(t)
        .scalar_subquery()
    )
    return (
        select(t.campaign_id, t.donated_cents - t.offline_cents + t.covered_fee_cents - t.fee_cents - paid_out)
        .join(Campaign, Campaign.id == t.campaign_id)
        .where(Campaign.currency == currency)
    )


@dataclass(frozen=True, kw_only=True)
class PayoutTransaction:
    """A balance transaction that a payout paid out, with its donation if it has one; sums in cents."""

    id: int
    type: str
    category: str
    stripe_id: str
    created_at: datetime
    cents: int
    fee_cents: int
    net_cents: int
    public_id: str | None
    donor: str | None


def latest_payouts() -> list[Payout]:
    """Up to 60 payouts, newest first."""
    return list(db.session.scalars(select(Payout).order_by(Payout.created_at.desc(), Payout.id.desc()).limit(PAYOUTS_SHOWN)))


def share_of(campaign: Campaign, payout_ids: list[str]) -> dict[str, int]:
    """The posted share of the campaign in each payout, in cents by the payout's id at Stripe."""
    e = LedgerEntry
    sums = (
        select(e.cause, func.sum(case((e.kind == Move.PAYOUT, e.cents), else_=-e.cents)))
        .where(e.kind.in_([Move.PAYOUT, Move.PAYOUT_REVERSAL]), e.campaign_id == campaign.id, e.cause.in_(payout_ids))
        .group_by(e.cause)
    )
    return {name: int(cents) for name, cents in db.session.execute(sums)}


@dataclass(frozen=True, kw_only=True)
class PaidOut:
    """What payouts paid out by Stripe's transactions, in cents: before Stripe's fees, and the fees."""

    gross_cents: int
    fee_cents: int


def paid_out_by(payout_ids: Collection[str]) -> dict[str, PaidOut]:
    """What each payout paid out, by its id at Stripe; nothing for one whose transactions are not read yet."""
    t = BalanceTransaction
    sums = select(t.payout, func.sum(t.cents), func.sum(t.fee_cents)).where(t.payout.in_(payout_ids), t.type != PAYOUT).group_by(t.payout)
    return {name: PaidOut(gross_cents=int(gross), fee_cents=int(fees)) for name, gross, fees in db.session.execute(sums) if name}


def payout_by_stripe_id(stripe_id: str) -> Payout | None:
    """The payout with this id at Stripe, if it is stored."""
    return db.session.scalar(select(Payout).where(Payout.stripe_id == stripe_id))


def transactions_of(payout: Payout, *, after: int = 0, limit: int) -> list[PayoutTransaction]:
    """Up to `limit` transactions that the payout paid out, oldest first; with `after`, those that follow the transaction with this id."""
    t = BalanceTransaction
    query = (
        select(t, Donation)
        .outerjoin(Donation, Donation.payment_intent == t.payment_intent)
        .where(t.payout == payout.stripe_id, t.type != PAYOUT)
        .order_by(t.created_at, t.id)
        .limit(limit)
    )
    if after:
        last = select(t.created_at, t.id).where(t.id == after, t.payout == payout.stripe_id).subquery()
        query = query.where(tuple_(t.created_at, t.id) > select(last.c.created_at, last.c.id).scalar_subquery())
    return [
        PayoutTransaction(
            id=transaction.id,
            type=transaction.type,
            category=transaction.category,
            stripe_id=transaction.stripe_id,
            created_at=transaction.created_at,
            cents=transaction.cents,
            fee_cents=transaction.fee_cents,
            net_cents=transaction.net_cents,
            public_id=donation.public_id if donation else None,
            donor=donation.full_name if donation else None,
        )
        for transaction, donation in db.session.execute(query)
    ]
