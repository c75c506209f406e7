"""A donation: what the donor entered, and the time of each step from checkout to payment or end.

Checkout, settlement, reversals and the derived status are in campaign/payments.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement, ForeignKey, Index, Row, Table, Text, and_, any_, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donors import Donor
from campaign.edges import pdf
from campaign.edges.db import Base, db
from campaign.edges.mailed_tokens import token_hash
from campaign.edges.page_tokens import PUBLIC_ID_BYTES, PUBLIC_ID_PREFIX, Page, derive_page_token, is_page_token, public_id_in
from campaign.edges.services import services
from campaign.rules.receipt_names import ReceiptNames

# Whose payments are ours, in an account that may serve others too, is known by the form of this id in their metadata.
_PUBLIC_ID = re.compile(r"d_[0-9a-f]{20}")

# The donor's name and address as printed on a receipt.
PERSON_FIELDS = ("first_name", "last_name", "organization", "address_line1", "address_line2", "city", "province", "postal_code", "country")
# The same, and in whose name the receipt is.
RECEIPT_FIELDS = (*PERSON_FIELDS, "in_own_name")


def new_public_id() -> str:
    """A new public id of a donation."""
    return PUBLIC_ID_PREFIX + secrets.token_hex(PUBLIC_ID_BYTES)


def is_public_id(value: str) -> bool:
    """Whether this could be the public id of a donation of ours, stored or not."""
    return _PUBLIC_ID.fullmatch(value) is not None


@dataclass(frozen=True, kw_only=True)
class DonationDetails:
    """What the donor entered, validated and normalized. Missing texts are empty; `frequency` is `once` or `monthly`.

    `in_own_name` says that the person gives, who has named an organization too (rules/receipt_names.py).
    """

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
    in_own_name: bool = False


class Donation(Base):
    """One donation. `public_id` identifies it at Stripe and in the ledger; `attempt` came with the form.

    `link_version` rises when the links to the donor's page are renewed. `former_token_hash` is that of a link from before links had versions.

    `net_cents` is the donation net of reversals, zero before it is paid; only ledger entries change it. `match_limit` is the `Limit` that
    kept the match below full when the payment was settled. `authorized_at` is when the donor made the payment, `received_at` when the charity
    had it; both are set once it is paid (policy.md, section 2b). `processing_at` is since when a bank debit was under way, None for a card
    (`is_debit`); `unverified_at` since when one had to be verified first. `closed_by` is the member of staff who closed its checkout. `in_own_name` is as in DonationDetails.
    `client_key` identifies the donor's
    network address without storing it. `email` is empty for a donor who has none. Staff may say of an offline gift that it is not `is_matchable`.
    """

    __tablename__ = "donation"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True)
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
    in_own_name: Mapped[bool] = mapped_column(server_default="false", default=False)
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
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    checkout_tries: Mapped[int] = mapped_column(server_default="0")
    checkout_expires_at: Mapped[datetime | None]
    checkout_id: Mapped[str | None] = mapped_column(unique=True)
    checkout_url: Mapped[str | None]
    payment_intent: Mapped[str | None] = mapped_column(unique=True)
    polled_at: Mapped[datetime | None]
    unverified_at: Mapped[datetime | None]
    processing_at: Mapped[datetime | None]
    authorized_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[str | None]
    quarantined_at: Mapped[datetime | None]
    quarantine_reason: Mapped[str | None]
    client_key: Mapped[str] = mapped_column(server_default="", default="")
    net_cents: Mapped[int] = mapped_column(server_default="0")
    match_limit: Mapped[str | None]
    is_matchable: Mapped[bool] = mapped_column(server_default="true", default=True)
    cancelled_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    frequency: Mapped[str] = mapped_column(server_default="once")
    recurring_gift_id: Mapped[int | None] = mapped_column(ForeignKey("recurring_gift.id", use_alter=True))
    link_version: Mapped[int] = mapped_column(server_default="1", default=1)
    former_token_hash: Mapped[bytes | None]
    campaign: Mapped[Campaign] = relationship(lazy="select")
    donor: Mapped[Donor] = relationship(lazy="raise")

    @property
    def token(self) -> str:
        """What opens the donor's page."""
        return derive_page_token(services().keys, Page.DONATION, self.public_id, self.link_version)

    @property
    def charged_cents(self) -> int:
        """What the donor is charged at Stripe: the donation and the covered fee."""
        return self.amount_cents + self.covered_fee_cents

    @property
    def full_name(self) -> str:
        """The donor's name on a receipt."""
        return self.names.on_receipt

    @property
    def names(self) -> ReceiptNames:
        """The names that were typed, of which a receipt bears one."""
        return ReceiptNames(
            first_name=self.first_name, last_name=self.last_name, organization=self.organization, in_own_name=self.in_own_name
        )

    @property
    def address_lines(self) -> tuple[str, ...]:
        """The donor's postal address, as on an envelope; fewer than two lines when it is incomplete."""
        return (*self.lines_in_country, *([self.country] if self.country not in ("CA", "") else []))

    @property
    def lines_in_country(self) -> tuple[str, ...]:
        """The lines of the address above the country."""
        place = f"{self.city} {self.province}  {self.postal_code}".strip()
        return tuple(line for line in (self.address_line1, self.address_line2, place) if line)

    @property
    def lacks_details(self) -> bool:
        """Whether the donor's name or address is missing for a receipt, or cannot be printed."""
        return not self.full_name or len(self.address_lines) < 2 or bool(pdf.first_unprintable(self.full_name, *self.address_lines))

    @hybrid_property
    def is_debit(self) -> bool:
        """Whether it is paid by bank debit rather than by card or wallet, as far as Stripe has said (settlement.record_method)."""
        return self.processing_at is not None

    @is_debit.inplace.expression
    @classmethod
    def _is_debit_in_query(cls) -> ColumnElement[bool]:
        return cls.processing_at.is_not(None)

    @property
    def is_open(self) -> bool:
        """Whether it may still be paid, as far as is recorded."""
        return self.received_at is None and self.ended_at is None and self.quarantined_at is None


Index("ix_donation_campaign_id_received_at", Donation.campaign_id, Donation.received_at)
Index(
    "ix_donation_open",
    Donation.checkout_expires_at,
    postgresql_where=Donation.received_at.is_(None) & Donation.ended_at.is_(None) & Donation.quarantined_at.is_(None),
)

Index("ix_donation_former_token_hash", Donation.former_token_hash, unique=True, postgresql_where=Donation.former_token_hash.is_not(None))
Index("ix_donation_postal_code", Donation.postal_code, postgresql_where=Donation.received_at.is_not(None))
Index("ix_donation_without_email", Donation.id, postgresql_where=Donation.email == "")
# Without the gifts whose network was erased, which would be most of them.
Index("ix_donation_unpaid_client", Donation.client_key, postgresql_where=and_(Donation.received_at.is_(None), Donation.client_key != ""))
Index("ix_donation_unpaid_started", Donation.started_at, postgresql_where=Donation.received_at.is_(None))
# What staff list and search (reporting/donation_list.py); the words that they search for are in search_words.py.
Index("ix_donation_received", Donation.received_at, Donation.id, postgresql_where=Donation.received_at.is_not(None))
Index("ix_donation_amount", Donation.amount_cents, Donation.received_at, postgresql_where=Donation.received_at.is_not(None))
Index(
    "ix_donation_charged",
    Donation.amount_cents + Donation.covered_fee_cents,
    Donation.received_at,
    postgresql_where=text("received_at IS NOT NULL AND covered_fee_cents > 0"),
)
Index(
    "ix_donation_abandoned",
    Donation.ended_at,
    postgresql_where=text("received_at IS NULL AND first_name || last_name || organization || email <> ''"),
)
Index(
    "ix_donation_tribute",
    Donation.received_at,
    Donation.id,
    postgresql_where=text("tribute_kind IS NOT NULL AND received_at IS NOT NULL"),
)

# The donors of a campaign, written by a trigger on ledger entries, so that each donor is counted once.
campaign_donor = Table(
    "campaign_donor",
    Base.metadata,
    Column("campaign_id", ForeignKey("campaign.id"), primary_key=True),
    Column("donor_id", ForeignKey("donor.id"), primary_key=True),
)


def lock_donations(donation_ids: list[int]) -> list[Donation]:
    """Lock these donations in the order of their ids, after the funds, and return them as they are now."""
    query = select(Donation).where(Donation.id.in_(donation_ids)).order_by(Donation.id).with_for_update(key_share=True)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def donation_by_token(token: str) -> Donation | None:
    """The donation whose page this token opens."""
    donation = donation_by_public_id(public_id) if (public_id := public_id_in(token)) else None
    if donation is not None and is_page_token(token, services().keys, Page.DONATION, version=donation.link_version):
        return donation
    return db.session.scalar(select(Donation).where(Donation.former_token_hash == token_hash(token)))


def donations_by_id(donation_ids: Iterable[int | None]) -> dict[int, Donation]:
    """These donations by id; of nothing there is none."""
    ids = {donation_id for donation_id in donation_ids if donation_id is not None}
    return {donation.id: donation for donation in db.session.scalars(select(Donation).where(Donation.id.in_(ids)))} if ids else {}


def donation_by_public_id(public_id: str) -> Donation | None:
    """The donation with this public id."""
    return db.session.scalar(select(Donation).where(Donation.public_id == public_id))


def donations_of(donor_id: int, *, limit: int) -> list[Donation]:
    """The donor's latest donations, paid or not."""
    return list(db.session.scalars(select(Donation).where(Donation.donor_id == donor_id).order_by(Donation.id.desc()).limit(limit)))


def latest_with_email(donor_id: int) -> Donation | None:
    """The donor's latest donation with an email address, for what is mailed about none in particular; None without one."""
    own = select(Donation).where(Donation.donor_id == donor_id, Donation.email != "")
    return db.session.scalar(own.order_by(Donation.id.desc()).limit(1))


def count_donations(donor_id: int) -> int:
    """How many donations the donor has begun or paid."""
    return db.session.scalar(select(func.count()).where(Donation.donor_id == donor_id)) or 0


def ids_of(public_ids: Sequence[str]) -> dict[str, int]:
    """The ids of the donations with these public ids, by them."""
    return dict(iter(db.session.execute(select(Donation.public_id, Donation.id).where(Donation.public_id.in_(public_ids)))))


def find_donations(public_ids: Sequence[str], payment_intents: Sequence[str]) -> Sequence[Row[int, int, str | None]]:
    """The `id`, `campaign_id` and `payment_intent` of the donations with one of these public ids or payments, not locked."""
    return db.session.execute(_find_donations, {"public_ids": list(public_ids), "payment_intents": list(payment_intents)}).all()


_find_donations = select(Donation.id, Donation.campaign_id, Donation.payment_intent).where(
    or_(
        Donation.public_id == any_(bindparam("public_ids", type_=ARRAY(Text))),
        Donation.payment_intent == any_(bindparam("payment_intents", type_=ARRAY(Text))),
    )
)
