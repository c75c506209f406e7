"""Withdrawals of consent to news (CASL, s. 11): each is added and never changed, as the proof of when and how. A later consent counts again.

The consent itself is the moment in the donation whose form had it (`news_consent_at`), or with which it was recorded later (news_agreements.py).
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, and_, exists, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation, donation_by_public_id
from campaign.donations.donors import DonorMerge
from campaign.edges.db import Base, db
from campaign.edges.page_tokens import Page, derive_page_token, is_page_token, public_id_in
from campaign.edges.services import services

LINK_VERSION = 1


class WithdrawnBy(StrEnum):
    """How: by the link in an email, by the button of a mail program (RFC 8058), on the donor’s page, or as staff report it."""

    LINK = "link"
    ONE_CLICK = "one_click"
    PAGE = "page"
    STAFF = "staff"


class NewsWithdrawal(Base):
    """One withdrawal of a donor, for all their gifts. `donation_id` is the gift whose link or page was used."""

    __tablename__ = "news_withdrawal"

    id: Mapped[int] = mapped_column(primary_key=True)
    donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"), index=True)
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"))
    how: Mapped[str]
    recorded_by: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


def wants_news(donor_id: int) -> bool:
    """Whether the donor has agreed to news and not withdrawn it since."""
    agreed = select(Donation.id).where(Donation.donor_id == donor_id, is_consent_in_force())
    return db.session.scalar(agreed.limit(1)) is not None


def is_consent_in_force() -> ColumnElement[bool]:
    """The condition that a donation has a consent to news, which its donor has not withdrawn since."""
    return Donation.news_consent_at.is_not(None) & ~exists().where(_withdraws())


def withdrawal_of(donation: Donation) -> NewsWithdrawal | None:
    """The first withdrawal after the consent of this donation; None while it is in force."""
    later = select(NewsWithdrawal).join(Donation, _withdraws()).where(Donation.id == donation.id)
    return db.session.scalar(later.order_by(NewsWithdrawal.id).limit(1))


def first_withdrawals(donations: Sequence[Donation]) -> dict[int, NewsWithdrawal]:
    """The first withdrawal after the consent of each of these donations that has one, by their ids: as `withdrawal_of`, in two queries for all."""
    consents = [(donation, donation.news_consent_at) for donation in donations if donation.news_consent_at]
    people = {donation.donor_id: {donation.donor_id} for donation, _ in consents}
    pair = (DonorMerge.primary_donor_id, DonorMerge.merged_donor_id)
    for one, other in db.session.execute(select(*pair).where(or_(*(donor.in_(people) for donor in pair)))):
        people.setdefault(one, set()).add(other)
        people.setdefault(other, set()).add(one)
    donor_ids = set().union(*people.values())
    rows = db.session.scalars(select(NewsWithdrawal).where(NewsWithdrawal.donor_id.in_(donor_ids)).order_by(NewsWithdrawal.id)).all()
    found = {}
    for donation, consented_at in consents:
        later = (row for row in rows if row.donor_id in people[donation.donor_id] and row.at >= consented_at)
        if first := next(later, None):
            found[donation.id] = first
    return found


def _withdraws() -> ColumnElement[bool]:
    """The condition that a withdrawal ends the consent of a donation.

    Two donors who are merged, or were once, withdraw for each other: mail that nobody wants is worse than none.
    """
    w, m = NewsWithdrawal, DonorMerge
    is_merged = exists().where(
        or_(
            and_(m.primary_donor_id == w.donor_id, m.merged_donor_id == Donation.donor_id),
            and_(m.merged_donor_id == w.donor_id, m.primary_donor_id == Donation.donor_id),
        )
    )
    return and_(or_(w.donor_id == Donation.donor_id, is_merged.correlate(w, Donation)), w.at >= Donation.news_consent_at)


def news_token(donation: Donation) -> str:
    """What opens the page where the donor withdraws. It stays the same when other links are renewed: it only ever ends emails."""
    return derive_page_token(services().keys, Page.NEWS, donation.public_id, LINK_VERSION)


def donation_by_news_token(token: str) -> Donation | None:
    """The donation whose donor may withdraw with this token."""
    if not is_page_token(token, services().keys, Page.NEWS, version=LINK_VERSION):
        return None
    return donation_by_public_id(public_id_in(token))


def record(donation: Donation, *, how: WithdrawnBy, recorded_by: str) -> bool:
    """Record that the donor of the donation withdraws their consent. Returns False when there is none in force."""
    if not wants_news(donation.donor_id):
        return False
    db.session.add(NewsWithdrawal(donor_id=donation.donor_id, donation_id=donation.id, how=how, recorded_by=recorded_by))
    db.session.flush()
    return True
