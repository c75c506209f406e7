"""What has changed about the receipt of a donation since the donor was last sent one."""

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail.letters.receipt_changes import ReceiptChange
from campaign.outbox import deliveries
from campaign.receipts import awaited, posted_receipts, receipts
from campaign.receipts.receipts import EndReason, Receipt


def receipt_change_of(donation: Donation) -> ReceiptChange:
    """The receipt that was not sent yet, and the one that it replaces or that was cancelled."""
    last = receipts.last_receipt_of(donation.id)
    if last is None:
        return ReceiptChange()
    if (end := receipts.end_of(last)) is not None:
        # A receipt for several donations is replaced by one without this donation.
        replacement, follows = receipts.replacement_of(last), awaited.awaiting_receipt_of(donation.id) is not None
        unsent = None if replacement is None or deliveries.is_emailed(replacement.id) else replacement
        return ReceiptChange(receipt=unsent, ended=last, reason=EndReason(end.reason), follows=follows)
    if deliveries.is_emailed(last.id):
        return ReceiptChange()
    # The one that the donor has: those between may have been replaced before they were sent.
    replaced = posted_receipts.replaced_on_paper(last) or (db.session.get(Receipt, last.replaces_id) if last.replaces_id else None)
    end = receipts.end_of(replaced) if replaced else None
    return ReceiptChange(
        receipt=last, ended=replaced, reason=EndReason(end.reason) if end and replaced and last.replaces_id == replaced.id else None
    )
