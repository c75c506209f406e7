"""Donors: one e-mail address, written one way, is one donor."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class Donor(Base):
    """Whoever gives from one address. Names and postal addresses belong to each donation, as each receipt freezes them."""

    __tablename__ = "donor"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def donor_id_for(email: str) -> int:
    """The donor with this address, made if new; safe when two gifts of one donor begin at once."""
    normal = email.strip().casefold()
    made: int | None = db.session.scalar(_add, {"email": normal})
    if made is not None:
        return made
    return db.session.scalars(select(Donor.id).where(Donor.email == normal)).one()


_add = insert(Donor).on_conflict_do_nothing().returning(Donor.id)
