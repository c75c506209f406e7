"""Consents to news that a donor gives on the page of all their gifts, with the words that they agreed to: the proof (CASL, section 13).

The consent itself is the moment in one of their donations (`news_consent_at`), as for one that came with a form. A row here says that it came
from the page; it is added and never changed.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.donations.news_withdrawals import wants_news
from campaign.edges.db import Base, db


class NewsAgreement(Base):
    """One consent. `earlier_at` is the moment of the withdrawn consent that the donation had before, if it had one."""

    __tablename__ = "news_agreement"

    id: Mapped[int] = mapped_column(primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), index=True)
    language: Mapped[str]
    words: Mapped[str]
    earlier_at: Mapped[datetime | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


def record(donation: Donation, *, language: str, words: str) -> bool:
    """Record that the donor of the donation agrees to these words. Returns False when a consent of theirs is in force."""
    locked = db.session.get_one(Donation, donation.id, with_for_update={"key_share": True}, populate_existing=True)
    if wants_news(locked.donor_id):
        return False
    agreement = NewsAgreement(donation_id=locked.id, language=language, words=words, earlier_at=locked.news_consent_at)
    db.session.add(agreement)
    db.session.flush()
    db.session.refresh(agreement)
    locked.news_consent_at = agreement.at
    db.session.flush()
    return True


def agreements_of(donations: Collection[Donation]) -> dict[int, NewsAgreement]:
    """The agreement that the consent of each of these donations is from, by its id; without those whose consent came with a form."""
    moments = {donation.id: donation.news_consent_at for donation in donations if donation.news_consent_at}
    found = db.session.scalars(select(NewsAgreement).where(NewsAgreement.donation_id.in_(moments)))
    return {row.donation_id: row for row in found if row.at == moments[row.donation_id]}


def donation_to_agree_with(donor_id: int) -> Donation | None:
    """The donation of the donor that a consent is recorded with: one that has none yet and was received, if there is any; the latest such."""
    d = Donation
    own = select(d).where(d.donor_id == donor_id, d.email != "")
    return db.session.scalar(own.order_by(d.news_consent_at.is_not(None), d.received_at.is_(None), d.id.desc()).limit(1))
