"""What donors without an email address get by post: their receipts, and letters about receipts on paper that are cancelled or replaced.

Staff print it, post it and say so. That can be undone, so that nothing is lost. A letter about a receipt that is replaced goes with the new one
and is posted with it; only one about a receipt without a successor is marked by itself.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, ForeignKey, Select, SQLColumnExpression, and_, delete, exists, func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, aliased, mapped_column

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.donations.donors import DonorMerge
from campaign.edges.db import Base, db
from campaign.outbox.deliveries import FrozenEmail
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.receipts.receipts import Receipt, ReceiptEnd, ReceiptLine, has_ended

# The emails that say what has become of a receipt.
NEWS = (MessageKind.REVERSAL.value, MessageKind.RECEIPT_COPY.value)


class PostedReceipt(Base):
    """A receipt that was printed and posted, and by whom."""

    __tablename__ = "posted_receipt"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    posted_by: Mapped[str]
    posted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PostedNotice(Base):
    """A letter that was printed and posted, and by whom: that this receipt, which the donor has on paper, is cancelled."""

    __tablename__ = "posted_notice"

    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipt.id"), primary_key=True, autoincrement=False)
    posted_by: Mapped[str]
    posted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Posted(NamedTuple):
    """Something that was posted: a receipt, or the letter about one."""

    receipt: Receipt
    is_notice: bool
    by: str
    at: datetime


def mark_posted(receipt_id: int, *, actor: str, is_notice: bool = False) -> bool:
    """Record that the receipt, or the letter about it, was posted. Returns False when it was recorded before."""
    table = PostedNotice if is_notice else PostedReceipt
    row = insert(table).values(receipt_id=receipt_id, posted_by=actor).on_conflict_do_nothing()
    return db.session.scalar(row.returning(table.receipt_id)) is not None


def undo_posted(receipt_id: int, *, is_notice: bool = False) -> bool:
    """Record that it was not posted after all. Returns False when it was not recorded as posted."""
    table = PostedNotice if is_notice else PostedReceipt
    row = delete(table).where(table.receipt_id == receipt_id).returning(table.receipt_id)
    return db.session.scalar(row) is not None


def list_to_post(charity: Charity, *, limit: int) -> list[Receipt]:
    """Valid receipts of donors without an address that were not posted yet, the oldest first."""
    waiting = select(Receipt).where(_is_to_be_posted(), Receipt.charity_id == charity.id)
    return list(db.session.scalars(waiting.order_by(Receipt.id).limit(limit)))


def list_notices_to_post(charity: Charity, *, limit: int) -> list[Receipt]:
    """Receipts that donors have on paper and that are cancelled, which nothing has told them yet; the oldest first."""
    waiting = select(Receipt).where(Receipt.id.in_(_notices_to_post()), Receipt.charity_id == charity.id)
    return list(db.session.scalars(waiting.order_by(Receipt.id).limit(limit)))


def count_to_post(charity: Charity) -> int:
    """How many receipts and letters about cancelled ones were not posted yet."""
    # Counted apart: each has few rows to read, and their alternative in one condition reads all receipts.
    return (db.session.scalar(receipts_to_post_count(literal(charity.id))) or 0) + count_notices_to_post(charity)


def receipts_to_post_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many receipts of the charity were not posted yet."""
    return select(func.count()).select_from(Receipt).where(Receipt.charity_id == charity_id, _is_to_be_posted())


def count_notices_to_post(charity: Charity) -> int:
    """How many letters about cancelled receipts were not posted yet."""
    notices = select(func.count()).select_from(Receipt).where(Receipt.charity_id == charity.id, Receipt.id.in_(_notices_to_post()))
    return db.session.scalar(notices) or 0


def ended_paper_count() -> Select[int]:
    """The query of how many receipts on paper have ended: a charity without such receipts has no letter to post, which is costly to ask."""
    return select(func.count()).select_from(PostedReceipt).join(ReceiptEnd, PostedReceipt.receipt_id == ReceiptEnd.receipt_id)


def list_waiting_gifts(donor_ids: Collection[int]) -> list[Donation]:
    """A gift of each receipt of these donors that waits to be posted: once they have an address, it is mailed instead."""
    first = (
        select(func.min(ReceiptLine.donation_id))
        .join(Receipt, Receipt.id == ReceiptLine.receipt_id)
        .join(Donation, Donation.id == ReceiptLine.donation_id)
    )
    waiting = first.where(_is_to_be_posted(), Donation.donor_id.in_(donor_ids), ReceiptLine.is_current).group_by(Receipt.id)
    return list(db.session.scalars(select(Donation).where(Donation.id.in_(waiting)).order_by(Donation.id)))


def replaced_on_paper(receipt: Receipt) -> Receipt | None:
    """The last of the receipts that this one, or those before it, have replaced which the donor has, on paper or by email; None if they have none."""
    while receipt.replaces_id is not None:
        receipt = db.session.get_one(Receipt, receipt.replaces_id)
        if db.session.scalar(select(or_(_was_posted(receipt.id), _was_mailed(receipt.id)))):
            return receipt
    return None


def has_notice(receipt: Receipt) -> bool:
    """Whether there is a letter about the receipt: it is cancelled and on paper, or replaces one that the donor has."""
    cancelled = or_(Receipt.id.in_(_notices_to_post()), exists().where(PostedNotice.receipt_id == Receipt.id))
    if db.session.scalar(select(cancelled).where(Receipt.id == receipt.id)):
        return True
    return not has_ended(receipt.id) and replaced_on_paper(receipt) is not None


def posting_of(receipt: Receipt) -> PostedReceipt | None:
    """When the receipt itself was posted, and by whom; None if it was not."""
    return db.session.get(PostedReceipt, receipt.id)


def is_to_post(receipt: Receipt) -> bool:
    """Whether the receipt waits to be posted."""
    return db.session.scalar(select(Receipt.id).where(Receipt.id == receipt.id, _is_to_be_posted())) is not None


def list_posted(charity: Charity, *, limit: int) -> list[Posted]:
    """Receipts and letters of the charity that were posted, the latest first."""
    each = (
        select(table.receipt_id, literal(is_notice).label("is_notice"), table.posted_by, table.posted_at)
        .join(Receipt, Receipt.id == table.receipt_id)
        .where(Receipt.charity_id == charity.id)
        for table, is_notice in ((PostedReceipt, False), (PostedNotice, True))
    )
    posted = union_all(*each).subquery()
    found = select(Receipt, posted.c.is_notice, posted.c.posted_by, posted.c.posted_at).join(posted, posted.c.receipt_id == Receipt.id)
    return [Posted(*row) for row in db.session.execute(found.order_by(posted.c.posted_at.desc(), Receipt.id.desc()).limit(limit))]


def _is_to_be_posted() -> ColumnElement[bool]:
    """A condition on a `Receipt`. One that was mailed is with the donor, whose address was erased, or taken back with a merge, since."""
    of_donor = select(ReceiptLine.receipt_id).join(Donation, Donation.id == ReceiptLine.donation_id)
    without_email = of_donor.where(Donation.email == "", ReceiptLine.is_current)
    return and_(Receipt.id.in_(without_email), ~_was_posted(Receipt.id), ~_was_mailed(Receipt.id))


def _notices_to_post() -> Select[int]:
    """The receipts on paper that have ended, unless one that replaces them, directly or through others, is valid or has reached the donor.

    Nor are those of which the donor was told by letter, or by email as they had an address when it ended.
    """
    ended = select(ReceiptEnd.receipt_id).join(PostedReceipt, PostedReceipt.receipt_id == ReceiptEnd.receipt_id)
    was_noticed = exists().where(PostedNotice.receipt_id == ReceiptEnd.receipt_id)
    papers = ended.where(~was_noticed, ~_was_news_mailed()).subquery()
    chain = select(papers.c.receipt_id.label("paper_id"), papers.c.receipt_id.label("receipt_id")).cte("chain", recursive=True)
    later = aliased(Receipt)
    chain = chain.union_all(select(chain.c.paper_id, later.id).join(chain, later.replaces_id == chain.c.receipt_id))
    is_valid = ~exists().where(ReceiptEnd.receipt_id == chain.c.receipt_id)
    has_reached = or_(_was_posted(chain.c.receipt_id), _was_mailed(chain.c.receipt_id))
    answered = select(chain.c.paper_id).where(chain.c.receipt_id != chain.c.paper_id, or_(is_valid, has_reached))
    return select(papers.c.receipt_id).where(papers.c.receipt_id.not_in(answered))


def _was_posted(receipt_id: SQLColumnExpression[int] | int) -> ColumnElement[bool]:
    return exists().where(PostedReceipt.receipt_id == receipt_id)


def _was_mailed(receipt_id: SQLColumnExpression[int] | int) -> ColumnElement[bool]:
    # With an offset it is asked of each receipt, by its index; otherwise the planner may read all emails once.
    return select(FrozenEmail.outbox_id).where(FrozenEmail.receipt_id == receipt_id, _is_to_the_donor()).offset(0).exists()


def _is_to_the_donor() -> ColumnElement[bool]:
    """A condition on a `FrozenEmail`: it did not go to another donor, with whom that of the gift was merged for some time."""
    merge, message, gift = DonorMerge, aliased(OutboxMessage), aliased(Donation)
    elsewhere = (
        select(merge.merged_donor_id)
        .join(gift, gift.donor_id == merge.merged_donor_id)
        .join(message, message.donation_id == gift.id)
        .where(message.id == FrozenEmail.outbox_id, FrozenEmail.frozen_at.between(merge.merged_at, merge.undone_at))
    )
    return ~elsewhere.offset(0).exists()


def _was_news_mailed() -> ColumnElement[bool]:
    """A condition on a `ReceiptEnd`: an email about its gifts was composed since, that says what has become of the receipt."""
    about = and_(OutboxMessage.donation_id == ReceiptLine.donation_id, OutboxMessage.kind.in_(NEWS))
    composed = and_(FrozenEmail.outbox_id == OutboxMessage.id, FrozenEmail.frozen_at >= ReceiptEnd.at, _is_to_the_donor())
    return select(ReceiptLine.receipt_id).where(ReceiptLine.receipt_id == ReceiptEnd.receipt_id, about, composed).offset(0).exists()
