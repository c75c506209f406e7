"""Messages that a funder may read: those of gifts that their fund matches, whose donor and a member of staff agreed to it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from campaign.donations.donations import Donation
from campaign.donations.shared_messages import SharedMessage
from campaign.donations.showing import Decision
from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.matching.holds import DonationMatch


@dataclass(frozen=True, kw_only=True)
class ShownMessage:
    """A message, the language of its donor, and when the gift was received, of which the month may be shown."""

    text: str
    language: str
    received_at: datetime


def messages_for(fund: Fund, *, until: datetime, limit: int) -> list[ShownMessage]:
    """The messages for the funder of gifts that were received before this moment, the latest gift first.

    Whoever withdrew their agreement since, or had their gift refunded in full, is left out at every moment.
    """
    s, d, m = SharedMessage, Donation, DonationMatch
    is_agreed = (s.decision == Decision.AGREED, s.decided_at < until, s.withdrawn_at.is_(None))
    is_gift = (d.received_at < until, d.net_cents > 0, d.message != "")
    query = select(d.message, d.language, d.received_at).join(s, s.donation_id == d.id).join(m, m.donation_id == d.id)
    query = query.where(m.fund_id == fund.id, m.matched_cents > 0, *is_agreed, *is_gift).order_by(s.donation_id.desc()).limit(limit)
    return [ShownMessage(text=text, language=language, received_at=at) for text, language, at in db.session.execute(query) if at]
