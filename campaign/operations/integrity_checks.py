"""Results of the integrity check: when it ran, how long it took, what it found."""

from datetime import datetime, timedelta

from sqlalchemy import Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db

INTERVAL = timedelta(minutes=10)


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


def record(findings: list[str], *, milliseconds: int) -> None:
    """Store the result of a check."""
    db.session.add(IntegrityCheck(findings=findings, milliseconds=milliseconds))
    db.session.flush()
