"""A charity's own texts on its public pages. Each change is a row of its own, and the latest one is in force."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.rules.page_text import PageKind


class CharityPage(Base):
    """The text of a page as somebody set it, in both languages (rules/page_text.py). With two empty texts, the page is as it was at first.

    The database never changes a row.
    """

    __tablename__ = "charity_page"
    __table_args__ = (Index("ix_charity_page_charity_id", "charity_id", "kind", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    kind: Mapped[str]
    text_en: Mapped[str]
    text_fr: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def is_own(self) -> bool:
        """Whether this is a text of the charity, and not the return to the default."""
        return bool(self.text_en)

    def text(self, language: str) -> str:
        """The text in this language."""
        return self.text_fr if language == "fr" else self.text_en


def versions_of(charity: Charity, kind: PageKind, *, limit: int) -> list[CharityPage]:
    """What was set of the page, the latest first."""
    found = select(CharityPage).where(CharityPage.charity_id == charity.id, CharityPage.kind == kind.value)
    return list(db.session.scalars(found.order_by(CharityPage.id.desc()).limit(limit)))


def page_of(charity: Charity, kind: PageKind) -> CharityPage | None:
    """What is in force of the page; None until somebody has set it."""
    return next(iter(versions_of(charity, kind, limit=1)), None)


def own_text(charity: Charity, kind: PageKind, language: str) -> str:
    """The charity's text of the page in this language; empty without one."""
    page = page_of(charity, kind)
    return page.text(language) if page else ""


def version_of(charity: Charity, kind: PageKind, page_id: int) -> CharityPage | None:
    """One of the versions of this page."""
    page = db.session.get(CharityPage, page_id)
    return page if page and (page.charity_id, page.kind) == (charity.id, kind.value) else None
