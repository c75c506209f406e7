"""Lets gifts that staff agreed to show appear, in batches on the hour (rules/wall_batches.py)."""

from datetime import UTC, datetime

from campaign.campaigns.campaigns import list_campaigns
from campaign.donations import wall_entries
from campaign.edges.db import db


def begin_batches() -> int:
    """Begin the batch of the next full hour in each campaign. Returns how many gifts are in them."""
    begun = 0
    for campaign in list_campaigns():
        begun += wall_entries.begin_batch(campaign, now=datetime.now(UTC))
        db.session.commit()
    return begun
