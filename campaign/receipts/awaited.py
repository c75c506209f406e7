"""Receipts that were cancelled before their replacement could be issued: which they are, and whether a donation waits for one.

The charity may keep a part of a donation while it cannot issue a receipt for it. The old receipt, which states too much, ends at once. The
one for the rest names it when it is issued (Income Tax Regulations, s. 3501(4)).
"""

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import aliased

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts import receipts
from campaign.receipts.receipts import EndReason, Receipt, ReceiptEnd, ReceiptLine


def is_awaiting() -> ColumnElement[bool]:
    """A condition on a `Receipt`: it was cancelled, and its replacement is still to be issued."""
    later = aliased(Receipt)
    was_cancelled = exists().where(ReceiptEnd.receipt_id == Receipt.id, ReceiptEnd.awaits_replacement)
    return and_(was_cancelled, ~exists().where(later.replaces_id == Receipt.id))


def awaiting_receipt_of(donation_id: int) -> Receipt | None:
    """The cancelled receipt of the donation whose replacement is still to be issued, or None."""
    of_donation = select(Receipt).join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id).where(ReceiptLine.donation_id == donation_id)
    return db.session.scalar(of_donation.where(is_awaiting()).order_by(Receipt.id.desc()).limit(1))


def has_no_receipt() -> ColumnElement[bool]:
    """A condition on a `Donation`: it has no valid receipt, none that staff voided, and none whose replacement is still to be issued."""
    is_on = ReceiptLine.donation_id == Donation.id
    is_valid = exists().where(is_on, ReceiptLine.is_current)
    was_voided = exists().where(is_on, ReceiptEnd.receipt_id == ReceiptLine.receipt_id, ReceiptEnd.reason == EndReason.VOID)
    awaits_other = exists().where(is_on, ReceiptLine.receipt_id == Receipt.id, is_awaiting())
    return and_(~is_valid, ~was_voided, ~awaits_other)


def is_due(donation: Donation) -> bool:
    """Whether the donation never had a receipt, had one whose replacement is still to be issued, or was reinstated after its receipt had ended."""
    last = receipts.last_receipt_of(donation.id)
    if last is None or awaiting_receipt_of(donation.id) is not None:
        return True
    ended = receipts.end_of(last)
    return ended is not None and ended.reason == EndReason.RETURNED and donation.net_cents > 0
