"""Composes the news that a gift without Stripe was reversed: its payment came back, it was recorded by mistake, or money was given back."""

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.mail.letters import receipts as receipt_emails
from campaign.mail.receipt_changes import receipt_change_of
from campaign.outbox import deliveries
from campaign.outbox.deliveries import EmailContent
from campaign.payments.offline_gifts import OfflineReversal
from campaign.rules.offline_gifts import OfflineReversalKind


def compose(donation: Donation, reversal_id: int, *, url: str, outcome: str) -> EmailContent | None:
    """The e-mail; None for a gift that was recorded by mistake and of which the donor had none yet. `outcome` describes the match."""
    reversal = db.session.get_one(OfflineReversal, reversal_id)
    kind, change = OfflineReversalKind(reversal.kind), receipt_change_of(donation)
    is_known = change.ended is not None or deliveries.has_email_about(donation.id)
    if kind is OfflineReversalKind.MISTAKE and not is_known:
        return None
    return receipt_emails.offline_gift_reversed(donation, kind=kind, cents=reversal.cents, page_url=url, outcome=outcome, change=change)
