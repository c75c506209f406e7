"""Portraits of the people behind matching funds, keyed by SHA-256. One that no fund shows any more is deleted."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import LargeBinary, delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.pictures import PagePicture


class Portrait(Base):
    """One square JPEG, with its side in pixels."""

    __tablename__ = "portrait"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)
    side: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


def store(picture: PagePicture) -> str:
    """Store the portrait; returns its SHA-256 in hexadecimal."""
    digest = sha256(picture.jpeg).hexdigest()
    db.session.execute(insert(Portrait).values(sha256=digest, jpeg=picture.jpeg, side=picture.width).on_conflict_do_nothing())
    return digest


def delete_portrait(digest: str) -> None:
    """Delete a portrait that no fund refers to."""
    db.session.execute(delete(Portrait).where(Portrait.sha256 == digest))
