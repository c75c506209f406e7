"""Pictures of signatures that receipts are printed with, by the hash of their bytes; never changed, as a receipt names its own."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class Signature(Base):
    """One picture, a PNG."""

    __tablename__ = "signature"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary)
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


def keep(png: bytes) -> str:
    """Keep the picture; its name."""
    name = sha256(png).hexdigest()
    db.session.execute(insert(Signature).values(sha256=name, png=png).on_conflict_do_nothing())
    return name


def picture(name: str) -> bytes:
    """The picture of this name."""
    return db.session.scalars(select(Signature.png).where(Signature.sha256 == name)).one()
