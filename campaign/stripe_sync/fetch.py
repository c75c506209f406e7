"""Fetching the current state of refunds, disputes, payouts, invoices, subscriptions and charges before the events about them are handled.

Nothing is locked meanwhile, and several are fetched in parallel.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from campaign.edges.services import Services
from campaign.edges.stripe.client import StripeRefused, StripeUnavailable
from campaign.edges.stripe.reversals import StripeReversal
from campaign.payments.reversals import ReversalSnapshot
from campaign.recurring.instalments import InvoiceSnapshot
from campaign.recurring.recurring_gifts import SubscriptionSnapshot
from campaign.stripe_sync import charges, declines
from campaign.stripe_sync.dispatch import CheckoutSnapshot, Snapshot
from campaign.stripe_sync.event import FetchRequest, ObjectKind
from campaign.stripe_sync.payouts import PayoutSnapshot

MAX_PARALLEL = 8


@dataclass(frozen=True, kw_only=True)
class FetchResult:
    """What was fetched for each event row, or why it could not be."""

    snapshots: Mapping[int, Sequence[Snapshot]]
    errors: Mapping[int, StripeUnavailable | StripeRefused]


def fetch_all(requests: Mapping[int, FetchRequest], services: Services, *, snapshot_number: int) -> FetchResult:
    """Fetch each object once, whichever events ask for it. The number was taken before (payments/snapshot_numbers.py)."""
    if not requests:
        return FetchResult(snapshots={}, errors={})
    distinct = list(dict.fromkeys(requests.values()))
    with ThreadPoolExecutor(min(MAX_PARALLEL, len(distinct)), thread_name_prefix="fetch") as pool:
        fetched = pool.map(lambda request: _fetch(request, services, snapshot_number), distinct)
        results = dict(zip(distinct, fetched, strict=True))
    snapshots: dict[int, Sequence[Snapshot]] = {}
    errors: dict[int, StripeUnavailable | StripeRefused] = {}
    for row, request in requests.items():
        result = results[request]
        if isinstance(result, list):
            snapshots[row] = result
        else:
            errors[row] = result
    return FetchResult(snapshots=snapshots, errors=errors)


def _fetch(request: FetchRequest, services: Services, number: int) -> list[Snapshot] | StripeUnavailable | StripeRefused:
    try:
        match request.kind:
            case ObjectKind.PAYOUT:
                return [PayoutSnapshot(payout=services.stripe_balance.get_payout(request.stripe_id), snapshot_number=number)]
            case ObjectKind.INVOICE:
                return _invoice(request.stripe_id, services, number)
            case ObjectKind.SUBSCRIPTION:
                return [_subscription(request.stripe_id, services, number)]
            case ObjectKind.CHECKOUT_OF:
                checkout = services.stripe_payments.find_checkout_of(request.stripe_id)
                return [CheckoutSnapshot(checkout=checkout)] if checkout else []
            case ObjectKind.CHARGE_OF:
                return [charges.try_to_read_charge(services.stripe_payments, request.stripe_id)]
            case ObjectKind.FIRST_INVOICE_OF:
                return [declines.read_first_invoice(services.stripe_payments, request.stripe_id)]
            case ObjectKind.REFUND:
                reversals = [services.stripe_payments.get_refund(request.stripe_id)]
            case ObjectKind.REFUNDS_OF:
                reversals = services.stripe_payments.list_refunds(request.stripe_id)
            case ObjectKind.DISPUTE:
                reversals = [services.stripe_payments.get_dispute(request.stripe_id)]
    except (StripeUnavailable, StripeRefused) as error:
        return error
    return _reversals(reversals, number)


def _invoice(invoice_id: str, services: Services, number: int) -> list[Snapshot]:
    """The invoice with the charges of its payments, and its subscription as it is after it."""
    invoice = services.stripe_subscriptions.get_invoice(invoice_id)
    found = {payment: charges.try_to_read_charge(services.stripe_payments, payment.payment_intent) for payment in invoice.payments}
    moments = {
        payment.payment_intent: charges.moments_of(charge, reported_at=payment.paid_at or datetime.now(UTC))
        for payment, charge in found.items()
    }
    are_debits = {payment.payment_intent: charge.is_debit for payment, charge in found.items()}
    snapshots: list[Snapshot] = [InvoiceSnapshot(invoice=invoice, snapshot_number=number, moments=moments, are_debits=are_debits)]
    if invoice.subscription:
        snapshots.append(_subscription(invoice.subscription, services, number))
    return snapshots


def _subscription(subscription_id: str, services: Services, number: int) -> SubscriptionSnapshot:
    subscription = services.stripe_subscriptions.get_subscription(subscription_id)
    return SubscriptionSnapshot(subscription=subscription, snapshot_number=number)


def _reversals(reversals: Sequence[StripeReversal], number: int) -> list[Snapshot]:
    found = (ReversalSnapshot.of(reversal, snapshot_number=number) for reversal in reversals)
    return [snapshot for snapshot in found if snapshot]
