"""Dispatch of leased Stripe events: handled as one batch in one transaction, or one by one when that fails.

The funds are locked once for the whole batch, so that hundreds of donations can be settled in one transaction. A bad event never holds back
a batch: it fails in a savepoint of its own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from campaign.donations import donations
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.payments import Checkout
from campaign.matching.effects import Effects, apply_effects
from campaign.matching.rematching import RematchingSession, lock_match_session
from campaign.outbox import leases
from campaign.outbox.leases import Lease
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.payments import quarantine, reversals, settlement
from campaign.payments.quarantine import Anomaly, SucceededPayment
from campaign.payments.reversals import ReversalSnapshot
from campaign.recurring import instalments, recurring_gifts
from campaign.recurring.instalments import InvoiceSnapshot
from campaign.recurring.recurring_gifts import SubscriptionSnapshot
from campaign.stripe_sync import charges, declines, payouts
from campaign.stripe_sync.charges import ChargeSnapshot
from campaign.stripe_sync.declines import FirstInvoiceSnapshot
from campaign.stripe_sync.event import FETCH_FIRST, HANDLED_TYPES, NOTED_TYPES, Event, FetchRequest, clean_id, is_ours
from campaign.stripe_sync.inbox import StripeEvent
from campaign.stripe_sync.payouts import PayoutSnapshot

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class CheckoutSnapshot:
    """The checkout of a canceled payment as it was fetched from Stripe."""

    checkout: Checkout


# What was fetched from Stripe for one event: the state of an object, read after the event was stored.
Snapshot = (
    ReversalSnapshot | PayoutSnapshot | InvoiceSnapshot | SubscriptionSnapshot | CheckoutSnapshot | ChargeSnapshot | FirstInvoiceSnapshot
)
NOT_TAKEN = Effects(outcome="ignored: Stripe took no money for the invoice; staff are told")
OF_ANOTHER_ACCOUNT = Effects(outcome="ignored: an event of another Stripe account")
NOTHING_TO_FETCH = Effects(outcome="ignored: names no object of ours that could be fetched")
NOT_ITS_CHECKOUT = Effects(outcome="ignored: not the checkout that the donor has")
BY_CARD = Effects(outcome="noted: no bank debit; another event says that the card or the invoice is paid")
AFTER_SEAL = Effects(outcome="quarantined: the campaign was sealed before")
CHECKOUT_IS_OPEN = Effects(outcome="noted: the checkout is open")


def read_events(leased: Sequence[Lease]) -> dict[int, Event]:
    """The leased events, by row, in order."""
    e = StripeEvent
    rows = select(e.id, e.event_id, e.type, e.body, e.received_at).where(e.id.in_([lease.id for lease in leased])).order_by(e.id)
    return {row.id: Event.of(*row) for row in db.session.execute(rows)}


def fetch_requests(events: Collection[Event]) -> dict[int, FetchRequest]:
    """What to fetch from Stripe before these events are handled, by event row."""
    return (
        {event.row: event.fetch_request for event in events if event.fetch_request} | charges.requests(events) | declines.requests(events)
    )


def dispatch(leased: Sequence[Lease], events: Mapping[int, Event], snapshots: Mapping[int, Sequence[Snapshot]]) -> int:
    """Handle leased events with the snapshots that were fetched for them; returns how many are done. The caller commits.

    They are handled together first. If anything fails, all of it is undone and each is handled by itself.
    """
    try:
        with db.session.begin_nested():
            return _dispatch_together(leased, events, snapshots)
    except OperationalError:
        raise  # The connection or a lock is lost: the caller retries the whole batch.
    except Exception as error:
        if len(leased) > 1:
            log.warning("events.one_by_one", events=len(leased), error=type(error).__name__)
            return sum(dispatch([lease], events, snapshots) for lease in leased)
        return record_failure(leased[0], error)


def record_failure(lease: Lease, error: Exception) -> int:
    """The event could not be handled: it is tried again later, or dead. None is done."""
    is_dead = leases.fail(StripeEvent, lease, error=f"{type(error).__name__}: {error}"[:500])
    (log.error if is_dead else log.warning)("event.dead" if is_dead else "event.failed", row=lease.id, exc_info=error)
    return 0


def _dispatch_together(leased: Sequence[Lease], events: Mapping[int, Event], snapshots: Mapping[int, Sequence[Snapshot]]) -> int:
    outcomes = EventBatch([events[lease.id] for lease in leased], snapshots).handle()
    for lease in leased:
        if lease.id not in outcomes:
            leases.postpone(StripeEvent, lease, seconds=1, reason="its payment or a window changed at the same time")
    return leases.complete_all(StripeEvent, [lease for lease in leased if lease.id in outcomes], outcomes)


class EventBatch:
    """Events with their snapshots, the locked session that decides their match, and what is known of their payments.

    `payers` maps payments to the donations they belong to, `with_reversals` are payments with a refund or dispute; both grow while the batch
    is handled. `late` are payments whose donation became known while the locks were awaited: it is not in this session, so their events are
    handled in a later batch.
    """

    def __init__(self, events: Sequence[Event], snapshots: Mapping[int, Sequence[Snapshot]]) -> None:
        self._events = events
        self._snapshots = snapshots
        fetched = [snapshot for event in events for snapshot in snapshots.get(event.row, ())]
        self._reversals = [snapshot for snapshot in fetched if isinstance(snapshot, ReversalSnapshot)]
        self._invoices = [snapshot for snapshot in fetched if isinstance(snapshot, InvoiceSnapshot)]
        # Before any lock, as this may insert the donations of new instalments.
        self._instalments = instalments.get_or_create_instalments([snapshot.invoice for snapshot in self._invoices])
        self._session = self._lock_session()
        self._by_public_id = {donation.public_id: donation for donation in self._session.donations.values()}
        self._payers = self._known_payers()
        payments = self._payment_intents()
        reversals.lock_payments(payments)
        self._with_reversals = reversals.payments_with_reversals(sorted(payments))
        self._late = self._late_payments()

    def _lock_session(self) -> RematchingSession:
        """A session with every donation that these events are about, as far as they can be known."""
        public_ids = [event.donation_id for event in self._events if event.donation_id]
        payment_intents = [reversal.payment_intent for reversal in self._reversals]
        found = donations.find_donations([*public_ids, *self._instalments.values()], payment_intents)
        return lock_match_session(sorted({row.campaign_id for row in found}), [row.id for row in found])

    def _known_payers(self) -> dict[str, int]:
        """The donation that each payment of this batch is tied to already."""
        succeeded = [event.succeeded_payment for event in self._events] + [p for invoice in self._invoices for p in invoice.payments]
        paid = {payment.payment_intent for payment in succeeded if payment and payment.payment_intent}
        return {row.payment_intent: row.id for row in donations.find_donations([], sorted(paid)) if row.payment_intent} if paid else {}

    def _payment_intents(self) -> set[str]:
        """Every payment that the batch may change."""
        named = {event.payment_intent for event in self._events if event.type in HANDLED_TYPES and event.payment_intent}
        named |= {reversal.payment_intent for reversal in self._reversals}
        return named | {payment.payment_intent for invoice in self._invoices for payment in invoice.payments if payment.payment_intent}

    def _late_payments(self) -> set[str]:
        payment_intents = [reversal.payment_intent for reversal in self._reversals]
        found = donations.find_donations([], payment_intents) if payment_intents else []
        return {row.payment_intent for row in found if row.id not in self._session.donations}

    def handle(self) -> dict[int, str]:
        """Decide and write the effects of each event, in order. Returns outcomes by event row; absent rows must be handled later."""
        decided: dict[int, Effects] = {}
        for event in self._events:
            snapshots = self._snapshots.get(event.row, ())
            payments = {snapshot.payment_intent for snapshot in snapshots if isinstance(snapshot, ReversalSnapshot)}
            if self._needs_charge(event):
                continue
            if event.type not in FETCH_FIRST or event.account:
                decided[event.row] = self._handle_event(event)
            elif not self._late & payments:
                self._with_reversals |= payments
                decided[event.row] = self._record_snapshots(snapshots, cause=event.id)
        apply_effects(self._session, list(decided.values()))
        if self._with_reversals:
            quarantine.apply_refunds(self._with_reversals)
        declines.record(self._events, self._snapshots)
        return {row: effects.outcome for row, effects in decided.items()}

    def _payment_of(self, event: Event) -> SucceededPayment | None:
        payment = event.succeeded_payment
        return charges.with_charge(payment, self._snapshots.get(event.row, ())) if payment else None

    def _needs_charge(self, event: Event) -> bool:
        """Whether a window was changed after it was decided that the charge need not be fetched, so that it does now."""
        payment, donation = self._payment_of(event), self._by_public_id.get(event.donation_id or "")
        if payment is None or donation is None or event.account or payment.payment_intent in self._payers:
            return False
        return charges.is_unclear(payment, donation, self._session)

    def _record_snapshots(self, snapshots: Sequence[Snapshot], *, cause: str) -> Effects:
        each = [self._record_snapshot(snapshot, cause=cause) for snapshot in snapshots]
        return reduce(Effects.combined_with, each) if each else NOTHING_TO_FETCH

    def _record_snapshot(self, snapshot: Snapshot, *, cause: str) -> Effects:
        match snapshot:
            case ReversalSnapshot():
                payer = self._payer_of(snapshot)
                effects = reversals.record(snapshot, payer, self._session, cause=cause)
                if payer:
                    recurring_gifts.end_disputed(payer)
                return effects
            case PayoutSnapshot():
                return Effects(outcome=payouts.record(snapshot))
            case InvoiceSnapshot():
                return self._handle_invoice(snapshot, cause=cause)
            case CheckoutSnapshot():
                return self._end_canceled(snapshot.checkout, cause=cause)
            case ChargeSnapshot() | FirstInvoiceSnapshot():
                return NOTHING_TO_FETCH  # It is read with the event of its payment.
            case SubscriptionSnapshot():
                outcome, ended = recurring_gifts.record_subscription(snapshot)
                messages = [NewMessage(MessageKind.RECURRING_GIFT_ENDED, ended)] if ended else []
                return Effects(outcome=outcome, messages=messages)

    def _end_canceled(self, checkout: Checkout, *, cause: str) -> Effects:
        """The payment of a checkout was canceled: because it expired, or the donor's bank debit was canceled, of which they are notified."""
        donation = self._by_public_id.get(checkout.donation or "")
        if donation is None or donation.checkout_id not in {None, checkout.id}:
            return NOT_ITS_CHECKOUT
        match checkout.status:
            case "expired":
                return settlement.record_end(donation, self._session, ended_as=settlement.EXPIRED, cause=cause)
            case "complete" if checkout.payment_status != "paid":
                return settlement.record_failure(donation, self._session, cause=cause)
            case _:
                return CHECKOUT_IS_OPEN

    def _payer_of(self, reversal: ReversalSnapshot) -> Donation | None:
        """The donation that the payment belongs to, perhaps by an earlier event of this batch."""
        return next((d for d in self._session.donations.values() if d.payment_intent == reversal.payment_intent), None)

    def _handle_invoice(self, snapshot: InvoiceSnapshot, *, cause: str) -> Effects:
        """Settle a paid instalment as a donation. For one that was not paid, the donor is notified once."""
        has_rest, payments = instalments.raise_alert_of_rest(snapshot.invoice), snapshot.payments
        if not payments:
            return NOT_TAKEN if has_rest else instalments.record_failed_instalment(snapshot)
        donation = self._by_public_id.get(self._instalments.get(snapshot.invoice.stripe_id, ""))
        if donation is None and (first := instalments.began_sealed(snapshot.invoice)):
            for payment in payments:
                quarantine.quarantine_payment(payment, first, Anomaly.SEALED)
            return AFTER_SEAL
        if donation is None:
            return self._handle_unknown(payments[0], names_us=is_ours(snapshot.invoice.donation), account=None)
        instalments.link_instalment(donation, snapshot.invoice)
        paid = next((payment for payment in payments if payment.payment_intent == donation.payment_intent), payments[0])
        effects = self._handle_payment(paid, donation, cause=cause)
        for payment in payments:
            if payment is not paid:
                quarantine.quarantine_payment(payment, donation, Anomaly.SECOND)
        recurring_gifts.end_disputed(donation)  # The dispute may have been reported before the instalment.
        return self._post_earlier_reversals(effects, donation, cause=cause)

    def _handle_event(self, event: Event) -> Effects:
        if event.type in NOTED_TYPES:
            return Effects(outcome=NOTED_TYPES[event.type])
        if event.account and event.succeeded_payment is None:
            return OF_ANOTHER_ACCOUNT
        if event.type not in HANDLED_TYPES:
            return Effects(outcome=f"ignored: {event.type[:80]} is not handled")
        donation, payment = self._by_public_id.get(event.donation_id or ""), self._payment_of(event)
        if donation is None:
            return self._handle_unknown(payment, names_us=event.names_us, account=event.account)
        if payment is None:
            return self._post_earlier_reversals(self._record_checkout_event(event, donation), donation, cause=event.id)
        effects = self._handle_payment(payment, donation, cause=event.id)
        return self._post_earlier_reversals(effects, donation, cause=event.id)

    def _handle_unknown(self, payment: SucceededPayment | None, *, names_us: bool, account: str | None) -> Effects:
        """A payment that is of no stored donation. It is quarantined if it names one, or is of another account; others share ours."""
        if payment is None or not payment.payment_intent:
            return Effects(outcome="ignored: not one of our donations")
        if payment.payment_intent in self._payers:
            return Effects(outcome="known")
        if account:
            quarantine.quarantine_payment(payment, None, Anomaly.ACCOUNT)
            return Effects(outcome="quarantined: the payment belongs to another Stripe account")
        if not names_us:
            return Effects(outcome="ignored: names no donation of ours; an instalment is recorded with its invoice")
        quarantine.quarantine_payment(payment, None, Anomaly.UNKNOWN)
        return Effects(outcome="quarantined: a payment that names a donation that we do not have")

    def _handle_payment(self, payment: SucceededPayment, donation: Donation, *, cause: str) -> Effects:
        if payment.payment_intent and self._payers.setdefault(payment.payment_intent, donation.id) != donation.id:
            return settlement.record_conflicting_payment(donation, payment, self._session, cause=cause)
        return settlement.record_payment(donation, payment, self._session, cause=cause)

    def _record_checkout_event(self, event: Event, donation: Donation) -> Effects:
        """Record an event of a checkout that is not paid: processing, expired or failed."""
        if charges.is_unverified(self._snapshots.get(event.row, ())):
            return settlement.record_unverified(donation, self._session, cause=event.id)
        if event.type in {"checkout.session.completed", "payment_intent.processing"}:
            begins_debit = event.begins_debit and not charges.is_by_card(self._snapshots.get(event.row, ()))
            return settlement.record_processing(donation, self._session, cause=event.id) if begins_debit else BY_CARD
        if donation.checkout_id not in {None, clean_id(event.object.get("id"))}:
            return NOT_ITS_CHECKOUT
        if event.type == "checkout.session.expired":
            return settlement.record_end(donation, self._session, ended_as=settlement.EXPIRED, cause=event.id)
        return settlement.record_failure(donation, self._session, cause=event.id)

    def _post_earlier_reversals(self, effects: Effects, donation: Donation, *, cause: str) -> Effects:
        """Also post the reversals that were stored before their payment was known."""
        if donation.payment_intent not in self._with_reversals:
            return effects
        return reversals.post_after_payment(effects, donation, self._session, cause=cause)
