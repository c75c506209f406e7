"""Compares recurring donations with Stripe’s invoices and subscriptions, for compare_jobs.py."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.balance import CHARGES, StripeBalanceTransaction
from campaign.edges.stripe.subscriptions import StripeInvoice
from campaign.payments.alerts import StripeAlert
from campaign.payments.quarantine import QuarantinedPayment
from campaign.recurring.recurring_gifts import MONTHLY, RecurringGift
from campaign.stripe_sync.comparison import CREATED_BEFORE, Comparison, in_chunks
from campaign.stripe_sync.event import is_ours
from campaign.stripe_sync.reconciliations import EventToStore
from campaign.texts.reconciliation_messages import DifferenceKind


def compare_instalments(c: Comparison) -> None:
    """Instalments of recurring donations are compared by their invoices, as their payments name no donation."""
    _compare_invoices(c, services().stripe_subscriptions.list_settled_invoices(c.since - CREATED_BEFORE))


def _compare_invoices(c: Comparison, invoices: Iterable[StripeInvoice]) -> None:
    for chunk in in_chunks(invoices):
        payments = [payment.payment_intent for invoice in chunk for payment in invoice.payments]
        d, q = Donation, QuarantinedPayment
        paid = set(db.session.scalars(select(d.payment_intent).where(d.payment_intent.in_(payments), d.received_at.is_not(None))))
        quarantined = set(db.session.scalars(select(q.payment_intent).where(q.payment_intent.in_(payments))))
        known = set(db.session.scalars(select(d.public_id).where(d.public_id.in_([i.donation for i in chunk]), d.frequency == MONTHLY)))
        alerted = set(db.session.scalars(select(StripeAlert.object_id).where(StripeAlert.object_id.in_([i.stripe_id for i in chunk]))))
        for invoice in chunk:
            c.compared["instalments"] += 1
            missing = {payment.payment_intent for payment in invoice.payments} - paid - quarantined
            has_rest = invoice.is_paid and invoice.taken_cents < invoice.total_cents
            is_untold = invoice.donation in known and has_rest and invoice.stripe_id not in alerted
            if (missing and (invoice.donation in known or is_ours(invoice.donation))) or is_untold:
                event = EventToStore("invoice.paid", {"id": invoice.stripe_id, "object": "invoice"})
                c.add(DifferenceKind.INSTALMENT_MISSING, invoice.stripe_id, event, theirs=invoice.taken_cents)
        db.session.rollback()


def compare_subscriptions(c: Comparison) -> None:
    """The status of each recurring donation, and when it ends."""
    gifts = db.session.execute(select(RecurringGift.subscription, RecurringGift.status, RecurringGift.cancels_at)).all()
    ours = {name: (status, cancels_at) for name, status, cancels_at in gifts if name}
    db.session.rollback()
    for subscription in services().stripe_subscriptions.list_subscriptions() if ours else ():
        if subscription.stripe_id not in ours:
            continue
        c.compared["subscriptions"] += 1
        if ours[subscription.stripe_id] != (subscription.status, subscription.cancels_at):
            event = EventToStore("customer.subscription.updated", {"id": subscription.stripe_id, "object": "subscription"})
            our_status = ours[subscription.stripe_id][0]
            c.add(DifferenceKind.SUBSCRIPTION_DIFFERS, subscription.stripe_id, event, status=subscription.status, our_status=our_status)


def compare_invoices_of(c: Comparison, customers: Iterable[str]) -> None:
    """All invoices of these customers, however old: one may have been paid long after it was created."""
    for customer in customers:
        _compare_invoices(c, services().stripe_subscriptions.list_settled_invoices(None, customer=customer))


def customers_of_unknown_payments(transactions: Sequence[StripeBalanceTransaction]) -> set[str]:
    """Customers of ours with a charge that is of no donation and not in quarantine."""
    d, q = Donation, QuarantinedPayment
    charged = {t.payment_intent: t.customer for t in transactions if t.type in CHARGES and t.payment_intent and t.customer}
    known = set(db.session.scalars(select(d.payment_intent).where(d.payment_intent.in_(charged))))
    known |= set(db.session.scalars(select(q.payment_intent).where(q.payment_intent.in_(charged))))
    unknown = {customer for payment_intent, customer in charged.items() if payment_intent not in known}
    ours = db.session.scalars(select(RecurringGift.customer).where(RecurringGift.customer.in_(unknown)))
    return {customer for customer in ours if customer}
