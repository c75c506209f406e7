"""The charge of a payment, read at Stripe when an event leaves open on which day or in which window it was made (policy.md, section 2b)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from campaign.campaigns import charities
from campaign.donations import donations
from campaign.donations.donations import Donation
from campaign.edges.stripe.client import StripeRefused
from campaign.edges.stripe.payments import StripePayments
from campaign.matching import funds
from campaign.matching.session import MatchSession
from campaign.payments.quarantine import SucceededPayment
from campaign.rules.payment_moments import PaymentMoments, moments_of_charge
from campaign.stripe_sync.event import DEBIT_SUCCEEDED, Event, FetchRequest, ObjectKind

# The status of a payment that waits for the donor to verify their bank account.
UNVERIFIED = "requires_action"


@dataclass(frozen=True, kw_only=True)
class ChargeSnapshot:
    """When the charge of a payment was created, and whether it is a bank debit; None when Stripe shows none.

    `succeeded_at` is when a bank debit succeeded, if Stripe still lists that. `status` is that of the payment.
    """

    charged_at: datetime | None
    is_debit: bool | None = None
    succeeded_at: datetime | None = None
    status: str = ""


def requests(events: Collection[Event]) -> dict[int, FetchRequest]:
    """The charges to fetch before these events are handled, by event row."""
    return _unclear_charges(events) | _unverified_debits(events)


def _unclear_charges(events: Iterable[Event]) -> dict[int, FetchRequest]:
    """Those of payments near an edge: few."""
    paid = [(event, payment) for event in events if event.names_us and not event.account and (payment := event.succeeded_payment)]
    if not paid:
        return {}
    edges, zones = funds.window_edges(), charities.time_zones()
    unclear = {
        event.row: payment.payment_intent
        for event, payment in paid
        if payment.payment_intent and (payment.is_debit or not payment.moments.is_decisive(edges, zones))
    }
    known = {row.payment_intent for row in donations.find_donations([], sorted(set(unclear.values())))} if unclear else set()
    compared = {
        event.row for event, payment in paid if payment.is_debit and event.type != DEBIT_SUCCEEDED
    }  # A reconciliation says that its moments differ.
    return {row: FetchRequest(ObjectKind.CHARGE_OF, name) for row, name in unclear.items() if name not in known or row in compared}


def is_unclear(payment: SucceededPayment, donation: Donation, session: MatchSession) -> bool:
    """Whether the charge of a payment of the donation has to be read after all, by the locked windows of its campaign."""
    zone = ZoneInfo(donation.campaign.charity.time_zone)
    return (
        donation.is_open
        and payment.payment_intent is not None
        and not payment.moments.is_decisive(session.window_edges(donation.campaign_id), [zone])
    )


def _unverified_debits(events: Iterable[Event]) -> dict[int, FetchRequest]:
    """Those of checkouts that were completed with a bank debit, which may not be verified."""
    begun = [event for event in events if event.names_us and not event.account and event.is_unpaid_completion]
    return {event.row: FetchRequest(ObjectKind.CHARGE_OF, event.payment_intent) for event in begun if event.payment_intent}


def is_unverified(snapshots: Iterable[object]) -> bool:
    """Whether the payment that was fetched waits for the donor to verify their bank account."""
    return any(isinstance(snapshot, ChargeSnapshot) and snapshot.status == UNVERIFIED for snapshot in snapshots)


def is_by_card(snapshots: Iterable[object]) -> bool:
    """Whether the charge that was fetched is one of a card."""
    return any(isinstance(snapshot, ChargeSnapshot) and snapshot.is_debit is False for snapshot in snapshots)


def read_charge(stripe: StripePayments, payment_intent: str) -> ChargeSnapshot:
    """Fetch the charge of a payment. Raises StripeUnavailable, and StripeRefused when there is no such payment."""
    payment = stripe.get_payment(payment_intent)
    succeeded_at = None
    # No object says when a bank debit succeeded, only Stripe's event.
    if payment.is_debit and payment.charged_at and payment.status == "succeeded":
        successes = stripe.list_successes(payment.charged_at)
        succeeded_at = next((moment for name, moment in successes if name == payment_intent), None)
    is_debit = payment.is_debit if payment.charged_at else None
    return ChargeSnapshot(charged_at=payment.charged_at, is_debit=is_debit, succeeded_at=succeeded_at, status=payment.status)


def try_to_read_charge(stripe: StripePayments, payment_intent: str) -> ChargeSnapshot:
    """As `read_charge`, but the report of a payment that Stripe does not show us has to be enough. Raises StripeUnavailable."""
    try:
        return read_charge(stripe, payment_intent)
    except StripeRefused:
        return ChargeSnapshot(charged_at=None)


def with_charge(payment: SucceededPayment, snapshots: Iterable[object]) -> SucceededPayment:
    """The payment with the moments of its charge, if that was fetched."""
    charge = next((snapshot for snapshot in snapshots if isinstance(snapshot, ChargeSnapshot)), None)
    if charge is None:
        return payment
    is_debit = payment.is_debit if charge.is_debit is None else charge.is_debit
    return replace(payment, moments=moments_of(charge, reported_at=payment.moments.received_at), is_debit=is_debit)


def moments_of(charge: ChargeSnapshot, *, reported_at: datetime) -> PaymentMoments:
    """The moments of a payment that has succeeded, of which we have a report of this moment."""
    if charge.charged_at is None:
        return PaymentMoments(authorized_at=reported_at, received_at=reported_at)
    if charge.is_debit and charge.succeeded_at is None:
        return PaymentMoments(authorized_at=charge.charged_at, received_at=max(charge.charged_at, reported_at))
    return moments_of_charge(charge.charged_at, succeeded_at=charge.succeeded_at)
