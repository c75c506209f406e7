"""Recurring donations: one Stripe subscription each, and one donation for each paid instalment.

Stripe holds the agreement; the row here is its latest snapshot. The first donation starts the subscription, whose metadata names it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaign.donations.donations import Donation, DonationDetails
from campaign.donations.donors import donor_with
from campaign.edges.db import Base, db
from campaign.edges.mailed_tokens import token_hash
from campaign.edges.page_tokens import Page, derive_page_token, is_page_token, public_id_in
from campaign.edges.services import services
from campaign.edges.stripe.subscriptions import StripeSubscription
from campaign.payments import disputes
from campaign.payments.alerts import Alert, AlertKind, raise_alert
from campaign.rules.receipt_names import ReceiptNames

# Nothing follows these. An `unpaid` subscription may be paid and become active again.
ENDED_STATUSES = {"canceled", "incomplete_expired"}
MONTHLY = "monthly"
# The reason of an end that a dispute brought about.
DISPUTED = "disputed"


class RecurringGift(Base):
    """A monthly donation. `donation_id` is the first instalment; `status` is that of the subscription.

    The name, address and email address are those of later months, each of which has its own copy of them. Links to the donor's page are as in
    Donation.

    `snapshot_number` is the number of the snapshot that the row was last updated from. `cancels_at` is when the subscription will end, as
    scheduled at Stripe; `cancel_requested_at` is since when we want to end it, because of `cancel_request_reason`.
    """

    __tablename__ = "recurring_gift"

    id: Mapped[int] = mapped_column(primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), unique=True)
    subscription: Mapped[str | None] = mapped_column(unique=True)
    customer: Mapped[str | None]
    amount_cents: Mapped[int]
    covered_fee_cents: Mapped[int]
    email: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    organization: Mapped[str]
    in_own_name: Mapped[bool] = mapped_column(server_default="false", default=False)
    address_line1: Mapped[str]
    address_line2: Mapped[str]
    city: Mapped[str]
    province: Mapped[str]
    postal_code: Mapped[str]
    country: Mapped[str]
    status: Mapped[str]
    next_payment_at: Mapped[datetime | None]
    snapshot_number: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    cancellation_reason: Mapped[str | None]
    cancels_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancel_request_reason: Mapped[str | None]
    link_version: Mapped[int] = mapped_column(server_default="1", default=1)
    former_token_hash: Mapped[bytes | None]
    donation: Mapped[Donation] = relationship(foreign_keys=[donation_id], lazy="select")

    @property
    def token(self) -> str:
        """What opens the donor's page."""
        return derive_page_token(services().keys, Page.RECURRING_GIFT, self.donation.public_id, self.link_version)

    @property
    def names(self) -> ReceiptNames:
        """The names of later months, of which a receipt bears one."""
        return ReceiptNames(
            first_name=self.first_name, last_name=self.last_name, organization=self.organization, in_own_name=self.in_own_name
        )

    @property
    def is_over(self) -> bool:
        """Whether the subscription has ended, so that no instalment will follow."""
        return self.ended_at is not None


Index("ix_recurring_gift_lower_email", func.lower(RecurringGift.email))
Index(
    "ix_recurring_gift_to_cancel",
    RecurringGift.id,
    postgresql_where=RecurringGift.cancel_requested_at.is_not(None) & RecurringGift.ended_at.is_(None),
)
Index(
    "ix_recurring_gift_former_token_hash",
    RecurringGift.former_token_hash,
    unique=True,
    postgresql_where=RecurringGift.former_token_hash.is_not(None),
)
Index("ix_donation_recurring_gift_id", Donation.recurring_gift_id, postgresql_where=Donation.recurring_gift_id.is_not(None))


@dataclass(frozen=True, kw_only=True)
class SubscriptionSnapshot:
    """A subscription as it was fetched from Stripe."""

    subscription: StripeSubscription
    snapshot_number: int


def recurring_gift_by_token(token: str) -> RecurringGift | None:
    """The recurring donation whose page this token opens."""
    begun_by = select(RecurringGift).join(Donation, Donation.id == RecurringGift.donation_id)
    gift = db.session.scalar(begun_by.where(Donation.public_id == public_id)) if (public_id := public_id_in(token)) else None
    if gift is not None and is_page_token(token, services().keys, Page.RECURRING_GIFT, version=gift.link_version):
        return gift
    return db.session.scalar(select(RecurringGift).where(RecurringGift.former_token_hash == token_hash(token)))


def recurring_gift_of(donation: Donation) -> RecurringGift | None:
    """The recurring donation of which the donation is an instalment."""
    return db.session.get(RecurringGift, donation.recurring_gift_id) if donation.recurring_gift_id else None


def recurring_gifts_of(email: str) -> list[RecurringGift]:
    """Up to 10 recurring donations of a donor that have not ended, newest first."""
    of_donor = select(RecurringGift).join(Donation, Donation.id == RecurringGift.donation_id).where(Donation.donor_id == donor_with(email))
    active = of_donor.where(RecurringGift.ended_at.is_(None))
    return list(db.session.scalars(active.order_by(RecurringGift.id.desc()).limit(10)))


def has_identical(campaign_id: int, details: DonationDetails) -> bool:
    """Whether these details ask for a monthly donation that the same person makes already.

    An e-mail address that somebody typed is not enough to be told so: name, postal code and amount must be the same too.
    """
    if details.frequency != MONTHLY:
        return False
    gift, first = RecurringGift, Donation
    same = (
        select(gift.id)
        .join(first, first.id == gift.donation_id)
        .where(
            *(gift.ended_at.is_(None), first.campaign_id == campaign_id, gift.amount_cents == details.amount_cents),
            *(first.donor_id == donor_with(details.email), gift.postal_code == details.postal_code),
            *(func.lower(gift.first_name) == details.first_name.lower(), func.lower(gift.last_name) == details.last_name.lower()),
        )
    )
    return db.session.scalar(same.limit(1)) is not None


def instalments_of(gift: RecurringGift) -> list[Donation]:
    """The donations of the recurring donation, newest first."""
    return list(
        db.session.scalars(
            select(Donation)
            .where(Donation.recurring_gift_id == gift.id)
            .order_by(func.coalesce(Donation.received_at, Donation.started_at).desc(), Donation.id.desc())
        )
    )


def record_subscription(snapshot: SubscriptionSnapshot) -> tuple[str, Donation | None]:
    """Store the snapshot unless a later one is stored; returns the outcome, and the first donation if the subscription has now ended."""
    recurring_gift = _lock_by_subscription(snapshot.subscription)
    if recurring_gift is None:
        return "ignored: not one of our recurring donations", None
    if recurring_gift.snapshot_number >= snapshot.snapshot_number:
        return "known", None
    subscription, was_over = snapshot.subscription, recurring_gift.is_over
    recurring_gift.status, recurring_gift.next_payment_at, recurring_gift.snapshot_number = (
        subscription.status,
        None if subscription.status in ENDED_STATUSES else subscription.next_payment_at,
        snapshot.snapshot_number,
    )
    recurring_gift.customer = subscription.customer or recurring_gift.customer
    recurring_gift.cancels_at = subscription.cancels_at
    if subscription.gift_cents is not None and subscription.covered_fee_cents is not None:
        recurring_gift.amount_cents, recurring_gift.covered_fee_cents = subscription.gift_cents, subscription.covered_fee_cents
    if subscription.status in ENDED_STATUSES and not was_over:
        recurring_gift.ended_at, recurring_gift.cancellation_reason = (
            subscription.ended_at or datetime.now(UTC),
            recurring_gift.cancel_request_reason or subscription.cancellation_reason or subscription.status,
        )
        db.session.flush()
        return f"recurring donation: {subscription.status}", db.session.get_one(Donation, recurring_gift.donation_id)
    db.session.flush()
    return f"recurring donation: {subscription.status}", None


def end_disputed(donation: Donation) -> None:
    """Request that the recurring donation ends of an instalment that the donor's bank did not want to be charged."""
    if donation.recurring_gift_id and (dispute := disputes.dispute_against_agreement(donation.payment_intent)):
        request_cancellation(donation, dispute=dispute)


def request_cancellation(donation: Donation, *, dispute: str) -> None:
    """A dispute of an instalment ends its recurring donation: cancel_jobs.py cancels it at Stripe; staff get an alert."""
    gift = db.session.get(RecurringGift, donation.recurring_gift_id, with_for_update=True) if donation.recurring_gift_id else None
    if gift is None or gift.is_over or gift.cancel_requested_at is not None:
        return
    gift.cancel_requested_at, gift.cancel_request_reason = func.now(), DISPUTED
    raise_alert(Alert(kind=AlertKind.DISPUTED_AGREEMENT, object_id=dispute, donation_id=donation.id, detail={}))


def list_to_cancel() -> list[RecurringGift]:
    """Recurring donations that are to be cancelled at Stripe."""
    wanted = select(RecurringGift).where(RecurringGift.cancel_requested_at.is_not(None), RecurringGift.ended_at.is_(None))
    return list(db.session.scalars(wanted.order_by(RecurringGift.id)))


def _lock_by_subscription(subscription: StripeSubscription) -> RecurringGift | None:
    """The recurring donation of the subscription, locked; None for one that is not ours or has no paid instalment yet."""
    return db.session.scalar(select(RecurringGift).where(RecurringGift.subscription == subscription.stripe_id).with_for_update())
