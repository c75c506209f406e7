"""The pictures printed on receipts: signatures and logos, each kind in a table of its own, keyed by SHA-256.

A picture never changes, because receipts refer to it by hash.
"""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class PrintedPicture(Base):
    """One PNG image."""

    __abstract__ = True

    sha256: Mapped[str] = mapped_column(primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Signature(PrintedPicture):
    """The signature of an authorized individual."""

    __tablename__ = "signature"


class Logo(PrintedPicture):
    """The logo at the head of receipts."""

    __tablename__ = "logo"


def store(kind: type[PrintedPicture], png: bytes) -> str:
    """Store the image; returns its SHA-256 in hexadecimal."""
    digest = sha256(png).hexdigest()
    db.session.execute(insert(kind).values(sha256=digest, png=png).on_conflict_do_nothing())
    return digest


def get_picture(kind: type[PrintedPicture], digest: str) -> bytes:
    """The image of this kind with this SHA-256."""
    return db.session.scalars(select(kind.png).where(kind.sha256 == digest)).one()
