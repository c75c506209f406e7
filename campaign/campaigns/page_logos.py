"""The logos at the head of donors' pages, keyed by SHA-256. A logo never changes: a charity refers to it by hash."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.pictures import LogoPicture
from campaign.rules.pictures import shown_size


class PageLogo(Base):
    """One PNG, with its size in pixels."""

    __tablename__ = "page_logo"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    png: Mapped[bytes] = mapped_column(LargeBinary)
    width: Mapped[int]
    height: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, kw_only=True)
class ShownLogo:
    """A logo as a page refers to it, with the size in CSS pixels at which it is shown."""

    digest: str
    width: int
    height: int


def store(logo: LogoPicture) -> str:
    """Store the logo; returns its SHA-256 in hexadecimal."""
    digest = sha256(logo.png).hexdigest()
    row = {"sha256": digest, "png": logo.png, "width": logo.width, "height": logo.height}
    db.session.execute(insert(PageLogo).values(**row).on_conflict_do_nothing())
    return digest


def find_logo(digest: str) -> PageLogo | None:
    """The logo with this SHA-256, or None."""
    return db.session.get(PageLogo, digest)


def shown_logo(digest: str | None) -> ShownLogo | None:
    """The logo with this SHA-256 as a page refers to it, without reading the picture; None without one."""
    if digest is None:
        return None
    width, height = shown_size(*db.session.execute(select(PageLogo.width, PageLogo.height).where(PageLogo.sha256 == digest)).one())
    return ShownLogo(digest=digest, width=width, height=height)
