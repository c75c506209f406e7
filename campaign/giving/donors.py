"""Donors: one e-mail address, written one way, is one donor."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Index, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db

EACH = "each"
YEARLY = "yearly"


class Donor(Base):
    """Whoever gives from one address. Names and postal addresses belong to each donation, as each receipt freezes them.

    `receipts` says whether each gift gets a receipt, or all gifts of a year one.
    """

    __tablename__ = "donor"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    receipts: Mapped[str] = mapped_column(server_default=EACH, default=EACH)


Index("ix_donor_yearly", Donor.id, postgresql_where=Donor.receipts == YEARLY)


def wants_yearly(donor_id: int) -> bool:
    """Whether the donor wishes one receipt for the year."""
    return db.session.scalar(select(Donor.receipts).where(Donor.id == donor_id)) == YEARLY


def choose_receipts(donor_id: int, choice: str) -> bool:
    """What the donor wishes from now on; False when it is as before."""
    donor = db.session.get_one(Donor, donor_id, with_for_update=True, populate_existing=True)
    is_other, donor.receipts = donor.receipts != choice, choice
    db.session.flush()
    return is_other


def donor_ids_for(emails: Sequence[str]) -> dict[str, int]:
    """The donor of each address as it was written, made if new; safe when two gifts of one donor begin at once."""
    normal = {email: email.strip().casefold() for email in emails}
    wanted = sorted(set(normal.values()))  # One order for all, so that two who add the same donors wait for each other in turn.
    ids: dict[str, int] = dict(iter(db.session.execute(_add, {"emails": wanted})))
    if there := [email for email in wanted if email not in ids]:
        ids |= dict(iter(db.session.execute(select(Donor.email, Donor.id).where(Donor.email.in_(there)))))
    return {email: ids[normal[email]] for email in emails}


_new = func.unnest(bindparam("emails", type_=ARRAY(Text))).table_valued("email").render_derived()
_add = (
    insert(Donor.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
    .from_select(["email"], select(_new.c.email), include_defaults=False)
    .on_conflict_do_nothing()
    .returning(Donor.__table__.c.email, Donor.__table__.c.id)
)
