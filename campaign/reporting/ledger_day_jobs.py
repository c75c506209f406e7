"""Stores the sums of the ledger by day (ledger_days.py), and the donors and gifts of funds (fund_reach.py), once a day has ended."""

from datetime import UTC, datetime

from sqlalchemy import select

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.reporting import fund_reach, ledger_days


def store_ended_days() -> int:
    """Store the sums of each campaign's days that have ended. Returns how many days were stored."""
    count = 0
    for campaign in db.session.scalars(select(Campaign).order_by(Campaign.id)).all():
        count += ledger_days.store_ended_days(campaign, now=datetime.now(UTC))
        db.session.commit()
        fund_reach.store_ended_days(campaign)
        db.session.commit()
    return count
