"""A donation: what a donor asked to give, begun with the match held for it, and the moments of what became of it.

The same attempt never makes two donations. What the donor was shown as match is what is held, or the donation does not begin.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, Table, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaign.edges.db import Base, db
from campaign.edges.stripe_api import CHECKOUT_MINUTES
from campaign.giving import ledger
from campaign.giving.campaigns import Campaign
from campaign.giving.donors import Donor, donor_id_for
from campaign.giving.funds import lock_funds
from campaign.giving.ledger import Entry, Move
from campaign.rules.matching import Allocation, allocate, full_match, total

# Stripe wants at least 30 minutes ahead at the moment it is asked; a plan older than this is made anew.
PLAN_LASTS = timedelta(seconds=40)


class State(StrEnum):
    """Where a donation stands, derived from its moments and its entries; the words are contract.md's."""

    PENDING = "pending"
    PROCESSING = "processing"
    PAID = "paid"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    FAILED = "failed"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, kw_only=True)
class Gift:
    """What the donor typed, checked and cleaned. Sums in cents; absent texts are empty."""

    language: str
    amount_cents: int
    covered_fee_cents: int
    first_name: str
    last_name: str
    organization: str
    email: str
    address_line1: str
    address_line2: str
    city: str
    province: str
    postal_code: str
    country: str
    public_name: str
    anonymous: bool
    tribute_kind: str | None
    tribute_name: str
    message: str
    news_consent: bool


class LessMatch(Exception):
    """Less can be held than the donor was shown; `held_cents` is what could be."""

    def __init__(self, *, held_cents: int, full_cents: int) -> None:
        super().__init__(f"{held_cents} of {full_cents}")
        self.held_cents = held_cents
        self.full_cents = full_cents


class Donation(Base):
    """One gift. `public_id` is its name at Stripe and in the books; `token` opens the donor's own page; `attempt` came with the form."""

    __tablename__ = "donation"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str] = mapped_column(unique=True)
    attempt: Mapped[str] = mapped_column(unique=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"), index=True)
    language: Mapped[str]
    livemode: Mapped[bool]
    currency: Mapped[str]
    amount_cents: Mapped[int]
    covered_fee_cents: Mapped[int]
    first_name: Mapped[str]
    last_name: Mapped[str]
    organization: Mapped[str]
    email: Mapped[str]
    address_line1: Mapped[str]
    address_line2: Mapped[str]
    city: Mapped[str]
    province: Mapped[str]
    postal_code: Mapped[str]
    country: Mapped[str]
    public_name: Mapped[str]
    anonymous: Mapped[bool]
    tribute_kind: Mapped[str | None]
    tribute_name: Mapped[str]
    message: Mapped[str]
    news_consent_at: Mapped[datetime | None]
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    checkout_tries: Mapped[int] = mapped_column(server_default="0")
    checkout_expires_at: Mapped[datetime | None]
    checkout_id: Mapped[str | None] = mapped_column(unique=True)
    checkout_url: Mapped[str | None]
    payment_intent: Mapped[str | None] = mapped_column(unique=True)
    asked_stripe_at: Mapped[datetime | None]
    processing_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[str | None]
    quarantined_at: Mapped[datetime | None]
    quarantine_reason: Mapped[str | None]
    campaign: Mapped[Campaign] = relationship(lazy="select")
    donor: Mapped[Donor] = relationship(lazy="raise")

    @property
    def charged_cents(self) -> int:
        """What is to be paid at Stripe: the gift and the fee that the donor covers."""
        return self.amount_cents + self.covered_fee_cents

    @property
    def full_name(self) -> str:
        """The donor as a receipt names them: the organization when it gives, else the person."""
        return self.organization or f"{self.first_name} {self.last_name}".strip()

    @property
    def is_open(self) -> bool:
        """Whether it may still be paid, as far as we know."""
        return self.paid_at is None and self.ended_at is None and self.quarantined_at is None


Index("ix_donation_campaign_id_paid_at", Donation.campaign_id, Donation.paid_at)
Index(
    "ix_donation_open",
    Donation.checkout_expires_at,
    postgresql_where=Donation.paid_at.is_(None) & Donation.ended_at.is_(None) & Donation.quarantined_at.is_(None),
)

# Who has given to a campaign: written by the ledger's trigger, so that donors are counted once.
campaign_donor = Table(
    "campaign_donor",
    Base.metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("donor_id", ForeignKey("donor.id"), primary_key=True),
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A donation as of now, in sums: `net_cents` is the gift without what was returned."""

    state: State
    net_cents: int
    held_cents: int
    matched_cents: int


def begin(campaign: Campaign, gift: Gift, *, attempt: str, expected_match_cents: int | None, livemode: bool, now: datetime) -> Donation:
    """The donation of this attempt, with its match held; made if the attempt is new.

    `expected_match_cents` is what the donor was shown, None when nothing was. Raises LessMatch when less can be held than that, or than the
    full match when nothing was shown; the caller must then roll back.
    """
    asked = asdict(gift)
    consented = asked.pop("news_consent")
    made = db.session.scalar(
        insert(Donation)
        .values(
            **asked,
            public_id=f"d_{secrets.token_hex(10)}",
            token=secrets.token_urlsafe(24),
            attempt=attempt,
            campaign_id=campaign.id,
            donor_id=donor_id_for(gift.email),
            livemode=livemode,
            currency=campaign.currency,
            news_consent_at=now if consented else None,
            checkout_tries=1,
            checkout_expires_at=now + timedelta(minutes=CHECKOUT_MINUTES),
        )
        .on_conflict_do_nothing(index_elements=[Donation.attempt])
        .returning(Donation.id)
    )
    donation = db.session.scalars(select(Donation).where(Donation.attempt == attempt)).one()
    if made is not None:
        _hold(donation, expected_match_cents)
    return donation


def _hold(donation: Donation, expected_match_cents: int | None) -> None:
    funds = lock_funds([donation.campaign_id])
    allocations = allocate(donation.amount_cents, [fund.offer() for fund in funds])
    full = full_match(donation.amount_cents, [fund.ratio for fund in funds])
    promised = full if expected_match_cents is None else expected_match_cents
    if total(allocations) < promised:
        raise LessMatch(held_cents=total(allocations), full_cents=full)
    ledger.post(*(match_entry(donation, Move.HOLD, "available", "held", part, cause="begun") for part in allocations))


def match_entry(donation: Donation, kind: Move, source: str, target: str, part: Allocation, *, cause: str) -> Entry:
    """A move of a part of a fund for this donation, under its natural name."""
    return Entry(
        kind=kind,
        source=source,
        target=target,
        cents=part.cents,
        campaign_id=donation.campaign_id,
        fund_id=part.fund_id,
        donation_id=donation.id,
        reference=f"{kind}:{donation.public_id}:{part.fund_id}:{source}",
        cause=cause,
    )


def lock_donations(donation_ids: list[int]) -> list[Donation]:
    """These donations as of now, locked in one fixed order, after the funds."""
    query = select(Donation).where(Donation.id.in_(donation_ids)).order_by(Donation.id).with_for_update()
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def plan_checkout(donation: Donation, *, now: datetime) -> None:
    """Make sure that the time to ask Stripe for is still far enough ahead; a new plan has a new key at Stripe."""
    expires_at = donation.checkout_expires_at
    least = now + timedelta(minutes=CHECKOUT_MINUTES) - PLAN_LASTS
    if donation.checkout_id is None and (expires_at is None or expires_at < least):
        db.session.refresh(donation, with_for_update=True)
        if donation.checkout_expires_at == expires_at:
            donation.checkout_tries += 1
            donation.checkout_expires_at = now + timedelta(minutes=CHECKOUT_MINUTES)


def checkout_opened(donation: Donation, *, checkout_id: str, url: str | None) -> None:
    """Stripe has opened a checkout for the donation."""
    donation.checkout_id = checkout_id
    donation.checkout_url = url
    db.session.flush()


def standing(donation: Donation) -> Standing:
    """Where the donation stands."""
    match = ledger.match_of(donation.id)
    returned = ledger_sum_returned(donation.id)
    return Standing(
        state=_state(donation, returned_cents=returned),
        net_cents=donation.amount_cents - returned,
        held_cents=match.held_cents,
        matched_cents=match.matched_cents,
    )


def ledger_sum_returned(donation_id: int) -> int:
    """What of the gift was refunded or lost, in cents."""
    e = ledger.LedgerEntry
    gone = func.coalesce(func.sum(e.cents).filter(e.to_account == "donations"), 0)
    back = func.coalesce(func.sum(e.cents).filter(e.kind == Move.REINSTATEMENT), 0)
    return int(db.session.scalar(select(gone - back).where(e.donation_id == donation_id)) or 0)


def _state(donation: Donation, *, returned_cents: int) -> State:
    if donation.quarantined_at:
        return State.QUARANTINED
    if donation.paid_at:
        if returned_cents == 0:
            return State.PAID
        return State.REFUNDED if returned_cents >= donation.amount_cents else State.PARTIALLY_REFUNDED
    if donation.ended_at:
        return State.EXPIRED if donation.ended_as == "expired" else State.FAILED
    return State.PROCESSING if donation.processing_at else State.PENDING


def donation_by_token(token: str) -> Donation | None:
    """The donation whose own page this is."""
    return db.session.scalar(select(Donation).where(Donation.token == token))


def donations_by_public_id(public_ids: list[str]) -> dict[str, Donation]:
    """Donations by their name at Stripe."""
    return {d.public_id: d for d in db.session.scalars(select(Donation).where(Donation.public_id.in_(public_ids)))}


def open_past_expiry(*, limit: int) -> list[Donation]:
    """Donations whose checkout should have ended by now, but of whose end we have not heard."""
    return list(
        db.session.scalars(
            select(Donation)
            .where(
                Donation.paid_at.is_(None),
                Donation.ended_at.is_(None),
                Donation.quarantined_at.is_(None),
                Donation.checkout_expires_at < func.now() - timedelta(seconds=30),
                func.coalesce(Donation.asked_stripe_at, Donation.begun_at) < func.now() - timedelta(seconds=50),
            )
            .order_by(Donation.checkout_expires_at)
            .limit(limit)
        )
    )
