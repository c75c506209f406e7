"""The logos printed at the head of receipts, keyed by their SHA-256. An image never changes, because receipts refer to it by hash."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class Logo(Base):
    """One PNG image."""

    __tablename__ = "logo"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


def store(png: bytes) -> str:
    """Store the image; returns its SHA-256 in hexadecimal."""
    digest = sha256(png).hexdigest()
    db.session.execute(insert(Logo).values(sha256=digest, png=png).on_conflict_do_nothing())
    return digest


def get_picture(digest: str) -> bytes:
    """The image with this SHA-256."""
    return db.session.scalars(select(Logo.png).where(Logo.sha256 == digest)).one()
