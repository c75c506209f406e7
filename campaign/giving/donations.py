"""A donation: what a donor asked to give, and the moments of what became of it.

How it begins stands in checkouts.py, what Stripe says of it in payments.py, what goes back in money_back.py, where it stands in standing.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, Row, Table, Text, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaign.edges.db import Base, db
from campaign.giving.campaigns import Campaign
from campaign.giving.donors import Donor

# Who gives and where they live: what a receipt prints.
PERSON_FIELDS = ("first_name", "last_name", "organization", "address_line1", "address_line2", "city", "province", "postal_code", "country")


@dataclass(frozen=True, kw_only=True)
class Gift:
    """What the donor typed, checked and cleaned. Sums in cents; absent texts are empty; `frequency` is once or monthly."""

    language: str
    frequency: str
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


class Donation(Base):
    """One gift. `public_id` is its name at Stripe and in the books; `token` opens the donor's own page; `attempt` came with the form.

    `net_cents` is the gift without what was returned, nothing before it is paid; the ledger alone moves it. `match_limit` says why the match
    was less than full when it was settled. `client_key` tells gifts from one network address without keeping the address.
    """

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
    client_key: Mapped[str] = mapped_column(server_default="", default="")
    net_cents: Mapped[int] = mapped_column(server_default="0")
    match_limit: Mapped[str | None]
    cancelled_at: Mapped[datetime | None]
    frequency: Mapped[str] = mapped_column(server_default="once")
    monthly_gift_id: Mapped[int | None] = mapped_column(ForeignKey("monthly_gift.id", use_alter=True))
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
    def address_lines(self) -> tuple[str, ...]:
        """The donor's address as it stands on an envelope; fewer than two lines when there is none."""
        place = f"{self.city} {self.province}  {self.postal_code}".strip()
        lines = [self.address_line1, self.address_line2, place, self.country if self.country != "CA" else ""]
        return tuple(line for line in lines if line)

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

Index("ix_donation_open_client", Donation.client_key, postgresql_where=Donation.paid_at.is_(None) & Donation.ended_at.is_(None))

# Who has given to a campaign: written by the ledger's trigger, so that donors are counted once.
campaign_donor = Table(
    "campaign_donor",
    Base.metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("donor_id", ForeignKey("donor.id"), primary_key=True),
)


def lock_donations(donation_ids: list[int]) -> list[Donation]:
    """These donations as of now, locked in one fixed order, after the funds."""
    query = select(Donation).where(Donation.id.in_(donation_ids)).order_by(Donation.id).with_for_update(key_share=True)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def donation_by_token(token: str) -> Donation | None:
    """The donation whose own page this is."""
    return db.session.scalar(select(Donation).where(Donation.token == token))


def donation_by_public_id(public_id: str) -> Donation | None:
    """The donation with this name at Stripe and in the books."""
    return db.session.scalar(select(Donation).where(Donation.public_id == public_id))


def named(public_ids: Sequence[str], payment_intents: Sequence[str]) -> Sequence[Row[int, int, str | None]]:
    """Donations that Stripe names by public id, or by their payment: `id`, `campaign_id`, `payment_intent` of each, not locked."""
    return db.session.execute(_named, {"public_ids": list(public_ids), "payment_intents": list(payment_intents)}).all()


_named = select(Donation.id, Donation.campaign_id, Donation.payment_intent).where(
    or_(
        Donation.public_id == any_(bindparam("public_ids", type_=ARRAY(Text))),
        Donation.payment_intent == any_(bindparam("payment_intents", type_=ARRAY(Text))),
    )
)
