"""Offline gifts: donations that were paid by cheque, in cash or by transfer, and never lay at Stripe. Staff record them.

They are matched by the same rule as every other donation, through the same session. Their money arrives at the bank, so that nothing that
compares the books with Stripe counts it.
"""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, ForeignKey, Index, exists, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation, DonationDetails, new_public_id
from campaign.edges.db import Base, db
from campaign.ledger.entries import Entry
from campaign.ledger.moves import Move
from campaign.matching.effects import Effects
from campaign.matching.holds import FreedBy
from campaign.matching.rematching import RematchingSession
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.payments import settlement
from campaign.rules.local_time import end_of_day
from campaign.rules.offline_gifts import OfflineMethod, OfflineReversalKind, SameGifts

# What causes the ledger entries of an offline gift.
RECORDED = "offline/recorded"
# Until then what was typed wrongly can be undone without a trace in the receipts' numbers.
RECEIPT_DELAY_SECONDS = 30 * 60


class OfflineGift(Base):
    """What a donation has beside it that was paid without Stripe. `reference` is the number of the cheque, or that of the transfer."""

    __tablename__ = "offline_gift"
    __table_args__ = (Index("ix_offline_gift_reference", "reference", postgresql_where=text("reference <> ''")),)

    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True, autoincrement=False)
    method: Mapped[str]
    reference: Mapped[str]
    deposit_id: Mapped[int | None] = mapped_column(ForeignKey("deposit.id"), index=True)
    recorded_by: Mapped[str]

    @classmethod
    def cents_in_query(cls) -> ColumnElement[int]:
        """What was paid, in cents, for queries."""
        return select(Donation.amount_cents).where(Donation.id == cls.donation_id).correlate(cls).scalar_subquery()


class OfflineReversal(Base):
    """Why an offline gift counts less or not at all, from the day `reversed_on`: the money was refunded, or never was a gift."""

    __tablename__ = "offline_reversal"
    __table_args__ = (
        Index("fell_through_once", "donation_id", unique=True, postgresql_where=text("kind <> 'refunded'")),
        Index("ix_offline_reversal_donation_id", "donation_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("offline_gift.donation_id"))
    kind: Mapped[str]
    cents: Mapped[int]
    reversed_on: Mapped[date]
    reference: Mapped[str]
    reason: Mapped[str]
    recorded_by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class OfflinePayment:
    """How a gift was paid without Stripe, and when. `moment` is within the day on which it was received."""

    method: OfflineMethod
    reference: str
    moment: datetime
    is_matchable: bool
    livemode: bool


@dataclass(frozen=True, kw_only=True)
class ReversalDetails:
    """What staff write down of a reversal. `cents` is of the gift; the day is in the charity's time zone."""

    kind: OfflineReversalKind
    cents: int
    reversed_on: date
    reference: str
    reason: str


class GiftState(StrEnum):
    """What staff may do with an offline gift.

    One that is UNDOABLE has no receipt yet and was not taken to the bank. One that COUNTS is reversed with a reason. Nothing is left of one that
    is REVERSED.
    """

    UNDOABLE = "undoable"
    COUNTS = "counts"
    REVERSED = "reversed"


def insert_donation(
    campaign: Campaign, details: DonationDetails, payment: OfflinePayment, *, donor_id: int, attempt: str, actor: str
) -> Donation:
    """Insert the donation of this attempt with what is known of its payment."""
    donation = Donation(
        **{field.name: getattr(details, field.name) for field in fields(DonationDetails) if field.name != "news_consent"},
        public_id=new_public_id(),
        attempt=attempt,
        campaign_id=campaign.id,
        donor_id=donor_id,
        livemode=payment.livemode,
        currency=campaign.currency,
        is_matchable=payment.is_matchable,
        authorized_at=payment.moment,
        received_at=payment.moment,
    )
    db.session.add(donation)
    db.session.flush()
    db.session.add(OfflineGift(donation_id=donation.id, method=payment.method.value, reference=payment.reference, recorded_by=actor))
    db.session.flush()
    return donation


def record_payment(donation: Donation, session: RematchingSession) -> Effects:
    """The effects of an offline gift that was inserted in this transaction: posted to the bank, and matched as if Stripe had reported it now."""
    session.load_new([donation])
    return settlement.post_payment(donation, session, RECORDED, account=settlement.AT_BANK)


def record_reversal(donation: Donation, details: ReversalDetails, session: RematchingSession, *, actor: str) -> Effects:
    """The effects of a reversal: the match falls with the gift, and what that frees is rematched."""
    reversal = OfflineReversal(donation_id=donation.id, **vars(details), recorded_by=actor)
    db.session.add(reversal)
    db.session.flush()
    is_refund = details.kind is OfflineReversalKind.REFUNDED
    cause = f"offline/{details.kind}:{reversal.id}"
    entry = Entry(
        kind=_move_of(reversal),
        source=settlement.AT_BANK,
        target="donations",
        cents=details.cents,
        campaign_id=donation.campaign_id,
        donation_id=donation.id,
        reference=reference_of(reversal),
        cause=cause,
    )
    session.set_net(donation, session.net_of(donation) - details.cents)
    session.mark_changed(donation)
    entries = [entry, *session.reduce(donation, cause=cause)]
    freed = FreedBy.REFUND if is_refund else FreedBy.FELL_THROUGH
    about = f"{donation.public_id}:offline:{reversal.id}"
    message = NewMessage(MessageKind.REVERSAL, donation, about, offline_reversal_id=reversal.id, is_reinstatement=False)
    return Effects(outcome=details.kind, entries=entries, messages=[message]).with_rematched(
        session.rematch_freed(donation.campaign_id, freed, of_donor=donation.donor_id)
    )


def _move_of(reversal: OfflineReversal) -> Move:
    """What was given back is a refund. Anything else never was a gift, which the ledger says by a kind of its own."""
    return Move.REFUND if reversal.kind == OfflineReversalKind.REFUNDED else Move.OFFLINE_REVERSAL


def reference_of(reversal: OfflineReversal) -> str:
    """The reference of the reversal's ledger entry."""
    return f"{_move_of(reversal)}:offline:{reversal.id}"


def methods_of(donation_ids: Collection[int]) -> dict[int, OfflineMethod]:
    """How those of these donations were paid that were paid without Stripe."""
    rows = db.session.execute(select(OfflineGift.donation_id, OfflineGift.method).where(OfflineGift.donation_id.in_(donation_ids)))
    return {donation_id: OfflineMethod(method) for donation_id, method in rows}


def find(donation_id: int) -> OfflineGift | None:
    """What the donation has beside it if it was paid without Stripe, else None."""
    return db.session.get(OfflineGift, donation_id)


def reversals_of(donation_id: int) -> list[OfflineReversal]:
    """The reversals of an offline gift, oldest first."""
    return list(db.session.scalars(select(OfflineReversal).where(OfflineReversal.donation_id == donation_id).order_by(OfflineReversal.id)))


def refunds_of(donation_id: int) -> list[OfflineReversal]:
    """The refunds of an offline gift, in the order in which the money went to the donor."""
    refunded = select(OfflineReversal).where(
        OfflineReversal.donation_id == donation_id, OfflineReversal.kind == OfflineReversalKind.REFUNDED.value
    )
    return list(db.session.scalars(refunded.order_by(OfflineReversal.reversed_on, OfflineReversal.id)))


def has_refund(donation_id: int, details: ReversalDetails) -> bool:
    """Whether the same sum was given back of the donation on the same day under the same reference: the form was sent twice."""
    return any(
        (refund.cents, refund.reversed_on, refund.reference) == (details.cents, details.reversed_on, details.reference)
        for refund in refunds_of(donation_id)
    )


def fell_through(donation_id: int) -> OfflineReversal | None:
    """The reversal that says that an offline gift never was one, if there is one."""
    return next((found for found in reversals_of(donation_id) if found.kind != OfflineReversalKind.REFUNDED), None)


def no_gift_reversals(donation_ids: Collection[int]) -> list[OfflineReversal]:
    """The same of each of these that never was a gift."""
    of = select(OfflineReversal).where(OfflineReversal.donation_id.in_(donation_ids))
    return list(db.session.scalars(of.where(OfflineReversal.kind != OfflineReversalKind.REFUNDED.value)))


@dataclass(frozen=True, kw_only=True)
class RecordedGift:
    """A recorded gift as others are compared with it. The day is in the charity's time zone."""

    method: OfflineMethod
    reference: str
    cents: int
    day: date
    donor_id: int


def list_recorded(campaign: Campaign, *, references: Collection[str], donor_ids: Collection[int]) -> dict[object, list[RecordedGift]]:
    """The gifts of the charity that have one of these references or donors, by both: `same_gifts` for many at once."""
    of_charity = Donation.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == campaign.charity_id))
    is_like_one = OfflineGift.reference.in_(references) | Donation.donor_id.in_(donor_ids)
    recorded = select(Donation, OfflineGift).join(OfflineGift, OfflineGift.donation_id == Donation.id)
    found: dict[object, list[RecordedGift]] = {}
    for donation, gift in db.session.execute(recorded.where(Donation.net_cents > 0, of_charity, is_like_one)):
        assert donation.received_at is not None
        one = RecordedGift(
            method=OfflineMethod(gift.method),
            reference=gift.reference,
            cents=donation.amount_cents,
            day=campaign.charity.local(donation.received_at).date(),
            donor_id=donation.donor_id,
        )
        for key in (one.reference, one.donor_id):
            found.setdefault(key, []).append(one)
    return found


def same_gifts(campaign: Campaign, payment: OfflinePayment, *, cents: int, donor_id: int | None) -> SameGifts:
    """Which gifts are recorded that this one may be, once more. Those that turned out not to be gifts do not count."""
    counts = Donation.net_cents > 0
    of_charity = Donation.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == campaign.charity_id))
    recorded = select(OfflineGift.donation_id).join(Donation, Donation.id == OfflineGift.donation_id).where(counts, of_charity)
    zone = ZoneInfo(campaign.charity.time_zone)
    day = payment.moment.astimezone(zone).date()
    is_of_day = (Donation.received_at >= end_of_day(day - timedelta(days=1), zone)) & (Donation.received_at < end_of_day(day, zone))
    # Cheques of many people have the number 101: the sum or the day is the same too when it is the same cheque.
    is_like_it = (Donation.amount_cents == cents) | is_of_day
    of_reference = recorded.where(OfflineGift.method == payment.method.value, OfflineGift.reference == payment.reference, is_like_it)
    of_donor = recorded.where(Donation.donor_id == donor_id, Donation.amount_cents == cents, is_of_day)
    return SameGifts(
        of_reference=bool(payment.reference) and db.session.scalar(select(exists(of_reference))) is True,
        of_donor=donor_id is not None and db.session.scalar(select(exists(of_donor))) is True,
    )
