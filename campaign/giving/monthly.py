"""A monthly gift: what a donor gives month after month, until they or their card stop. Each month that is paid is a donation of its own.

What is agreed stands at Stripe, and here as the latest look has seen it. The first donation begins it; its name is the subscription's.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.stripe_monthly import InvoiceNow, SubscriptionNow
from campaign.giving import checkouts
from campaign.giving.checkouts import Beginning
from campaign.giving.consequences import Consequence
from campaign.giving.donations import Donation, Gift, donation_by_public_id
from campaign.giving.donors import Donor
from campaign.giving.outbox import Owed
from campaign.giving.quarantine import PaymentMade

OVER = {"canceled", "unpaid", "incomplete_expired"}
MONTHLY = "monthly"


class MonthlyGift(Base):
    """What is given each month. `donation_id` is the first month; `status` is Stripe's; `token` opens the donor's page about it."""

    __tablename__ = "monthly_gift"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(unique=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), unique=True)
    subscription: Mapped[str | None] = mapped_column(unique=True)
    customer: Mapped[str | None]
    amount_cents: Mapped[int]
    covered_fee_cents: Mapped[int]
    status: Mapped[str]
    next_at: Mapped[datetime | None]
    look: Mapped[int]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None]

    @property
    def is_over(self) -> bool:
        """Whether no further month will be given."""
        return self.ended_at is not None


Index("ix_donation_monthly_gift_id", Donation.monthly_gift_id, postgresql_where=Donation.monthly_gift_id.is_not(None))


@dataclass(frozen=True, kw_only=True)
class InvoiceTold:
    """An invoice as one look at Stripe has seen it."""

    now: InvoiceNow
    look: int

    @property
    def payment(self) -> PaymentMade | None:
        """What paid it, when it is paid."""
        if self.now.status != "paid" or self.now.payment_intent is None:
            return None
        return PaymentMade(
            payment_intent=self.now.payment_intent,
            amount_cents=self.now.cents,
            currency=self.now.currency,
            livemode=self.now.livemode,
            paid_at=self.now.paid_at or datetime.now(UTC),
        )


@dataclass(frozen=True, kw_only=True)
class SubscriptionTold:
    """A subscription as one look at Stripe has seen it."""

    now: SubscriptionNow
    look: int


def monthly_gift_by_token(token: str) -> MonthlyGift | None:
    """The monthly gift whose page this is."""
    return db.session.scalar(select(MonthlyGift).where(MonthlyGift.token == token))


def monthly_gift_of(donation: Donation) -> MonthlyGift | None:
    """The monthly gift that the donation is a month of."""
    return db.session.get(MonthlyGift, donation.monthly_gift_id) if donation.monthly_gift_id else None


def is_paid(invoice: str) -> bool:
    """Whether the month of this invoice is in the books by now."""
    return db.session.scalar(select(Donation.paid_at).where(Donation.attempt == _attempt(invoice))) is not None


def _attempt(invoice: str) -> str:
    return f"invoice:{invoice}"


def monthly_gifts_of(email: str) -> list[MonthlyGift]:
    """Those of a donor that go on, the newest first."""
    of_donor = select(MonthlyGift).join(Donation, Donation.id == MonthlyGift.donation_id).join(Donor, Donor.id == Donation.donor_id)
    going_on = of_donor.where(Donor.email == email.strip().casefold(), MonthlyGift.ended_at.is_(None))
    return list(db.session.scalars(going_on.order_by(MonthlyGift.id.desc()).limit(10)))


def months_of(gift: MonthlyGift) -> list[Donation]:
    """The donations that were given by it, the newest first."""
    return list(
        db.session.scalars(
            select(Donation)
            .where(Donation.monthly_gift_id == gift.id)
            .order_by(func.coalesce(Donation.paid_at, Donation.begun_at).desc(), Donation.id.desc())
        )
    )


def donation_for(invoice: InvoiceNow) -> str | None:
    """The name of the donation that an invoice pays: the first one, or that of its month, begun now if it is new; None for nobody's.

    Before any lock: whoever else hears of the same invoice at the same time finds the same donation.
    """
    first = donation_by_public_id(invoice.donation) if invoice.donation and invoice.status == "paid" and invoice.payment_intent else None
    if first is None or first.frequency != MONTHLY:
        return None
    gift = _gift_of(first, invoice)
    return first.public_id if invoice.is_first else _month(gift, first, invoice).public_id


def _gift_of(first: Donation, invoice: InvoiceNow) -> MonthlyGift:
    db.session.execute(
        insert(MonthlyGift)
        .values(
            token=secrets.token_urlsafe(24),
            donation_id=first.id,
            subscription=invoice.subscription,
            customer=invoice.customer,
            amount_cents=first.amount_cents,
            covered_fee_cents=first.covered_fee_cents,
            status="active",
            look=0,
        )
        .on_conflict_do_nothing()
    )
    return db.session.scalars(select(MonthlyGift).where(MonthlyGift.donation_id == first.id)).one()


def _month(gift: MonthlyGift, first: Donation, invoice: InvoiceNow) -> Donation:
    """By the same donor in the same words, of what was paid; the covered fee as agreed, or in proportion where the sum is another."""
    agreed = gift.amount_cents + gift.covered_fee_cents
    fee = gift.covered_fee_cents if invoice.cents == agreed else invoice.cents * gift.covered_fee_cents // agreed
    kept = {
        field.name: getattr(first, field.name)
        for field in fields(Gift)
        if field.name not in {"amount_cents", "covered_fee_cents", "news_consent"}
    }
    words = Gift(**kept, amount_cents=invoice.cents - fee, covered_fee_cents=fee, news_consent=first.news_consent_at is not None)
    how = Beginning(attempt=_attempt(invoice.stripe_id), expected_match_cents=0, livemode=first.livemode, now=datetime.now(UTC))
    month = checkouts.put_in_books(first.campaign, words, how)
    month.monthly_gift_id = gift.id
    db.session.flush()
    return month


def belongs(donation: Donation, invoice: InvoiceNow) -> None:
    """The donation is a month of the gift whose invoice this is."""
    if donation.monthly_gift_id is None:
        donation.monthly_gift_id = db.session.scalars(
            select(MonthlyGift.id).where(MonthlyGift.subscription == invoice.subscription)
        ).first()


def not_paid(told: InvoiceTold) -> Consequence:
    """The month was tried and not paid, as far as Stripe knows now: the donor is told, once for each month."""
    gift = (
        db.session.scalar(select(MonthlyGift).where(MonthlyGift.subscription == told.now.subscription)) if told.now.subscription else None
    )
    if gift is None or told.now.is_first or told.now.status != "open":
        return Consequence(outcome=f"invoice: {told.now.status}")
    first = db.session.get_one(Donation, gift.donation_id)
    return Consequence(outcome="a month was not paid", owed=[Owed("monthly_failed", first, told.now.stripe_id)])


def record(told: SubscriptionTold) -> tuple[str, Donation | None]:
    """Remember how it stands, unless a later look has; what became of it, and the first donation when it has ended by this."""
    gift = _known(told.now)
    if gift is None:
        return "ignored: not one of our monthly gifts", None
    if gift.look >= told.look:
        return "known", None
    now, was_over = told.now, gift.is_over
    gift.status, gift.next_at, gift.look = now.status, None if now.status in OVER else now.next_at, told.look
    gift.customer = now.customer or gift.customer
    _agreed(gift, now.cents)
    if now.status in OVER and not was_over:
        gift.ended_at, gift.ended_because = now.ended_at or datetime.now(UTC), now.ended_because or now.status
        db.session.flush()
        return f"monthly gift: {now.status}", db.session.get_one(Donation, gift.donation_id)
    db.session.flush()
    return f"monthly gift: {now.status}", None


def _agreed(gift: MonthlyGift, cents: Sequence[int]) -> None:
    if cents and cents[0] > 0:
        gift.amount_cents, gift.covered_fee_cents = cents[0], sum(cents[1:])


def _known(now: SubscriptionNow) -> MonthlyGift | None:
    """By its name at Stripe; one that was never paid has none here."""
    return db.session.scalar(select(MonthlyGift).where(MonthlyGift.subscription == now.stripe_id).with_for_update())
