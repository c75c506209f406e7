"""Jobs about money."""

from campaign.edges.outside import outside
from campaign.edges.queue import celery
from campaign.work import handling


@celery.task(name="events.handle")
def handle_events() -> None:
    """Handle all waiting events."""
    outside().waker.begun("money")
    handling.handle_events()
