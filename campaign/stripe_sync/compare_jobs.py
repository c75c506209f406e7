"""Comparing the books with Stripe’s, object by object over a period. Nothing is changed; each difference is returned.

Stripe’s lists are read a chunk at a time, and the transaction that reads our side ends with each chunk, so that none stays open while
Stripe is asked.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.balance import StripeBalanceTransaction, StripePayment, StripePayout
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused
from campaign.edges.stripe.reversals import ReversalKind, StripeReversal
from campaign.payments.quarantine import QuarantinedPayment
from campaign.payments.reversals import CHANGING_STATUSES, Reversal, ReversalSnapshot
from campaign.rules.payment_moments import moments_of_charge
from campaign.stripe_sync import balance_transactions
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.compare_recurring import (
    compare_instalments,
    compare_invoices_of,
    compare_subscriptions,
    customers_of_unknown_payments,
)
from campaign.stripe_sync.comparison import CREATED_BEFORE, Comparison, in_chunks
from campaign.stripe_sync.event import is_ours
from campaign.stripe_sync.payouts import Payout
from campaign.stripe_sync.reconciliations import EventToStore
from campaign.texts.reconciliation_messages import DifferenceKind

SUCCEEDED = "succeeded"
# The events that report how a checkout ended, by the status of the checkout or of its payment; none for one that Stripe does not know.
ENDED_CHECKOUTS = {
    "expired": "checkout.session.expired",
    "requires_payment_method": "checkout.session.async_payment_failed",
    "canceled": "checkout.session.async_payment_failed",
    "unknown": "",
}


def compare(since: datetime) -> Comparison:
    """Compare everything since the moment. Raises StripeUnavailable.

    A list that Stripe refuses, or that the key may not read, is a difference of its own.
    """
    comparison = Comparison(since=since, stripe=services().stripe_balance)
    for name, compare_part in _PARTS.items():
        try:
            compare_part(comparison)
        except (StripeRefused, StripeKeyRefused) as error:
            if isinstance(error, StripeKeyRefused) and not error.is_permission_missing:
                raise
            comparison.add(DifferenceKind.NOT_LISTED, name, status=str(error)[:200])
        db.session.rollback()
    return comparison


def _compare_checkouts(c: Comparison) -> None:
    """Checkouts that are open in our books may have expired at Stripe."""
    d = Donation
    is_open = d.received_at.is_(None) & d.ended_at.is_(None) & d.quarantined_at.is_(None)
    found = select(d.public_id, d.checkout_id).where(is_open, d.checkout_id.is_not(None), d.started_at >= c.since).order_by(d.id)
    ours = [(public_id, str(checkout_id)) for public_id, checkout_id in db.session.execute(found)]
    db.session.rollback()
    for public_id, checkout_id in ours:
        c.compared["checkouts"] += 1
        status = _status_of(lambda checkout_id=checkout_id: _status_of_checkout(checkout_id))  # type: ignore[misc]
        if status in ENDED_CHECKOUTS:
            data = {"id": checkout_id, "object": "checkout.session", "client_reference_id": public_id, "metadata": {"donation": public_id}}
            event_type = ENDED_CHECKOUTS[status]
            c.add(DifferenceKind.CHECKOUT_ENDED, checkout_id, EventToStore(event_type, data) if event_type else None, status=status)


def _status_of_checkout(checkout_id: str) -> str:
    """The status of the checkout, or of its bank debit when that has failed."""
    stripe = services().stripe_payments
    checkout = stripe.get_checkout(checkout_id)
    if checkout.status != "complete" or checkout.payment_status == "paid" or checkout.payment_intent is None:
        return checkout.status
    return stripe.get_payment(checkout.payment_intent).status


def _compare_payments(c: Comparison) -> None:
    listed: set[str] = set()
    for chunk in in_chunks(p for p in c.stripe.list_payments(c.since - CREATED_BEFORE) if p.status == SUCCEEDED):
        payments = [payment.stripe_id for payment in chunk]
        listed.update(payments)
        d, q = Donation, QuarantinedPayment
        ours = {donation.payment_intent: donation for donation in db.session.scalars(select(d).where(d.payment_intent.in_(payments)))}
        quarantined = set(db.session.scalars(select(q.payment_intent).where(q.payment_intent.in_(payments))))
        for payment in chunk:
            _compare_payment(c, payment, ours.get(payment.stripe_id), is_quarantined=payment.stripe_id in quarantined)
        db.session.rollback()
    _find_unlisted_payments(c, listed)


def _compare_payment(c: Comparison, payment: StripePayment, donation: Donation | None, *, is_quarantined: bool) -> None:
    if donation is None and not is_quarantined and not is_ours((payment.object.get("metadata") or {}).get("donation")):
        c.compared["payments that are not ours"] += 1  # The instalments of recurring donations among them are compared by their invoices.
        return
    c.compared["payments"] += 1
    if donation is None or donation.received_at is None:
        if not is_quarantined:
            event = EventToStore("payment_intent.succeeded", payment.object)
            c.add(DifferenceKind.PAYMENT_MISSING, payment.stripe_id, event, theirs=payment.cents)
    elif (payment.cents, payment.currency) != (donation.charged_cents, donation.currency):
        c.add(DifferenceKind.PAYMENT_DIFFERS, payment.stripe_id, theirs=payment.cents, ours=donation.charged_cents)
    else:
        _compare_moments(c, payment, donation)


def _compare_moments(c: Comparison, payment: StripePayment, donation: Donation) -> None:
    if payment.charged_at is None:
        return
    succeeded_at = c.success_of(payment.stripe_id) if payment.is_debit else None
    theirs = moments_of_charge(payment.charged_at, succeeded_at=succeeded_at or (donation.received_at if payment.is_debit else None))
    if (donation.authorized_at, donation.received_at) != (theirs.authorized_at, theirs.received_at):
        local = donation.campaign.charity.local
        moments = {
            "theirs": theirs.authorized_at,
            "their_receipt": theirs.received_at,
            "ours": donation.authorized_at,
            "our_receipt": donation.received_at,
        }
        event = EventToStore("payment_intent.succeeded", payment.object)
        described = {name: f"{local(moment):%Y-%m-%d %H:%M:%S}" for name, moment in moments.items() if moment}
        c.add(DifferenceKind.MOMENTS_DIFFER, payment.stripe_id, event, **described)


def _find_unlisted_payments(c: Comparison, listed: set[str]) -> None:
    """Payments that Stripe’s list lacks are fetched one by one: they may have been created long before."""
    paid = select(Donation.payment_intent, Donation.amount_cents + Donation.covered_fee_cents).where(
        Donation.received_at >= c.since, Donation.payment_intent.is_not(None)
    )
    unlisted = [(str(name), cents) for name, cents in db.session.execute(paid.order_by(Donation.id)) if name not in listed]
    db.session.rollback()
    for name, cents in unlisted:
        status = _status_of(lambda name=name: c.stripe.get_payment(name).status)  # type: ignore[misc]
        if status != SUCCEEDED:
            c.add(DifferenceKind.PAYMENT_NOT_AT_STRIPE, name, ours=cents, status=status)


def _status_of(fetch: Callable[[], str]) -> str:
    try:
        return fetch()
    except StripeRefused:
        return "unknown"


def _compare_reversals(c: Comparison, kind: ReversalKind, event_type: str, reversals: Iterable[StripeReversal]) -> None:
    listed: set[str] = set()
    for chunk in in_chunks(reversal for reversal in reversals if reversal.payment_intent):
        listed.update(reversal.id for reversal in chunk)
        rows = db.session.scalars(select(Reversal).where(Reversal.stripe_id.in_([reversal.id for reversal in chunk])))
        ours = {row.stripe_id: row for row in rows}
        for reversal in chunk:
            c.compared[f"{kind}s"] += 1
            _compare_reversal(c, reversal, ours.get(reversal.id), event_type)
        db.session.rollback()
    _find_unlisted_reversals(c, kind, listed, event_type)


def _compare_reversal(c: Comparison, reversal: StripeReversal, row: Reversal | None, event_type: str) -> None:
    data = {"id": reversal.id, "object": str(reversal.kind), "payment_intent": reversal.payment_intent}
    event, theirs = EventToStore(event_type, data), {"what": str(reversal.kind), "theirs": reversal.cents, "status": reversal.status}
    if row is None:
        c.add(DifferenceKind.REVERSAL_MISSING, reversal.id, event, **theirs)
    elif (row.cents, row.status, row.reversed_cents) != (reversal.cents, reversal.status, _reversed_cents(reversal, row)):
        c.add(DifferenceKind.REVERSAL_DIFFERS, reversal.id, event, **theirs, ours=row.cents, our_status=row.status)
    elif reversal.returned_at and row.returned_at != reversal.returned_at:
        moments = {
            name: f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "?" for name, at in (("theirs", reversal.returned_at), ("ours", row.returned_at))
        }
        c.add(DifferenceKind.REVERSAL_DATED_DIFFERENTLY, reversal.id, event, what=str(reversal.kind), **moments)


def _reversed_cents(reversal: StripeReversal, row: Reversal) -> int:
    """What of it has left the charity by Stripe's state, as an event about it would be read."""
    snapshot = ReversalSnapshot.of(reversal, snapshot_number=row.snapshot_number)
    return snapshot.reversed_cents(row.reversed_cents) if snapshot else row.reversed_cents


def _find_unlisted_reversals(c: Comparison, kind: ReversalKind, listed: set[str], event_type: str) -> None:
    """Those that Stripe’s list lacks are fetched one by one: of payments of this period, and older ones that may still change."""
    of_period = Reversal.payment_intent.in_(select(Donation.payment_intent).where(Donation.received_at >= c.since))
    may_change = Reversal.status.in_(CHANGING_STATUSES)
    rows = db.session.scalars(select(Reversal).where(Reversal.kind == kind, of_period | may_change).order_by(Reversal.id))
    unlisted = [(row.stripe_id, row.cents) for row in rows if row.stripe_id not in listed]
    db.session.rollback()
    stripe = services().stripe_payments
    for name, cents in unlisted:
        try:
            reversal = stripe.get_refund(name) if kind == ReversalKind.REFUND else stripe.get_dispute(name)
        except StripeRefused:
            c.add(DifferenceKind.REVERSAL_NOT_AT_STRIPE, name, what=str(kind), ours=cents)
        else:
            _compare_reversal(c, reversal, db.session.scalar(select(Reversal).where(Reversal.stripe_id == name)), event_type)
            db.session.rollback()


def _compare_balance_transactions(c: Comparison) -> None:
    listed: set[str] = set()
    customers: set[str] = set()
    t = BalanceTransaction
    for chunk in in_chunks(c.stripe.list_transactions(c.since)):
        names = [transaction.stripe_id for transaction in chunk]
        listed.update(names)
        ours = {row.stripe_id: row for row in db.session.scalars(select(t).where(t.stripe_id.in_(names)))}
        for transaction in chunk:
            _compare_balance_transaction(c, transaction, ours.get(transaction.stripe_id))
        customers |= customers_of_unknown_payments(chunk)
        db.session.rollback()
    compare_invoices_of(c, sorted(customers))
    for name, cents in db.session.execute(select(t.stripe_id, t.cents).where(t.created_at >= c.since + timedelta(seconds=1))):
        if name not in listed:
            c.add(DifferenceKind.TRANSACTION_NOT_AT_STRIPE, name, ours=cents)


def _compare_balance_transaction(c: Comparison, theirs: StripeBalanceTransaction, ours: BalanceTransaction | None) -> None:
    c.compared["balance transactions"] += 1
    if ours is None:
        c.add(DifferenceKind.TRANSACTION_MISSING, theirs.stripe_id, theirs=theirs.cents, fee=theirs.fee_cents, type=theirs.type)
    elif (ours.cents, ours.fee_cents, ours.currency) != (theirs.cents, theirs.fee_cents, theirs.currency):
        sums: dict[str, Any] = {"theirs": theirs.cents, "fee": theirs.fee_cents, "ours": ours.cents, "our_fee": ours.fee_cents}
        c.add(DifferenceKind.TRANSACTION_DIFFERS, theirs.stripe_id, **sums)


def _compare_payouts(c: Comparison) -> None:
    listed: set[str] = set()
    for payout in c.stripe.list_payouts(c.since):
        listed.add(payout.stripe_id)
        c.compared["payouts"] += 1
        _compare_payout(c, payout, db.session.scalar(select(Payout).where(Payout.stripe_id == payout.stripe_id)))
    ours = select(Payout.stripe_id, Payout.cents).where(Payout.created_at >= c.since + timedelta(seconds=1))
    for name, cents in db.session.execute(ours.order_by(Payout.id)):
        if name not in listed:
            c.add(DifferenceKind.PAYOUT_NOT_AT_STRIPE, name, ours=cents)


def _compare_payout(c: Comparison, payout: StripePayout, row: Payout | None) -> None:
    event = EventToStore("payout.paid", {"id": payout.stripe_id, "object": "payout"})
    theirs: dict[str, Any] = {"theirs": payout.cents, "status": payout.status}
    if row is None:
        c.add(DifferenceKind.PAYOUT_MISSING, payout.stripe_id, event, **theirs)
    elif (row.cents, row.status) != (payout.cents, payout.status):
        c.add(DifferenceKind.PAYOUT_DIFFERS, payout.stripe_id, event, **theirs, ours=row.cents, our_status=row.status)


def _compare_balance(c: Comparison) -> None:
    theirs, ours = c.stripe.get_balance(), balance_transactions.sum_by_currency()
    for currency in sorted({*theirs, *ours}):
        c.compared["balances"] += 1
        if theirs.get(currency, 0) != ours.get(currency, 0):
            c.add(DifferenceKind.BALANCE_DIFFERS, currency, theirs=theirs.get(currency, 0), ours=ours.get(currency, 0))


_PARTS: dict[str, Callable[[Comparison], None]] = {
    "checkouts": _compare_checkouts,
    "instalments": compare_instalments,
    "subscriptions": compare_subscriptions,
    "payments": _compare_payments,
    "refunds": lambda c: _compare_reversals(c, ReversalKind.REFUND, "refund.updated", c.stripe.list_refunds(c.since)),
    "disputes": lambda c: _compare_reversals(c, ReversalKind.DISPUTE, "charge.dispute.updated", c.stripe.list_disputes(c.since)),
    "balance transactions": _compare_balance_transactions,
    "payouts": _compare_payouts,
    "balance": _compare_balance,
}
