"""Private links to a fund’s report: stored as a hash, they expire and can be revoked."""

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, LargeBinary, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.matching.funds import Fund


class AccessLink(Base):
    """A link to a fund's report. Only the SHA-256 of its token is stored."""

    __tablename__ = "access_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


def add_link(fund: Fund, *, token_hash: bytes, expires_at: datetime) -> AccessLink:
    """Add a link to the fund's report. `token_hash` is the SHA-256 of its token."""
    link = AccessLink(fund_id=fund.id, token_hash=token_hash, expires_at=expires_at)
    db.session.add(link)
    db.session.flush()
    return link


def revoke_links(fund: Fund) -> int:
    """Revoke all links of the fund; returns how many."""
    revoked = db.session.execute(
        update(AccessLink)
        .where(AccessLink.fund_id == fund.id, AccessLink.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(AccessLink.id)
    )
    return len(revoked.all())


def link_by_hash(token_hash: bytes) -> AccessLink | None:
    """The link with this token hash, if it is neither expired nor revoked."""
    return db.session.scalar(select(AccessLink).where(AccessLink.token_hash == token_hash, *_is_valid()))


def link_by_id(link_id: int) -> AccessLink | None:
    """The link with this id, if it is neither expired nor revoked."""
    return db.session.scalar(select(AccessLink).where(AccessLink.id == link_id, *_is_valid()))


def _is_valid() -> tuple[ColumnElement[bool], ...]:
    return AccessLink.revoked_at.is_(None), AccessLink.expires_at > func.now()
