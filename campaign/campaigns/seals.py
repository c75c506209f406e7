"""Seals: two people end the books of a campaign that is over. The database refuses whatever would move of it afterwards.

A seal is for ever. It notes where the hash chains of the campaign ended.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, UniqueConstraint, func, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import Base, db
from campaign.staff.two_people import TwoPersonRequest

# The first key of the advisory locks of seals; the second is the campaign (ledger/triggers/refuse_after_seal.sql).
_LOCK = 72054
# The constraint by which the database names its refusal.
_CAMPAIGN_IS_SEALED = "campaign_is_sealed"


class SealRequest(TwoPersonRequest, Base):
    """A request to seal a campaign."""

    __tablename__ = "seal_request"
    __table_args__ = (Index("one_open_seal_request", "campaign_id", unique=True, postgresql_where=text("decision IS NULL")),)

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))


class CampaignSeal(Base):
    """The seal of a campaign. `heads` has the position and hash at which each of its chains ended, by the chain; the database fills it in."""

    __tablename__ = "campaign_seal"
    __table_args__ = (UniqueConstraint("request_id", name="request_seals_once"),)

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"), primary_key=True, autoincrement=False)
    request_id: Mapped[int] = mapped_column(ForeignKey("seal_request.id"))
    sealed_at: Mapped[datetime]
    heads: Mapped[dict[str, Any]] = mapped_column(JSONB)


def lock(campaign: Campaign) -> None:
    """Lock the campaign for its seal: nothing begins until the end of the transaction. The campaign is read again."""
    db.session.execute(select(func.pg_advisory_xact_lock(_LOCK, campaign.id)))
    db.session.refresh(campaign, with_for_update={"key_share": True, "of": Campaign})


def lock_against(campaign_id: int) -> datetime | None:
    """Let no seal of the campaign begin until the end of the transaction. Returns since when it is sealed, or None."""
    db.session.execute(select(func.pg_advisory_xact_lock_shared(_LOCK, campaign_id)))
    return db.session.scalar(select(Campaign.sealed_at).where(Campaign.id == campaign_id))


def create_request(campaign: Campaign, *, actor: str, reason: str) -> SealRequest:
    """Create an open request."""
    request = SealRequest(campaign_id=campaign.id, requested_by=actor, reason=reason)
    db.session.add(request)
    db.session.flush()
    return request


def open_for(campaign: Campaign) -> SealRequest | None:
    """The campaign's open request, or None."""
    return db.session.scalar(select(SealRequest).where(SealRequest.campaign_id == campaign.id, SealRequest.decision.is_(None)))


def get_request(request_id: int) -> SealRequest | None:
    """The request with this id, or None."""
    return db.session.get(SealRequest, request_id)


def open_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many requests are open in the charity's campaigns."""
    joined = select(func.count()).select_from(SealRequest).join(Campaign, Campaign.id == SealRequest.campaign_id)
    return joined.where(SealRequest.decision.is_(None), Campaign.charity_id == charity_id)


def create_seal(request: SealRequest) -> None:
    """Seal the campaign as an agreed request says. The database checks what must have ended before, and notes the ends of the chains."""
    db.session.execute(insert(CampaignSeal).values(campaign_id=request.campaign_id, request_id=request.id))
    db.session.expire_all()  # A trigger has changed the campaign and its funds.


def seal_of(campaign: Campaign) -> CampaignSeal | None:
    """The campaign's seal, or None."""
    return db.session.get(CampaignSeal, campaign.id)


def is_refusal(error: IntegrityError) -> bool:
    """Whether the database refused something because a campaign is sealed."""
    diagnostics = getattr(error.orig, "diag", None)
    return getattr(diagnostics, "constraint_name", None) == _CAMPAIGN_IS_SEALED
