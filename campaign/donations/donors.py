"""Donors: each normalized e-mail address is one donor, unless staff have merged two that are one person (donor_merges.py).

A donor of offline gifts may have none: whoever records the gift says whether it is a new donor.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, ScalarSelect, Text, bindparam, exists, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db

PER_DONATION = "per_donation"
ANNUAL = "annual"


class Donor(Base):
    """One e-mail address, or one person without any. Names and postal addresses belong to each donation, as each receipt freezes them.

    `receipt_preference` is `per_donation`, one receipt for each donation, or `annual`, one receipt for all donations of a year.
    """

    __tablename__ = "donor"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    receipt_preference: Mapped[str] = mapped_column(server_default=PER_DONATION, default=PER_DONATION)


Index("ix_donor_annual", Donor.id, postgresql_where=Donor.receipt_preference == ANNUAL)


class DonorMerge(Base):
    """One merge, and who undid it."""

    __tablename__ = "donor_merge"
    __table_args__ = (Index("merged_into_one_donor", "merged_donor_id", unique=True, postgresql_where=text("undone_at IS NULL")),)

    id: Mapped[int] = mapped_column(primary_key=True)
    primary_donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"), index=True)
    merged_donor_id: Mapped[int] = mapped_column(ForeignKey("donor.id"))
    reason: Mapped[str]
    merged_by: Mapped[str]
    merged_at: Mapped[datetime] = mapped_column(server_default=func.now())
    undone_by: Mapped[str | None]
    undone_at: Mapped[datetime | None]


def wants_annual_receipt(donor_id: int) -> bool:
    """Whether the donor prefers one receipt for the year."""
    return db.session.scalar(select(Donor.receipt_preference).where(Donor.id == donor_id)) == ANNUAL


def set_receipt_preference(donor_id: int, choice: str) -> bool:
    """Set the donor's preference from now on; returns whether it has changed."""
    donor = db.session.get_one(Donor, donor_id, with_for_update=True, populate_existing=True)
    has_changed, donor.receipt_preference = donor.receipt_preference != choice, choice
    db.session.flush()
    return has_changed


def get_or_create_donor_ids(emails: Sequence[str]) -> dict[str, int]:
    """The donor id of each address as passed, inserted if new; safe when two donations of one donor start at the same time."""
    normalized = {email: email.strip().casefold() for email in emails}
    wanted = sorted(set(normalized.values()))  # A fixed order, so that concurrent inserts of the same donors do not deadlock.
    ids: dict[str, int] = dict(iter(db.session.execute(_add, {"emails": wanted})))
    if existing := [email for email in wanted if email not in ids]:
        ids |= dict(iter(db.session.execute(_existing.where(Donor.email.in_(existing)))))
    return {email: ids[normalized[email]] for email in emails}


def create_without_email() -> int:
    """Create a donor who has no e-mail address; returns the id."""
    donor = Donor(email=None)
    db.session.add(donor)
    db.session.flush()
    return donor.id


def donor_at(email: str) -> Donor | None:
    """The donor with exactly this address, merged or not."""
    return db.session.scalar(select(Donor).where(Donor.email == email.strip().casefold()))


def find_donor_ids(emails: Collection[str]) -> dict[str, int]:
    """The id of the donor whose donations come under each address, by the address in small letters; without those that nobody has."""
    wanted = {email.strip().casefold() for email in emails}
    return dict(iter(db.session.execute(_existing.where(Donor.email.in_(wanted)))))


def donor_with(email: str) -> ScalarSelect[int]:
    """The id of the donor whose donations come under this address, for queries; NULL when there is none."""
    return _existing.with_only_columns(_id).where(Donor.email == email.strip().casefold()).scalar_subquery()


def is_current() -> ColumnElement[bool]:
    """The condition that a donor is not merged into another one, for queries."""
    return ~exists().where(DonorMerge.merged_donor_id == Donor.id, DonorMerge.undone_at.is_(None))


_id = func.coalesce(DonorMerge.primary_donor_id, Donor.id)
_existing = select(func.coalesce(Donor.email, ""), _id).outerjoin(
    DonorMerge, (DonorMerge.merged_donor_id == Donor.id) & DonorMerge.undone_at.is_(None)
)
_new = func.unnest(bindparam("emails", type_=ARRAY(Text))).table_valued("email").render_derived()
_add = (
    insert(Donor.__table__)  # type: ignore[arg-type]  # a declarative class's table is a Table
    .from_select(["email"], select(_new.c.email), include_defaults=False)
    .on_conflict_do_nothing()
    .returning(Donor.__table__.c.email, Donor.__table__.c.id)
)
