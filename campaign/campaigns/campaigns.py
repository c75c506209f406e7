"""A campaign: its public texts in both languages, its settings, and its running totals, which only ledger entries change."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.rules.hold_bounds import HoldBounds
from campaign.rules.typography import with_no_break_spaces


class CampaignStatus(StrEnum):
    """Where a campaign is in its life. A draft is not public; a closed one is, with its result and without the form; of a sealed one nothing moves."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"
    SEALED = "sealed"


class Campaign(Base):
    """One campaign. `fee_percent_hundredths` and `fee_fixed_cents` are the fee that donors may cover: 290 and 30 are 2.9 % + 30 ¢.

    Without `holds_match` nothing is held while a donor pays, and donations are matched when they are paid. `holds_per_email` and
    `holds_per_address` limit how many unpaid donations of one e-mail address, and of one network, hold match at the same time; the other
    `hold_` columns limit how much (rules/hold_bounds.py). `match_counts` is whether the match counts toward the goal (policy.md, section 2).

    `opened_at` is when it first became public: from then on its slug, charity and currency stay. `hidden_at` is of one that was taken back before
    anybody gave. `sealed_at` is when its books were ended (campaigns/seals.py). `picture` is the SHA-256 of its picture (campaigns/pictures.py).
    `cause_*` is what gifts go to, with its article, as sentences name it: it begins none of them.
    `patient_words_*` and `patient_name_*` are in both languages or in none. `next_goal_cents` is named once the goal is reached.
    """

    __tablename__ = "campaign"

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"), index=True)
    slug: Mapped[str] = mapped_column(unique=True)
    title_en: Mapped[str]
    title_fr: Mapped[str]
    lead_en: Mapped[str]
    lead_fr: Mapped[str]
    story_en: Mapped[str]
    story_fr: Mapped[str]
    currency: Mapped[str]
    goal_cents: Mapped[int]
    minimum_cents: Mapped[int]
    maximum_cents: Mapped[int]
    presets_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    fee_percent_hundredths: Mapped[int]
    fee_fixed_cents: Mapped[int]
    takes_bank_debits: Mapped[bool] = mapped_column(server_default="true", default=True)
    holds_match: Mapped[bool] = mapped_column(server_default="true", default=True)
    holds_per_email: Mapped[int] = mapped_column(server_default="10", default=10)
    holds_per_address: Mapped[int] = mapped_column(server_default="50", default=50)
    hold_share_percent: Mapped[int] = mapped_column(server_default="50", default=50)
    hold_checkout_percent: Mapped[int] = mapped_column(server_default="10", default=10)
    hold_checkout_cents: Mapped[int] = mapped_column(server_default="100000", default=1000_00)
    hold_period_factor: Mapped[int] = mapped_column(server_default="2", default=2)
    hold_period_minutes: Mapped[int] = mapped_column(server_default="120", default=120)
    match_counts: Mapped[bool] = mapped_column(server_default="true", default=True)
    picture: Mapped[str | None] = mapped_column(ForeignKey("campaign_picture.sha256"))
    picture_alt_en: Mapped[str] = mapped_column(server_default="", default="")
    picture_alt_fr: Mapped[str] = mapped_column(server_default="", default="")
    cause_en: Mapped[str] = mapped_column(server_default="research", default="research")
    cause_fr: Mapped[str] = mapped_column(server_default="la recherche", default="la recherche")
    patient_words_en: Mapped[str] = mapped_column(server_default="", default="")
    patient_words_fr: Mapped[str] = mapped_column(server_default="", default="")
    patient_name_en: Mapped[str] = mapped_column(server_default="", default="")
    patient_name_fr: Mapped[str] = mapped_column(server_default="", default="")
    next_goal_cents: Mapped[int | None]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    hidden_at: Mapped[datetime | None]
    sealed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    charity: Mapped[Charity] = relationship(lazy="joined", innerjoin=True)

    @property
    def hold_bounds(self) -> HoldBounds:
        """How much match may be held for people who have not paid."""
        return HoldBounds(
            share_percent=self.hold_share_percent,
            checkout_percent=self.hold_checkout_percent,
            checkout_cents=self.hold_checkout_cents,
            period_factor=self.hold_period_factor,
            period=timedelta(minutes=self.hold_period_minutes),
            open_per_email=self.holds_per_email,
            open_per_network=self.holds_per_address,
        )

    @property
    def status(self) -> CampaignStatus:
        """Its status, derived from its timestamps."""
        if self.opened_at is None or self.hidden_at is not None:
            return CampaignStatus.DRAFT
        if self.sealed_at is not None:
            return CampaignStatus.SEALED
        return CampaignStatus.OPEN if self.closed_at is None else CampaignStatus.CLOSED

    @property
    def is_public(self) -> bool:
        """Whether strangers see its page."""
        return self.status is not CampaignStatus.DRAFT

    @property
    def takes_gifts(self) -> bool:
        """Whether its page has the form."""
        return self.status is CampaignStatus.OPEN

    def cause(self, language: str) -> str:
        """What gifts go to, as sentences name it."""
        return self.cause_fr if language == "fr" else self.cause_en

    def patient_words(self, language: str) -> str:
        """What a patient says on the page; empty when nobody does."""
        return with_no_break_spaces(self.patient_words_fr) if language == "fr" else self.patient_words_en

    def patient_name(self, language: str) -> str:
        """How that person wants to be named."""
        return self.patient_name_fr if language == "fr" else self.patient_name_en

    def picture_alt(self, language: str) -> str:
        """What the picture shows, for those who do not see it."""
        return self.picture_alt_fr if language == "fr" else self.picture_alt_en

    def title(self, language: str) -> str:
        """The campaign's title."""
        return with_no_break_spaces(self.title_fr) if language == "fr" else self.title_en

    def lead(self, language: str) -> str:
        """One or two sentences under the title."""
        return with_no_break_spaces(self.lead_fr) if language == "fr" else self.lead_en

    def story(self, language: str) -> list[str]:
        """The paragraphs of the story; one that begins with `## ` is a heading."""
        text = with_no_break_spaces(self.story_fr) if language == "fr" else self.story_en
        return [paragraph.strip() for paragraph in text.split("\n\n") if paragraph.strip()]


class CampaignTotals(Base):
    """Sums over the campaign's ledger entries, updated by a trigger on insert, so that reading them costs the same at any size.

    `offline_cents` is what of the donated cents never lay at Stripe, and `donations` counts no gift that turned out not to be one.
    """

    __tablename__ = "campaign_totals"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    donated_cents: Mapped[int] = mapped_column(server_default="0")
    covered_fee_cents: Mapped[int] = mapped_column(server_default="0")
    fee_cents: Mapped[int] = mapped_column(server_default="0")
    donations: Mapped[int] = mapped_column(server_default="0")
    donors: Mapped[int] = mapped_column(server_default="0")
    offline_cents: Mapped[int] = mapped_column(server_default="0")
    chain_entries: Mapped[int] = mapped_column(server_default="0")
    chain_hash: Mapped[bytes] = mapped_column(LargeBinary, server_default="")
    sealed_at: Mapped[datetime | None]


def campaign_by_slug(slug: str) -> Campaign | None:
    """The campaign with this slug in its URL."""
    return db.session.scalar(_by_slug, {"slug": slug})


_by_slug = select(Campaign).where(Campaign.slug == bindparam("slug"))


def list_campaigns() -> list[Campaign]:
    """All campaigns, the first one first."""
    return list(db.session.scalars(select(Campaign).order_by(Campaign.id)))


def campaigns_of(charity: Charity) -> list[Campaign]:
    """The charity's campaigns, the first one first."""
    return list(db.session.scalars(select(Campaign).where(Campaign.charity_id == charity.id).order_by(Campaign.id)))


def current_campaign() -> Campaign | None:
    """The first campaign."""
    return db.session.scalar(select(Campaign).order_by(Campaign.id).limit(1))


def default_campaign() -> Campaign | None:
    """The campaign to which `/` redirects: the first that takes gifts, or else the first public one."""
    public = [campaign for campaign in list_campaigns() if campaign.is_public]
    return min(public, key=lambda campaign: not campaign.takes_gifts, default=None)


def public_campaign(slug: str) -> Campaign | None:
    """The campaign with this slug if strangers may see it."""
    campaign = campaign_by_slug(slug)
    return campaign if campaign is not None and campaign.is_public else None


def create_campaign(campaign: Campaign) -> Campaign:
    """Insert a campaign with its totals at zero."""
    db.session.add(campaign)
    db.session.flush()
    db.session.add(CampaignTotals(campaign_id=campaign.id))
    db.session.flush()
    return campaign
