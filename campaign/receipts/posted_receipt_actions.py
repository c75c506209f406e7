"""Actions of staff on what is posted: each commits once, with its audit row; twice, it changes nothing."""

from campaign.edges.db import db
from campaign.receipts import posted_receipts
from campaign.receipts.receipts import Receipt
from campaign.staff import audit


def mark_posted(receipt: Receipt, *, actor: str) -> None:
    """Record that the receipt was printed and posted, with the letter about the one that it replaces."""
    if posted_receipts.mark_posted(receipt.id, actor=actor):
        audit.record(actor, "posted a receipt", receipt.serial, of_charity=receipt.charity_id)
    db.session.commit()


def undo_posted(receipt: Receipt, *, actor: str) -> None:
    """Record that the receipt was not posted after all."""
    if posted_receipts.undo_posted(receipt.id):
        audit.record(actor, "took back that a receipt was posted", receipt.serial, of_charity=receipt.charity_id)
    db.session.commit()


def mark_notice_posted(receipt: Receipt, *, actor: str) -> None:
    """Record that the letter about the cancelled receipt was printed and posted."""
    if posted_receipts.mark_posted(receipt.id, actor=actor, is_notice=True):
        audit.record(actor, "posted a letter about a receipt", receipt.serial, of_charity=receipt.charity_id)
    db.session.commit()


def undo_notice_posted(receipt: Receipt, *, actor: str) -> None:
    """Record that the letter was not posted after all."""
    if posted_receipts.undo_posted(receipt.id, is_notice=True):
        audit.record(actor, "took back that a letter about a receipt was posted", receipt.serial, of_charity=receipt.charity_id)
    db.session.commit()
