"""Receipts of donors without an email address: staff print them, post them and say so. That can be undone, so that nothing is lost."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, and_, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.receipts.receipts import Receipt, ReceiptLine


class PostedReceipt(Base):
    """A receipt that was printed and posted, and by whom."""

    __tablename__ = "posted_receipt"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    posted_by: Mapped[str]
    posted_at: Mapped[datetime] = mapped_column(server_default=func.now())


def mark_posted(receipt_id: int, *, actor: str) -> bool:
    """Record that the receipt was posted. Returns False when it was recorded before."""
    row = insert(PostedReceipt).values(receipt_id=receipt_id, posted_by=actor).on_conflict_do_nothing()
    return db.session.scalar(row.returning(PostedReceipt.receipt_id)) is not None


def undo_posted(receipt_id: int) -> bool:
    """Record that the receipt was not posted after all. Returns False when it was not recorded as posted."""
    row = delete(PostedReceipt).where(PostedReceipt.receipt_id == receipt_id).returning(PostedReceipt.receipt_id)
    return db.session.scalar(row) is not None


def list_to_post(charity: Charity, *, limit: int) -> list[Receipt]:
    """Valid receipts of donors without an address that were not posted yet, the oldest first."""
    waiting = select(Receipt).where(_is_to_be_posted(), Receipt.charity_id == charity.id)
    return list(db.session.scalars(waiting.order_by(Receipt.id).limit(limit)))


def count_to_post(charity: Charity) -> int:
    """The number of valid receipts that were not posted yet."""
    waiting = select(func.count()).select_from(Receipt).where(_is_to_be_posted(), Receipt.charity_id == charity.id)
    return db.session.scalar(waiting) or 0


def list_waiting_gifts(donor_ids: Collection[int]) -> list[Donation]:
    """A gift of each receipt of these donors that waits to be posted: once they have an address, it is mailed instead."""
    first = (
        select(func.min(ReceiptLine.donation_id))
        .join(Receipt, Receipt.id == ReceiptLine.receipt_id)
        .join(Donation, Donation.id == ReceiptLine.donation_id)
    )
    waiting = first.where(_is_to_be_posted(), Donation.donor_id.in_(donor_ids), ReceiptLine.is_current).group_by(Receipt.id)
    return list(db.session.scalars(select(Donation).where(Donation.id.in_(waiting)).order_by(Donation.id)))


def _is_to_be_posted() -> ColumnElement[bool]:
    of_donor = select(ReceiptLine.receipt_id).join(Donation, Donation.id == ReceiptLine.donation_id)
    without_email = of_donor.where(Donation.email == "", ReceiptLine.is_current)
    was_posted = exists().where(PostedReceipt.receipt_id == Receipt.id)
    return and_(Receipt.id.in_(without_email), ~was_posted)


def list_posted(*, limit: int) -> list[tuple[PostedReceipt, Receipt]]:
    """Receipts that were posted, the latest first."""
    posted = select(PostedReceipt, Receipt).join(Receipt, Receipt.id == PostedReceipt.receipt_id).order_by(PostedReceipt.posted_at.desc())
    return [(row, receipt) for row, receipt in db.session.execute(posted.limit(limit))]
