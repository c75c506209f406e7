"""The pictures at the head of campaign pages, keyed by SHA-256. A picture never changes: a campaign refers to it by hash."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import LargeBinary, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.edges.pictures import PagePicture


class CampaignPicture(Base):
    """One JPEG, with its size in pixels. The JPEG is read when it is asked for: a page needs the size alone."""

    __tablename__ = "campaign_picture"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    width: Mapped[int]
    height: Mapped[int]
    added_at: Mapped[datetime] = mapped_column(server_default=func.now())


def store(picture: PagePicture) -> str:
    """Store the picture; returns its SHA-256 in hexadecimal."""
    digest = sha256(picture.jpeg).hexdigest()
    row = {"sha256": digest, "jpeg": picture.jpeg, "width": picture.width, "height": picture.height}
    db.session.execute(insert(CampaignPicture).values(**row).on_conflict_do_nothing())
    return digest


def find_picture(digest: str) -> CampaignPicture | None:
    """The picture with this SHA-256, or None."""
    return db.session.get(CampaignPicture, digest)
