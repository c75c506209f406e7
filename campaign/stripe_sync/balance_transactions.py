"""Stripe's balance transactions: each charge, refund, dispute, fee and payout, stored unchanged.

The fee of a payment is posted from here, once the payment is in the books. Payouts are posted by payouts.py.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Index, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.edges.stripe.balance import CHARGES, StripeBalanceTransaction
from campaign.ledger.entries import Entry, LedgerEntry, post_entries
from campaign.ledger.moves import Move
from campaign.matching import funds
from campaign.payments import after_seal, moments, settlement
from campaign.rules.payment_moments import moments_of_charge

PAYOUT = "payout"
PAYOUT_REVERSALS = ("payout_failure", "payout_cancel")


class BalanceTransaction(Base):
    """A balance transaction at Stripe. `payout` is the payout that paid it out. `posted_at` is null while it is still to be posted.

    `charged_at` is when the charge that it is of was created, `is_debit` whether that is a bank debit. `payout_fetched_at`, of a payout's own transaction, is when the payout was last asked for, shown or not.
    """

    __tablename__ = "balance_transaction"

    id: Mapped[int] = mapped_column(primary_key=True)
    stripe_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    category: Mapped[str]
    source: Mapped[str | None] = mapped_column(index=True)
    payment_intent: Mapped[str | None] = mapped_column(index=True)
    cents: Mapped[int]
    fee_cents: Mapped[int]
    net_cents: Mapped[int]
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    charged_at: Mapped[datetime | None]
    is_debit: Mapped[bool] = mapped_column(server_default="false")
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now())
    payout: Mapped[str | None]
    posted_at: Mapped[datetime | None]
    payout_fetched_at: Mapped[datetime | None]


Index("ix_balance_transaction_payout_created_at_id", BalanceTransaction.payout, BalanceTransaction.created_at, BalanceTransaction.id)
Index("ix_balance_transaction_to_post", BalanceTransaction.id, postgresql_where=BalanceTransaction.posted_at.is_(None))


def store_transactions(transactions: Sequence[StripeBalanceTransaction]) -> int:
    """Store those that are new. Returns how many."""
    if not transactions:
        return 0
    rows = [{name: value for name, value in vars(transaction).items() if name != "customer"} for transaction in transactions]
    stored = db.session.scalars(
        insert(BalanceTransaction).on_conflict_do_nothing(index_elements=[BalanceTransaction.stripe_id]).returning(BalanceTransaction.id),
        rows,
    ).all()
    nothing_to_post = (
        (BalanceTransaction.fee_cents == 0)
        & BalanceTransaction.charged_at.is_(None)
        & BalanceTransaction.type.not_in([PAYOUT, *PAYOUT_REVERSALS])
    )
    db.session.execute(
        update(BalanceTransaction).where(BalanceTransaction.id.in_(stored), nothing_to_post).values(posted_at=func.now()),
        execution_options={"synchronize_session": False},
    )
    return len(stored)


def post_fees(*, limit: int) -> int:
    """Post the fees of up to `limit` transactions whose payments are in the books, and take over the moments of their charges.

    Returns how many transactions were processed.
    """
    t, is_payout = BalanceTransaction, BalanceTransaction.type.in_([PAYOUT, *PAYOUT_REVERSALS])
    found = db.session.execute(
        select(t, Donation)
        .join(Donation, (Donation.payment_intent == t.payment_intent) & Donation.received_at.is_not(None))
        .where(t.posted_at.is_(None), ~is_payout)
        .order_by(Donation.campaign_id, t.id)
        .limit(limit)
        .with_for_update(of=t)
    ).all()
    references = {_reference(transaction, donation) for transaction, donation in found}
    posted = set(db.session.scalars(select(LedgerEntry.reference).where(LedgerEntry.reference.in_(references))))
    new = [(t, donation) for t, donation in found if t.fee_cents and _reference(t, donation) not in posted]
    post_entries(*[_fee_entry(transaction, donation) for transaction, donation in new if donation.campaign.sealed_at is None])
    for transaction, donation in new:
        if donation.campaign.sealed_at:
            after_seal.raise_alerts(donation, {transaction.stripe_id: -transaction.fee_cents})
    edges = funds.window_edges() if found else []
    for transaction, donation in found:
        _take_over_charge(donation, transaction, edges)
        transaction.posted_at = func.now()
    db.session.flush()
    return len(found)


def _take_over_charge(donation: Donation, transaction: BalanceTransaction, edges: Collection[datetime]) -> None:
    """Write the method and the moments of the charge. Events say when a bank debit succeeded; all else is in the charge."""
    if transaction.charged_at is None:
        return
    settlement.record_method(donation, is_debit=transaction.is_debit)
    succeeded_at = donation.received_at if transaction.is_debit else None
    moments.make_exact(donation, moments_of_charge(transaction.charged_at, succeeded_at=succeeded_at), edges)


def _reference(transaction: BalanceTransaction, donation: Donation) -> str:
    """The entry's reference. The charge of a donation has one fee, whichever transaction reports it."""
    return f"{Move.FEE}:{donation.public_id if transaction.type in CHARGES else transaction.stripe_id}"


def _fee_entry(transaction: BalanceTransaction, donation: Donation) -> Entry:
    is_charged = transaction.fee_cents > 0
    return Entry(
        kind=Move.FEE if is_charged else Move.FEE_REFUND,
        source="stripe" if is_charged else "fees",
        target="fees" if is_charged else "stripe",
        cents=abs(transaction.fee_cents),
        campaign_id=donation.campaign_id,
        donation_id=donation.id,
        reference=_reference(transaction, donation),
        cause=transaction.stripe_id,
    )


def sum_by_currency() -> dict[str, int]:
    """The balance that all stored transactions sum to, in cents by currency."""
    sums = select(BalanceTransaction.currency, func.sum(BalanceTransaction.net_cents)).group_by(BalanceTransaction.currency)
    return {currency: int(cents) for currency, cents in db.session.execute(sums)}


def fee_cents_of(donation: Donation) -> int:
    """What Stripe has charged for the donation by the ledger, less what it returned."""
    e = LedgerEntry
    signed = case((e.kind == Move.FEE, e.cents), else_=-e.cents)
    query = select(func.coalesce(func.sum(signed), 0)).where(e.donation_id == donation.id, e.kind.in_((Move.FEE, Move.FEE_REFUND)))
    return int(db.session.scalars(query).one())
