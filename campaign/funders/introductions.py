"""Who is behind a matching fund, on the page of its campaign: their words, their portrait, and how they want to be named.

They are of the fund and not of the funder: words speak of one campaign, a fund may have several contributors behind it, and whoever takes them
back for one campaign keeps them for another. Nothing is shown of a fund whose funder is anonymous, nor is its portrait served.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, ForeignKey, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import Base, db
from campaign.funders.portraits import Portrait
from campaign.matching.funds import Fund, FundStatus
from campaign.rules.typography import with_no_break_spaces

TEXTS = ("words_en", "words_fr", "name_en", "name_fr", "portrait_alt_en", "portrait_alt_fr")
COLUMNS = (*TEXTS, "portrait")


class FundIntroduction(Base):
    """The words and names, each in both languages or in none, and the portrait by its SHA-256, with words for those who do not see it."""

    __tablename__ = "fund_introduction"

    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), primary_key=True, autoincrement=False)
    words_en: Mapped[str] = mapped_column(server_default="", default="")
    words_fr: Mapped[str] = mapped_column(server_default="", default="")
    name_en: Mapped[str] = mapped_column(server_default="", default="")
    name_fr: Mapped[str] = mapped_column(server_default="", default="")
    portrait: Mapped[str | None] = mapped_column(ForeignKey("portrait.sha256"), index=True)
    portrait_alt_en: Mapped[str] = mapped_column(server_default="", default="")
    portrait_alt_fr: Mapped[str] = mapped_column(server_default="", default="")

    def words(self, language: str) -> str:
        """What they say; empty when they say nothing."""
        return with_no_break_spaces(self.words_fr) if language == "fr" else self.words_en

    def name(self, language: str) -> str:
        """How they want to be named; empty when nothing is shown."""
        return self.name_fr if language == "fr" else self.name_en

    def portrait_alt(self, language: str) -> str:
        """What the portrait shows, for those who do not see it."""
        return self.portrait_alt_fr if language == "fr" else self.portrait_alt_en


def introduction_of(fund: Fund) -> FundIntroduction:
    """The fund's introduction; an empty one, which is not stored, when it has none."""
    stored = db.session.get(FundIntroduction, fund.id)
    return stored or FundIntroduction(fund_id=fund.id, **dict.fromkeys(TEXTS, ""))


@dataclass(frozen=True, kw_only=True)
class ShownIntroduction:
    """An introduction as a page shows it in one language. Words or the portrait may be empty, but not both."""

    fund_slug: str
    words: str
    name: str
    portrait: str
    portrait_alt: str


def shown_introductions(campaign: Campaign, language: str) -> list[ShownIntroduction]:
    """What the campaign's page shows, in the order in which the funds are drawn on."""
    rows = db.session.execute(
        select(FundIntroduction, Fund.slug)
        .join(Fund, Fund.id == FundIntroduction.fund_id)
        .where(Fund.campaign_id == campaign.id, FundIntroduction.name_en != "", *_is_shown())
        .order_by(Fund.position)
    )
    return [
        ShownIntroduction(
            fund_slug=slug,
            words=one.words(language),
            name=one.name(language),
            portrait=one.portrait or "",
            portrait_alt=one.portrait_alt(language),
        )
        for one, slug in rows
    ]


def is_shown(fund: Fund) -> bool:
    """Whether the campaign's page shows the fund's introduction, if it has one."""
    is_in_use = fund.status in {FundStatus.ACTIVE, FundStatus.PAUSED}
    return not fund.is_anonymous and fund.status is not FundStatus.DRAFT and (is_in_use or fund.matched_cents > 0)


def find_shown_portrait(digest: str) -> bytes | None:
    """The JPEG, if a public campaign's page shows it."""
    return db.session.scalar(
        select(Portrait.jpeg)
        .join(FundIntroduction, FundIntroduction.portrait == Portrait.sha256)
        .join(Fund, Fund.id == FundIntroduction.fund_id)
        .join(Campaign, Campaign.id == Fund.campaign_id)
        .where(Portrait.sha256 == digest, Campaign.opened_at.is_not(None), Campaign.hidden_at.is_(None), *_is_shown())
        .limit(1)
    )


def _is_shown() -> tuple[ColumnElement[bool], ...]:
    """As `is_shown`: its funder is not anonymous, and it matches gifts or has matched some."""
    is_in_use = Fund.ended_at.is_(None) & Fund.sealed_at.is_(None)
    return (_is_named(), Fund.activated_at.is_not(None), or_(is_in_use, Fund.matched_cents > 0))


def _is_named() -> ColumnElement[bool]:
    return ~func.is_anonymous_funder(Fund.funder_id)
