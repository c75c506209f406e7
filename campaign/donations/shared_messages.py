"""Messages of donors that the funder who matches the gift may read: with the donor's agreement, and once a member of staff agrees too.

The agreement is a row beside the donation that has the message. The donor withdraws it at any time; then, or when the message is erased, nobody is
shown it any more.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, Select, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.edges.db import Base, db


class SharedMessage(Base):
    """The donor's agreement that the message of this donation may be shown, since `shared_at`, and what staff decided about it, if anything yet."""

    __tablename__ = "shared_message"
    __table_args__ = (
        CheckConstraint("decision IN ('agreed', 'refused')", name="decision_about_message_is_known"),
        CheckConstraint("num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name="decision_about_message_names_who"),
        Index("ix_shared_message_agreed", "donation_id", postgresql_where=text("decision = 'agreed' AND withdrawn_at IS NULL")),
        Index("ix_shared_message_waiting", "donation_id", postgresql_where=text("decision IS NULL AND withdrawn_at IS NULL")),
    )

    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True, autoincrement=False)
    shared_at: Mapped[datetime] = mapped_column(server_default=func.now())
    withdrawn_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


def record(donation_ids: Sequence[int]) -> None:
    """Record that the donors of these new donations agree."""
    db.session.add_all(SharedMessage(donation_id=donation_id) for donation_id in donation_ids)
    db.session.flush()


def find_of(donation: Donation) -> SharedMessage | None:
    """The agreement about the donation's message that is in force."""
    found = db.session.get(SharedMessage, donation.id)
    return found if found and found.withdrawn_at is None and donation.message else None


def withdraw(donation: Donation) -> bool:
    """Record that the donor withdraws the agreement. Returns False when none is in force."""
    found = db.session.get(SharedMessage, donation.id, with_for_update=True, populate_existing=True)
    if found is None or found.withdrawn_at is not None:
        return False
    found.withdrawn_at = func.now()
    db.session.flush()
    return True


def decide(donation: Donation, decision: Decision | None, *, actor: str) -> bool:
    """Record what staff decided, or that it is open again. Returns False when no agreement is in force, or that is decided already."""
    found = db.session.get(SharedMessage, donation.id, with_for_update=True, populate_existing=True)
    if found is None or found.withdrawn_at is not None or found.decision == decision:
        return False
    found.decision, found.decided_by, found.decided_at = (decision, actor, func.now()) if decision else (None, None, None)
    db.session.flush()
    return True


def list_waiting(campaign: Campaign, *, limit: int) -> list[Donation]:
    """The donations of the campaign whose message waits for a member of staff, the earliest first."""
    return list(db.session.scalars(_waiting(campaign).order_by(Donation.id).limit(limit)))


def count_waiting(campaign: Campaign) -> int:
    """How many messages of the campaign wait."""
    return db.session.scalar(select(func.count()).select_from(_waiting(campaign).subquery())) or 0


def waiting_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many messages wait in the charity's campaigns."""
    joined = select(func.count()).select_from(Donation).join(SharedMessage, SharedMessage.donation_id == Donation.id)
    return joined.join(Campaign, Campaign.id == Donation.campaign_id).where(Campaign.charity_id == charity_id, *_is_waiting())


def _waiting(campaign: Campaign) -> Select[Donation]:
    of_campaign = select(Donation).join(SharedMessage, SharedMessage.donation_id == Donation.id)
    return of_campaign.where(Donation.campaign_id == campaign.id, *_is_waiting())


def _is_waiting() -> tuple[ColumnElement[bool], ...]:
    return SharedMessage.decision.is_(None), SharedMessage.withdrawn_at.is_(None), Donation.net_cents > 0, Donation.message != ""
