"""One of Stripe’s events as it is handled: its type, its moment, and the few fields of its object that we read.

Only what is needed is read from a body, so that new fields at Stripe break nothing. An event of a payment says enough by itself; for
anything else it is a reason to fetch the object’s current state.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from campaign.donations.donations import is_public_id
from campaign.edges.stripe.payments import CARD, charge_in, failed_charge_in
from campaign.payments.card_declines import Decline
from campaign.payments.quarantine import Anomaly, SucceededPayment
from campaign.rules.payment_moments import PaymentMoments, moments_of_charge

# For these the object is fetched from Stripe before they are handled.
FETCH_FIRST = (
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "invoice.paid",
    "invoice.payment_failed",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "payout.paid",
    "payout.failed",
    "payout.canceled",
    "payment_intent.canceled",
    "invoice_payment.paid",
)
DECLINED = "payment_intent.payment_failed"
# The outcome of a bank debit, whose moments are days apart. A card has none.
DEBIT_SUCCEEDED = "checkout.session.async_payment_succeeded"
# What is handled when it is received, and what polling looks for.
HANDLED_TYPES = (
    "checkout.session.completed",
    DEBIT_SUCCEEDED,
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.processing",
    DECLINED,
    *FETCH_FIRST,
)
# A webhook endpoint need not send these: almost always another event says the same, and otherwise polling is soon enough.
FOUND_BY_POLLING = {"invoice_payment.paid"}
NEEDED_TYPES = tuple(event_type for event_type in HANDLED_TYPES if event_type not in FOUND_BY_POLLING)
# What changes no donation: other events say the same, and more.
NOTED_TYPES = {DECLINED: "noted: the checkout stays open, or an event of the checkout says how it ended"}
# How the id of an event begins that Stripe made. Those that we store ourselves have another.
STRIPE_EVENT = "evt_"
MAX_ID_LENGTH = 255
MAX_TIMESTAMP = 2**33
MAX_CENTS = 10**12


class ObjectKind(StrEnum):
    """What to fetch: one refund, all refunds of a payment, one dispute, payout, invoice or subscription, a payment's checkout, charge or first
    invoice.
    """

    REFUND = "refund"
    REFUNDS_OF = "refunds of"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    INVOICE = "invoice"
    SUBSCRIPTION = "subscription"
    CHECKOUT_OF = "checkout of"
    CHARGE_OF = "charge of"
    FIRST_INVOICE_OF = "first invoice of"


@dataclass(frozen=True)
class FetchRequest:
    """An object to fetch from Stripe, by its id there."""

    kind: ObjectKind
    stripe_id: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """A stored event. `row` is its number in the inbox, `id` its name at Stripe, `at` Stripe’s time, `object` what it is about."""

    row: int
    id: str
    type: str
    at: datetime
    object: dict[str, Any]
    account: str | None = None

    @classmethod
    def of(cls, row: int, event_id: str, event_type: str, body: bytes, received_at: datetime) -> "Event":
        """Read a stored body. Without a time from Stripe, `received_at` is used."""
        event = json.loads(body)
        created = _integer(event.get("created"), below=MAX_TIMESTAMP)
        at = received_at if created is None else datetime.fromtimestamp(created, UTC)
        return cls(row=row, id=event_id, type=event_type, at=at, object=event["data"]["object"], account=clean_id(event.get("account")))

    @property
    def donation_id(self) -> str | None:
        """The public id of the donation that the object names, if it names one; one of ours rather than something else."""
        named = [name for name in (self._named_in_metadata, self._reference) if name]
        return next(filter(is_ours, named), named[0] if named else None)

    @property
    def _named_in_metadata(self) -> str | None:
        metadata = self.object.get("metadata")
        return clean_id(metadata.get("donation")) if isinstance(metadata, dict) else None

    @property
    def _reference(self) -> str | None:
        return clean_id(self.object.get("client_reference_id"))

    @property
    def names_us(self) -> bool:
        """Whether the object names a donation in the way that only ours do. The account may serve others too."""
        return is_ours(self.donation_id)

    @property
    def payment_intent(self) -> str | None:
        """The payment that the object is, or names."""
        return clean_id(self.object.get("id" if self.object.get("object") == "payment_intent" else "payment_intent"))

    @property
    def fetch_request(self) -> FetchRequest | None:
        """What to fetch because of the event; None when it says enough by itself, or names no object."""
        if self.type not in FETCH_FIRST or self.account:
            return None
        kind, stripe_id = str(self.object.get("object")), clean_id(self.object.get("id"))
        if kind == "charge":
            kind, stripe_id = ObjectKind.REFUNDS_OF, self.payment_intent
        if kind == "payment_intent" and self.names_us:
            kind = ObjectKind.CHECKOUT_OF
        if kind == "invoice_payment":
            kind, stripe_id = ObjectKind.INVOICE, _id_of(self.object.get("invoice"))
        return FetchRequest(ObjectKind(kind), stripe_id) if stripe_id and kind in set(ObjectKind) else None

    @property
    def is_unpaid_completion(self) -> bool:
        """Whether it says that a checkout was completed without being paid: with a bank debit."""
        data = self.object
        return self.type == "checkout.session.completed" and data.get("payment_status") == "unpaid" and data.get("mode") != "subscription"

    @cached_property
    def succeeded_payment(self) -> SucceededPayment | None:
        """The payment that the event says has succeeded. What the event does not say of it counts as an anomaly."""
        data = self.object
        if data.get("mode") == "subscription":
            return None  # The invoice says what was paid.
        match self.type:
            case "checkout.session.completed" if data.get("payment_status") == "paid":
                amount, payment_intent = data.get("amount_total"), data.get("payment_intent")
            case "checkout.session.async_payment_succeeded":
                amount, payment_intent = data.get("amount_total"), data.get("payment_intent")
            case "payment_intent.succeeded":
                amount, payment_intent = data.get("amount_received"), data.get("id")
            case _:
                return None
        cents = _integer(amount, below=MAX_CENTS)
        return SucceededPayment(
            payment_intent=clean_id(payment_intent),
            amount_cents=-1 if cents is None else cents,
            currency=clean_id(data.get("currency")) or "",
            livemode=data.get("livemode") is True,
            moments=self._moments,
            is_debit=self._is_debit,
            succeeded_at=self.at if self.type == "payment_intent.succeeded" and self.id.startswith(STRIPE_EVENT) else None,
            anomaly=self._anomaly,
        )

    @property
    def _is_debit(self) -> bool | None:
        charged_at, is_debit = charge_in(self.object)
        return is_debit if charged_at else True if self.type == DEBIT_SUCCEEDED else None

    @property
    def begins_debit(self) -> bool:
        """Whether it says that a bank debit is under way. The checkout of a monthly gift never says so: its invoice is paid, by card."""
        if self.type == "payment_intent.processing":  # A card is, too, while its bank takes its time.
            methods, processing = self.object.get("payment_method_types"), self.object.get("processing")
            return methods != [CARD] and not (isinstance(processing, dict) and processing.get("type") == CARD)
        return self.is_unpaid_completion

    @cached_property
    def decline(self) -> Decline | None:
        """The declined card that the event reports; None for anything else, a bank debit and a payment of another account included."""
        charge, method, code = failed_charge_in(self.object)
        charge_id, payment_intent = clean_id(charge), clean_id(self.object.get("id"))
        if self.type != DECLINED or self.account or method != CARD or charge_id is None or payment_intent is None:
            return None
        return Decline(charge=charge_id, payment_intent=payment_intent, code=clean_id(code) or "", declined_at=self.at)

    @property
    def _moments(self) -> PaymentMoments:
        """Those of the charge if the object contains it. Otherwise the charge was made after the object, and before the event."""
        charged_at, is_debit = charge_in(self.object)
        if charged_at and not is_debit:
            return moments_of_charge(charged_at)
        created = _integer(self.object.get("created"), below=MAX_TIMESTAMP)
        not_before = datetime.fromtimestamp(created, UTC) if created is not None else None
        return PaymentMoments(authorized_at=self.at, received_at=self.at, not_before=not_before)

    @property
    def _anomaly(self) -> Anomaly | None:
        """Events of our own account name no account, and objects that we created name the same donation everywhere."""
        if self.account:
            return Anomaly.ACCOUNT
        named = {self._named_in_metadata, self._reference} - {None}
        return Anomaly.METADATA if len(named) > 1 else None


def is_ours(donation_id: object) -> bool:
    """Whether this is the public id of a donation of ours, stored or not."""
    return isinstance(donation_id, str) and is_public_id(donation_id)


def clean_id(value: object) -> str | None:
    """An id that the database can store; None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH or "\x00" in value:
        return None
    return None if any("\ud800" <= c <= "\udfff" for c in value) else value


def _id_of(value: object) -> str | None:
    """The id of an object that is expanded or not."""
    return clean_id(value.get("id") if isinstance(value, dict) else value)


def _integer(value: object, *, below: int) -> int | None:
    """A whole number from 0 up to the bound; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below else None
