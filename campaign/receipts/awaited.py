"""Receipts that were cancelled before their replacement could be issued: which they are, and whether a donation waits for one.

The charity may keep a part of a donation while it cannot issue a receipt for it. The old receipt, which states too much, ends at once. The
one for the rest names it when it is issued (Income Tax Regulations, s. 3501(4)).
"""

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import aliased

from campaign.edges.db import db
from campaign.receipts import receipts
from campaign.receipts.receipts import Receipt, ReceiptEnd, ReceiptLine


def is_awaiting() -> ColumnElement[bool]:
    """A condition on a `Receipt`: it was cancelled, and its replacement is still to be issued."""
    later = aliased(Receipt)
    was_cancelled = exists().where(ReceiptEnd.receipt_id == Receipt.id, ReceiptEnd.awaits_replacement)
    return and_(was_cancelled, ~exists().where(later.replaces_id == Receipt.id))


def awaiting_receipt_of(donation_id: int) -> Receipt | None:
    """The cancelled receipt of the donation whose replacement is still to be issued, or None."""
    of_donation = select(Receipt).join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id).where(ReceiptLine.donation_id == donation_id)
    return db.session.scalar(of_donation.where(is_awaiting()).order_by(Receipt.id.desc()).limit(1))


def is_due(donation_id: int) -> bool:
    """Whether the donation never had a receipt, or had one whose replacement is still to be issued."""
    return receipts.last_receipt_of(donation_id) is None or awaiting_receipt_of(donation_id) is not None
