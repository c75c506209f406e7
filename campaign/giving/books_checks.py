"""The record of the books' own check: when, how long it took, what it found."""

from datetime import datetime, timedelta

from sqlalchemy import Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db

EVERY = timedelta(minutes=10)


class BooksCheck(Base):
    """One check; right when there is no finding."""

    __tablename__ = "books_check"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    milliseconds: Mapped[int]
    findings: Mapped[list[str]] = mapped_column(ARRAY(Text))


def last() -> BooksCheck | None:
    """The newest check."""
    return db.session.scalar(select(BooksCheck).order_by(BooksCheck.id.desc()).limit(1))


def is_due() -> bool:
    """Whether the last check is ten minutes old."""
    recent = select(BooksCheck.id).where(BooksCheck.at > func.now() - EVERY)
    return db.session.scalar(recent.limit(1)) is None


def record(findings: list[str], *, milliseconds: int) -> None:
    """Keep what a check came to."""
    db.session.add(BooksCheck(findings=findings, milliseconds=milliseconds))
    db.session.flush()
