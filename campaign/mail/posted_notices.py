"""Letters to post: what a donor without an email address is to know about a receipt that they have on paper, as PDF.

A letter is rendered each time, from the books and the receipts as they are then.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from flask_babel import force_locale

from campaign.campaigns.charities import Charity
from campaign.config import resource
from campaign.donations import donations
from campaign.donations.donations import Donation
from campaign.edges import pdf
from campaign.edges.db import db
from campaign.mail.letters import posted
from campaign.mail.letters.receipt_changes import ReceiptChange
from campaign.mail.letters.receipts import about_offline_reversal
from campaign.payments import offline_gifts
from campaign.payments.status import status_of
from campaign.receipts import awaited, posted_receipts, receipts
from campaign.receipts.receipts import EndReason, Receipt, Status
from campaign.reporting import donation_history
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.texts import donation_timeline, file_names
from campaign.texts.dates import format_day
from campaign.texts.document_labels import receipt_labels
from campaign.texts.file_names import Document

TEMPLATE = resource("templates") / "receipts" / "notice.typ"


def file_name(receipt: Receipt) -> str:
    """The name of the PDF, in the language of the donor."""
    return file_names.file_name(Document.RECEIPT_NOTICE, receipt.serial, language=receipt.content["language"], extension="pdf")


def render_notice(receipt: Receipt) -> bytes:
    """The letter that goes with a valid receipt, or the one that says that this receipt is cancelled. Raises RenderingFailed.

    It is addressed to the donor as their gift has them now: the address may have been corrected since the receipt was issued.
    """
    gifts = donations.donations_by_id(line.donation_id for line in receipts.lines_of(receipt))
    paper = posted_receipts.replaced_on_paper(receipt) if receipts.status_of(receipt) is Status.VALID else receipt
    assert paper is not None and gifts
    first, now = gifts[min(gifts)], datetime.now(UTC)
    text = posted.about_paper(first, _change_of(receipt, paper, first), reasons=_reasons(paper, first.language))
    charity, language = db.session.get_one(Charity, receipt.charity_id), first.language
    labels = receipt_labels(language)
    data = {
        "language": language,
        "charity_name": charity.name(language),
        "charity_address": charity.address,
        "registration_number": f"{labels['registration_number']}{labels['colon']}{charity.registration_number}",
        "day": format_day(charity.local(now).date(), language),
        "donor": [first.full_name, *first.address_lines],
        **vars(text),
    }
    return pdf.render(TEMPLATE, data, at=now)


def _change_of(receipt: Receipt, paper: Receipt, donation: Donation) -> ReceiptChange:
    ended = receipts.end_of(paper)
    assert ended is not None
    if receipt.id == paper.id:
        return ReceiptChange(ended=paper, follows=awaited.awaiting_receipt_of(donation.id) is not None)
    # After several changes, the reason of the first is not why the amount or the name is another.
    return ReceiptChange(receipt=receipt, ended=paper, reason=EndReason(ended.reason) if receipt.replaces_id == paper.id else None)


def _reasons(paper: Receipt, language: str) -> Sequence[str]:
    """What was reversed of its gifts since it was issued, and what the match of each is now, in the language of the letter."""
    reasons = []
    for donation in donations.donations_by_id(line.donation_id for line in receipts.lines_of(paper)).values():
        with force_locale(language):
            reversed_since = [
                about_offline_reversal(donation, kind=OfflineReversalKind(reversal.kind), cents=reversal.cents, language=language)
                for reversal in offline_gifts.reversals_of(donation.id)
                if reversal.at > paper.issued_at
            ]
        if reversed_since:
            match = donation_history.match_status(donation, status_of(donation), language)
            reasons += [" ".join(reversed_since), donation_timeline.match_outcome(match, language)]
    return reasons
