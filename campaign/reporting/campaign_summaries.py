"""What goes on in a campaign that is about to be closed."""

from dataclasses import dataclass

from sqlalchemy import func, select

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.recurring.recurring_gifts import RecurringGift


@dataclass(frozen=True, kw_only=True)
class GiftsUnderWay:
    """How many donors are paying at this moment, and how many monthly gifts go on."""

    unpaid: int
    monthly: int


def gifts_under_way(campaign: Campaign) -> GiftsUnderWay:
    """Count the open checkouts and the monthly gifts of the campaign."""
    d, r = Donation, RecurringGift
    unpaid = select(func.count()).where(
        d.campaign_id == campaign.id, d.received_at.is_(None), d.ended_at.is_(None), d.checkout_expires_at > func.now()
    )
    monthly = (
        select(func.count())
        .join(d, d.id == r.donation_id)
        .where(d.campaign_id == campaign.id, r.ended_at.is_(None), r.subscription.is_not(None))
    )
    return GiftsUnderWay(unpaid=db.session.scalar(unpaid) or 0, monthly=db.session.scalar(monthly.select_from(r)) or 0)
