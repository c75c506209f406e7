"""Private links to a fund’s report: stored as a hash, they end after 90 days or 45 days without use, and can be revoked. Each opens the other funds
of the same funder too.

Whoever opens a link has a session in their browser, of half an hour without use and twelve hours in all.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, LargeBinary, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.mailed_tokens import token_hash
from campaign.edges.services import services
from campaign.matching.funds import Fund
from campaign.staff import audit

LIFETIME = timedelta(days=90)
IDLE = timedelta(days=45)
SESSION_IDLE = timedelta(minutes=30)
MAX_SESSION = timedelta(hours=12)
# Who makes the links in reports.
SERVICE = "the service"


class AccessLink(Base):
    """A link to a fund's report. Only the SHA-256 of its token is stored."""

    __tablename__ = "access_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def ends_at(self) -> datetime:
        """When it ends if it is not used before."""
        return min(self.expires_at, (self.last_used_at or self.created_at) + IDLE)


def create_link(fund: Fund, *, actor: str) -> str:
    """Create a link, and return its URL, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    db.session.add(AccessLink(fund_id=fund.id, token_hash=token_hash(token), expires_at=func.now() + LIFETIME))
    audit.record(actor, "made a funder link", fund.slug)
    db.session.flush()
    return services().links.funder_report(token)


def revoke_links(fund: Fund, *, actor: str) -> int:
    """Revoke all links of the fund; returns how many. Sessions that were begun with them end."""
    revoked = db.session.execute(
        update(AccessLink)
        .where(AccessLink.fund_id == fund.id, AccessLink.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(AccessLink.id)
    )
    count = len(revoked.all())
    audit.record(actor, "revoked funder links", fund.slug, links=count)
    return count


def open_link(token: str) -> AccessLink | None:
    """The link with this token, noted as used; None when it has ended."""
    used = update(AccessLink).where(AccessLink.token_hash == token_hash(token), *_is_valid()).values(last_used_at=func.now())
    return db.session.scalar(used.returning(AccessLink))


def find_link(link_id: int) -> AccessLink | None:
    """The link with this id, if it has not ended."""
    return db.session.scalar(select(AccessLink).where(AccessLink.id == link_id, *_is_valid()))


def funds_of_funder(fund: Fund) -> list[Fund]:
    """The funds of the fund's funder that a link to it opens, in all campaigns: itself, and those that were activated."""
    is_open = or_(Fund.activated_at.is_not(None), Fund.id == fund.id)
    return list(db.session.scalars(select(Fund).where(Fund.funder_id == fund.funder_id, is_open).order_by(Fund.campaign_id, Fund.position)))


def list_links(fund: Fund) -> list[AccessLink]:
    """The links of the fund that have not ended, the latest first."""
    return list(db.session.scalars(select(AccessLink).where(AccessLink.fund_id == fund.id, *_is_valid()).order_by(AccessLink.id.desc())))


def _is_valid() -> tuple[ColumnElement[bool], ...]:
    last_used_at = func.coalesce(AccessLink.last_used_at, AccessLink.created_at)
    return AccessLink.revoked_at.is_(None), AccessLink.expires_at > func.now(), last_used_at > func.now() - IDLE
