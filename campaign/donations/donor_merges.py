"""Donors who are one person under two addresses, merged into one of them, and separated again.

Donations that come under the merged address belong to the donor who was kept. A trigger moves what donors have donated and funds have matched.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, Index, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.donations.donors import Donor, DonorMerge
from campaign.edges.db import Base, db


class DonorMove(Base):
    """A donation that a merge moved, and the email address that it had."""

    __tablename__ = "donor_move"

    merge_id: Mapped[int] = mapped_column(ForeignKey("donor_merge.id"), primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True, index=True)
    email: Mapped[str]
    moved_at: Mapped[datetime] = mapped_column(server_default=func.now())


Index("ix_donor_move_lower_email", func.lower(DonorMove.email))


class NotMergeable(Exception):
    """One of the donors is part of another merge, or both are the same."""


class EmailWouldBeLost(NotMergeable):
    """The donor who would be kept has no email address and the other one has: they could not be written to."""


def lock_donors(*donor_ids: int) -> list[Donor]:
    """Lock these donors, in the order of their ids, and return them as passed. Donations that are being inserted do not wait."""
    query = select(Donor).where(Donor.id.in_(donor_ids)).order_by(Donor.id).with_for_update(key_share=True)
    found = {donor.id: donor for donor in db.session.scalars(query, execution_options={"populate_existing": True})}
    return [found[donor_id] for donor_id in donor_ids]


def create(primary: Donor, merged: Donor, *, actor: str, reason: str) -> DonorMerge:
    """Create a merge of two locked donors. Raises NotMergeable: a donor with merges cannot be merged into another one."""
    both = (primary.id, merged.id)
    m = DonorMerge
    current = select(m.id).where(m.undone_at.is_(None), or_(m.merged_donor_id.in_(both), m.primary_donor_id == merged.id))
    if primary.id == merged.id or db.session.scalar(current.limit(1)) is not None:
        raise NotMergeable
    if primary.email is None and merged.email is not None:
        raise EmailWouldBeLost
    merge = DonorMerge(primary_donor_id=primary.id, merged_donor_id=merged.id, merged_by=actor, reason=reason)
    db.session.add(merge)
    db.session.flush()
    return merge


def move_donations(merge: DonorMerge, primary: Donor, merged: Donor) -> None:
    """Move the merged donor's donations to the donor who is kept, and to their address."""
    _move(lock_donations_of(merged.id), merge, primary, merged)


def move_strays(donations: Sequence[Donation]) -> None:
    """Move those of these donations whose donor was merged into another one after they got their donor. Their campaigns are locked, so none is later."""
    donor_ids = {donation.donor_id for donation in donations}
    current = select(DonorMerge).where(DonorMerge.merged_donor_id.in_(donor_ids), DonorMerge.undone_at.is_(None))
    for merge in db.session.scalars(current).all() if donor_ids else ():
        primary, merged = (db.session.get_one(Donor, donor_id) for donor_id in (merge.primary_donor_id, merge.merged_donor_id))
        _move([donation for donation in donations if donation.donor_id == merged.id], merge, primary, merged)


def _move(donations: Sequence[Donation], merge: DonorMerge, primary: Donor, merged: Donor) -> None:
    for donation in donations:
        db.session.execute(
            insert(DonorMove).values(merge_id=merge.id, donation_id=donation.id, email=donation.email).on_conflict_do_nothing()
        )
        donation.donor_id = primary.id
        if donation.email.casefold() == (merged.email or ""):
            donation.email = primary.email or donation.email
    db.session.flush()


def move_back(merge: DonorMerge, primary: Donor, merged: Donor) -> list[Donation]:
    """Move back the donations of an undone merge, the later months of their monthly gifts, and what was given since then under the merged address.

    Returns the donations.
    """
    earlier = {move.donation_id: move.email for move in db.session.scalars(select(DonorMove).where(DonorMove.merge_id == merge.id))}
    own = lock_donations_of(primary.id)
    monthly = {d.recurring_gift_id for d in own if d.id in earlier and d.recurring_gift_id is not None}
    is_like_merged = {merged.email} - {None}
    donations = [d for d in own if d.id in earlier or d.email.casefold() in is_like_merged or d.recurring_gift_id in monthly]
    for donation in donations:
        donation.donor_id = merged.id
        if donation.email.casefold() == (primary.email or ""):
            donation.email = earlier.get(donation.id, merged.email or "")
    db.session.flush()
    return donations


def lock_donations_of(donor_id: int) -> list[Donation]:
    """The donor's donations, locked in the order of their ids."""
    own = select(Donation).where(Donation.donor_id == donor_id).order_by(Donation.id).with_for_update(key_share=True)
    return list(db.session.scalars(own, execution_options={"populate_existing": True}))


def find_stray() -> DonorMerge | None:
    """A merge whose merged donor has a donation all the same: its checkout was being inserted while the two were merged."""
    stray = select(DonorMerge).join(Donation, Donation.donor_id == DonorMerge.merged_donor_id).where(DonorMerge.undone_at.is_(None))
    return db.session.scalar(stray.limit(1))


def merges_of(donor_id: int) -> Sequence[DonorMerge]:
    """The merges that the donor is or was part of, the latest first."""
    of_donor = select(DonorMerge).where(or_(DonorMerge.primary_donor_id == donor_id, DonorMerge.merged_donor_id == donor_id))
    return db.session.scalars(of_donor.order_by(DonorMerge.id.desc())).all()


def ids_of_person(donor_id: int) -> list[int]:
    """The donor and those who are merged into them: one person."""
    merged = select(DonorMerge.merged_donor_id).where(DonorMerge.primary_donor_id == donor_id, DonorMerge.undone_at.is_(None))
    return [donor_id, *db.session.scalars(merged.order_by(DonorMerge.id))]


def merged_into(donor_id: int) -> int | None:
    """The donor into whom this one is merged; None for one who is not."""
    current = select(DonorMerge.primary_donor_id).where(DonorMerge.merged_donor_id == donor_id, DonorMerge.undone_at.is_(None))
    return db.session.scalar(current)


def has_moved_since(moment: datetime) -> bool:
    """Whether any donation has moved from one donor to another since then."""
    moved, undone = exists().where(DonorMove.moved_at >= moment), exists().where(DonorMerge.undone_at >= moment)
    return db.session.scalar(select(or_(moved, undone))) is True
