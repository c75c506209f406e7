"""Private links to a fund’s report: stored as a hash, they end after 90 days or 45 days without use, and can be revoked. Each is its lead funder’s or
a contributor’s, and opens the other funds of the same funder too.

Whoever opens a link has a session in their browser, of half an hour without use and twelve hours in all.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, func, or_, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.mailed_tokens import token_hash
from campaign.edges.services import services
from campaign.funders.contributors import FundContributor, funder_of
from campaign.matching.funds import Fund
from campaign.staff import audit

LIFETIME = timedelta(days=90)
IDLE = timedelta(days=45)
SESSION_IDLE = timedelta(minutes=30)
MAX_SESSION = timedelta(hours=12)
# Who makes the links in reports.
SERVICE = "the service"


class AccessLink(Base):
    """A link to a fund's report, for its lead funder or for the contributor that `funder_id` names. Only the SHA-256 of its token is stored."""

    __tablename__ = "access_link"
    __table_args__ = (
        ForeignKeyConstraint(
            ["fund_id", "funder_id"], ["fund_contributor.fund_id", "fund_contributor.funder_id"], name="link_is_of_contributor"
        ),
        Index("ix_access_link_funder_id", "funder_id", postgresql_where=text("funder_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), index=True)
    funder_id: Mapped[int | None]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def ends_at(self) -> datetime:
        """When it ends if it is not used before."""
        return min(self.expires_at, (self.last_used_at or self.created_at) + IDLE)


def create_link(fund: Fund, *, contributor: FundContributor | None = None, actor: str) -> str:
    """Create a link for the lead funder, or for a contributor to a fund that was activated; return its URL, which is stored nowhere."""
    assert contributor is None or fund.activated_at, fund.slug
    token, funder_id = secrets.token_urlsafe(32), contributor.funder_id if contributor else None
    db.session.add(AccessLink(fund_id=fund.id, funder_id=funder_id, token_hash=token_hash(token), expires_at=func.now() + LIFETIME))
    audit.record(actor, "made a funder link", fund.slug, **_named(contributor))
    db.session.flush()
    return services().links.funder_report(token)


def revoke_links(fund: Fund, *, contributor: FundContributor | None = None, actor: str) -> int:
    """Revoke all links of the fund's lead funder, or of the contributor; returns how many. Sessions that were begun with them end."""
    revoked = db.session.execute(
        update(AccessLink)
        .where(*_is_of(fund, contributor), AccessLink.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(AccessLink.id)
    )
    count = len(revoked.all())
    audit.record(actor, "revoked funder links", fund.slug, links=count, **_named(contributor))
    return count


def _is_of(fund: Fund, contributor: FundContributor | None) -> tuple[ColumnElement[bool], ...]:
    return AccessLink.fund_id == fund.id, AccessLink.funder_id.is_not_distinct_from(contributor.funder_id if contributor else None)


def _named(contributor: FundContributor | None) -> dict[str, str]:
    return {"contributor": funder_of(contributor).name_en} if contributor else {}


def open_link(token: str) -> AccessLink | None:
    """The link with this token, noted as used; None when it has ended."""
    used = update(AccessLink).where(AccessLink.token_hash == token_hash(token), *_is_valid()).values(last_used_at=func.now())
    return db.session.scalar(used.returning(AccessLink))


def find_link(link_id: int) -> AccessLink | None:
    """The link with this id, if it has not ended."""
    return db.session.scalar(select(AccessLink).where(AccessLink.id == link_id, *_is_valid()))


def funds_of_funder(fund: Fund) -> list[Fund]:
    """The funds that the fund's lead funder leads, in all campaigns: itself, and those that were activated."""
    is_open = or_(Fund.activated_at.is_not(None), Fund.id == fund.id)
    return list(db.session.scalars(select(Fund).where(Fund.funder_id == fund.funder_id, is_open).order_by(Fund.campaign_id, Fund.position)))


def funder_id_of(link: AccessLink) -> int:
    """The funder whose link it is."""
    return link.funder_id or db.session.get_one(Fund, link.fund_id).funder_id


def funds_opened_by(link: AccessLink) -> list[Fund]:
    """The funds that the link opens, in all campaigns: its own, and those that were activated and its funder leads or contributes to."""
    funder_id, c = funder_id_of(link), FundContributor
    is_theirs = or_(Fund.funder_id == funder_id, Fund.id.in_(select(c.fund_id).where(c.funder_id == funder_id)))
    is_open = or_(Fund.activated_at.is_not(None), Fund.id == link.fund_id)
    return list(db.session.scalars(select(Fund).where(is_theirs, is_open).order_by(Fund.campaign_id, Fund.position)))


def list_links(fund: Fund, contributor: FundContributor | None = None) -> list[AccessLink]:
    """The links of the fund's lead funder, or of the contributor, that have not ended, the latest first."""
    return list(db.session.scalars(select(AccessLink).where(*_is_of(fund, contributor), *_is_valid()).order_by(AccessLink.id.desc())))


def _is_valid() -> tuple[ColumnElement[bool], ...]:
    last_used_at = func.coalesce(AccessLink.last_used_at, AccessLink.created_at)
    return AccessLink.revoked_at.is_(None), AccessLink.expires_at > func.now(), last_used_at > func.now() - IDLE
