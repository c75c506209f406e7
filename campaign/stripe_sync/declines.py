"""Declined cards in Stripe's events. A payment names its donation, but the first payment of a monthly gift does not: its invoice is fetched for that.

Later months are declined without the donor, when a card has expired: they say nothing about card testing and are not recorded.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from campaign.donations import donations
from campaign.edges.stripe.client import StripeRefused
from campaign.edges.stripe.payments import StripePayments
from campaign.payments import card_declines, card_testing
from campaign.stripe_sync.event import Event, FetchRequest, ObjectKind, is_ours


@dataclass(frozen=True, kw_only=True)
class FirstInvoiceSnapshot:
    """The donation that the first invoice of a declined payment names; None for a later invoice, and for a payment without one."""

    donation: str | None


def requests(events: Collection[Event]) -> dict[int, FetchRequest]:
    """The invoices to fetch before these events are handled, by event row."""
    unnamed = [event for event in events if event.decline and not event.names_us and event.object.get("customer")]
    return {event.row: FetchRequest(ObjectKind.FIRST_INVOICE_OF, event.decline.payment_intent) for event in unnamed if event.decline}


def read_first_invoice(stripe: StripePayments, payment_intent: str) -> FirstInvoiceSnapshot:
    """Fetch what the invoice of a payment names. Raises StripeUnavailable."""
    try:
        return FirstInvoiceSnapshot(donation=stripe.find_donation_of_first_payment(payment_intent))
    except StripeRefused:
        return FirstInvoiceSnapshot(donation=None)


def record(events: Sequence[Event], snapshots: Mapping[int, Sequence[object]]) -> None:
    """Record the declined cards of our donations, and begin the guard against card testing when there are many."""
    named = {event.row: _donation_of(event, snapshots.get(event.row, ())) for event in events if event.decline}
    public_ids = sorted({name for name in named.values() if name and is_ours(name)})
    if not public_ids:
        return
    ids = donations.ids_of(public_ids)
    declines = [(event.decline, ids[name]) for event in events if event.decline and (name := named[event.row]) in ids]
    if card_declines.record_declines(declines):
        card_testing.begin_if_attacked()


def _donation_of(event: Event, snapshots: Sequence[object]) -> str | None:
    fetched = next((snapshot.donation for snapshot in snapshots if isinstance(snapshot, FirstInvoiceSnapshot)), None)
    return event.donation_id or fetched
