"""Publishes the heads of the hash chains once a day."""

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.reporting import published_heads

EVERY_HOURS = 24


def publish_heads() -> int:
    """Publish the present heads if none was published for a day. Returns how many were new. Raises SigningKeyMissing."""
    if not published_heads.is_due(hours=EVERY_HOURS):
        db.session.rollback()
        return 0
    count = published_heads.publish(services().signing_key)
    db.session.commit()
    return count
