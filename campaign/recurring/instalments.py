"""Instalments of recurring donations: one donation for each invoice that money was taken for, with the parts that the invoice's lines say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from campaign.donations.donations import RECEIPT_FIELDS, Donation, DonationDetails, donation_by_public_id
from campaign.edges.db import db
from campaign.edges.stripe.subscriptions import StripeInvoice
from campaign.matching.effects import Effects
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.payments import checkouts
from campaign.payments.alerts import Alert, AlertKind, raise_alert
from campaign.payments.checkouts import CheckoutContext
from campaign.payments.quarantine import Anomaly, SucceededPayment
from campaign.recurring.recurring_gifts import MONTHLY, RecurringGift
from campaign.rules.payment_moments import PaymentMoments

CONTACT_FIELDS = ("email", *RECEIPT_FIELDS)


@dataclass(frozen=True, kw_only=True)
class InvoiceSnapshot:
    """An invoice as it was fetched from Stripe, with the moments of its payments and whether they are bank debits, by payment intent."""

    invoice: StripeInvoice
    snapshot_number: int
    moments: Mapping[str, PaymentMoments]
    are_debits: Mapping[str, bool | None]

    @property
    def payments(self) -> list[SucceededPayment]:
        """The payments that Stripe took, whether or not more is due; the first of them pays the instalment."""
        invoice = self.invoice
        return [
            SucceededPayment(
                payment_intent=payment.payment_intent,
                amount_cents=payment.cents,
                currency=invoice.currency,
                livemode=invoice.livemode,
                moments=self.moments[payment.payment_intent],
                is_debit=self.are_debits[payment.payment_intent],
                anomaly=None if _are_lines_clear(invoice) else Anomaly.LINES,
            )
            for payment in invoice.payments
        ]


def _are_lines_clear(invoice: StripeInvoice) -> bool:
    """Whether the lines say what is gift and what is covered fee, and Stripe took at most that.

    A change at Stripe may leave a negative sum on an invoice, for the rest of a month that was paid already.
    """
    has_parts = invoice.gift_cents > 0 and invoice.covered_fee_cents >= 0 and not invoice.unknown_cents
    return has_parts and invoice.taken_cents <= invoice.gift_cents + invoice.covered_fee_cents


def is_instalment_paid(invoice: str) -> bool:
    """Whether the instalment of this invoice is recorded as paid."""
    return db.session.scalar(select(Donation.received_at).where(Donation.attempt == _attempt(invoice))) is not None


def _attempt(invoice: str) -> str:
    return f"invoice:{invoice}"


def get_or_create_instalments(invoices: Sequence[StripeInvoice]) -> dict[str, str]:
    """The public id of the donation that the money taken for each invoice pays, by the invoice's id; new instalments are inserted.

    It runs before any lock: a concurrent transaction for the same invoice gets the same donation. In the order of the invoices' ids: two
    batches that insert the donations of the same invoices would otherwise wait for each other.
    """
    in_order = sorted(invoices, key=lambda invoice: invoice.stripe_id)
    found = {invoice.stripe_id: _get_or_create_instalment(invoice) for invoice in in_order}
    return {invoice: public_id for invoice, public_id in found.items() if public_id}


def _get_or_create_instalment(invoice: StripeInvoice) -> str | None:
    first = _first_donation(invoice) if invoice.payments else None
    if first is None or began_sealed(invoice):
        return None
    recurring_gift = _get_or_create(first, invoice)
    return first.public_id if invoice.is_first else _create_instalment(recurring_gift, first, invoice).public_id


def began_sealed(invoice: StripeInvoice) -> Donation | None:
    """The donation that began a monthly gift, if this is a later month of it that is no donation, and becomes none, as its campaign is sealed."""
    first = None if invoice.is_first else _first_donation(invoice)
    is_late = first is not None and first.campaign.sealed_at is not None and not checkouts.has_begun(_attempt(invoice.stripe_id))
    return first if is_late else None


def _first_donation(invoice: StripeInvoice) -> Donation | None:
    """The donation that started the subscription: the one that its metadata names or, if that was cleared, by the subscription."""
    first = donation_by_public_id(invoice.donation) if invoice.donation else None
    if first is None and invoice.subscription:
        of_subscription = select(RecurringGift.donation_id).where(RecurringGift.subscription == invoice.subscription)
        first = db.session.scalar(select(Donation).where(Donation.id == of_subscription.scalar_subquery()))
    return first if first is not None and first.frequency == MONTHLY else None


def _get_or_create(first: Donation, invoice: StripeInvoice) -> RecurringGift:
    db.session.execute(
        insert(RecurringGift)
        .values(
            donation_id=first.id,
            subscription=invoice.subscription,
            customer=invoice.customer,
            amount_cents=first.amount_cents,
            covered_fee_cents=first.covered_fee_cents,
            **{field: getattr(first, field) for field in CONTACT_FIELDS},
            status="active",
            snapshot_number=0,
        )
        .on_conflict_do_nothing()
    )
    of_donation = db.session.scalar(select(RecurringGift).where(RecurringGift.donation_id == first.id))
    # The subscription's metadata may have been changed to another donation: the subscription counts.
    return of_donation or db.session.scalars(select(RecurringGift).where(RecurringGift.subscription == invoice.subscription)).one()


def _create_instalment(recurring_gift: RecurringGift, first: Donation, invoice: StripeInvoice) -> Donation:
    """A donation of what Stripe took, with the details of the first and the contact details of the monthly gift, by the same donor.

    The invoice's own lines say which part is covered fee, in proportion when less was taken. When they do not, staff decide
    (Anomaly.LINES), and the agreement's parts are what they are asked to confirm.
    """
    taken, gift, fee = invoice.payments[0].cents, recurring_gift.amount_cents, recurring_gift.covered_fee_cents
    if _are_lines_clear(invoice):
        gift, fee = invoice.gift_cents, invoice.covered_fee_cents
    fee = taken * fee // (gift + fee)
    copied = {
        field.name: getattr(recurring_gift if field.name in CONTACT_FIELDS else first, field.name)
        for field in fields(DonationDetails)
        if field.name not in {"amount_cents", "covered_fee_cents", "news_consent"}
    }
    details = DonationDetails(**copied, amount_cents=taken - fee, covered_fee_cents=fee, news_consent=first.news_consent_at is not None)
    context = CheckoutContext(attempt=_attempt(invoice.stripe_id), expected_match_cents=0, livemode=first.livemode, now=datetime.now(UTC))
    instalment = checkouts.get_or_create_donation(first.campaign, details, context, donor_id=first.donor_id)
    instalment.recurring_gift_id, instalment.news_consent_at = recurring_gift.id, first.news_consent_at
    db.session.flush()
    return instalment


def link_instalment(donation: Donation, invoice: StripeInvoice) -> None:
    """Mark the donation as an instalment of the recurring donation whose invoice this is."""
    if donation.recurring_gift_id is None:
        donation.recurring_gift_id = db.session.scalars(
            select(RecurringGift.id).where(RecurringGift.subscription == invoice.subscription)
        ).first()


def raise_alert_of_rest(invoice: StripeInvoice) -> bool:
    """Tell staff of a paid invoice of a recurring donation for which Stripe took less than was invoiced. Returns whether it is one.

    The rest was paid out of band, or forgiven: it is no donation of ours until staff enter it (policy.md, section 2).
    """
    first = _first_donation(invoice) if invoice.is_paid and invoice.taken_cents < invoice.total_cents else None
    if first is None:
        return False
    detail = {"invoiced_cents": invoice.total_cents, "taken_cents": invoice.taken_cents}
    raise_alert(Alert(kind=AlertKind.NOT_TAKEN, object_id=invoice.stripe_id, donation_id=first.id, detail=detail))
    return True


def record_failed_instalment(snapshot: InvoiceSnapshot) -> Effects:
    """The charge of an instalment failed and its invoice is still open: notify the donor, once for each invoice."""
    recurring_gift = (
        db.session.scalar(select(RecurringGift).where(RecurringGift.subscription == snapshot.invoice.subscription))
        if snapshot.invoice.subscription
        else None
    )
    if recurring_gift is None or snapshot.invoice.is_first or snapshot.invoice.status != "open":
        return Effects(outcome=f"invoice: {snapshot.invoice.status}")
    first = db.session.get_one(Donation, recurring_gift.donation_id)
    return Effects(
        outcome="an instalment was not paid",
        messages=[NewMessage(MessageKind.INSTALMENT_FAILED, first, snapshot.invoice.stripe_id, invoice=snapshot.invoice.stripe_id)],
    )
