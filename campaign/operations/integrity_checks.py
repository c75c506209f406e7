"""Results of the integrity check: when it ran, how long it took, what it found."""

from datetime import datetime, timedelta

from sqlalchemy import Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import Base, db

INTERVAL = timedelta(minutes=10)
# Several checks in a row have not ended, or nobody starts them: what is wrong with the books would go unseen.
MAX_SILENCE = timedelta(hours=1)


class IntegrityCheck(Base):
    """One check. The books are right when `findings` is empty."""

    __tablename__ = "integrity_check"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    milliseconds: Mapped[int]
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))


def last_check() -> IntegrityCheck | None:
    """The latest check; None before the first."""
    return db.session.scalar(select(IntegrityCheck).order_by(IntegrityCheck.id.desc()).limit(1))


def is_due() -> bool:
    """Whether there was no check within the last ten minutes."""
    recent = select(IntegrityCheck.id).where(IntegrityCheck.at > func.now() - INTERVAL)
    return db.session.scalar(recent.limit(1)) is None


def silent_since() -> datetime | None:
    """Since when no check has ended, if that is more than an hour ago: since the last one, or since the first campaign was created."""
    last = func.coalesce(func.max(IntegrityCheck.at), select(func.min(Campaign.created_at)).scalar_subquery())
    return db.session.scalar(select(last).having(last < func.now() - MAX_SILENCE))


def record(findings: list[str], *, milliseconds: int) -> None:
    """Store the result of a check."""
    db.session.add(IntegrityCheck(findings=findings, milliseconds=milliseconds))
    db.session.flush()
