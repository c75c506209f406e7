"""Jobs about money."""

from campaign import jobs
from campaign.edges.outside import outside
from campaign.edges.queue import celery


@celery.task(name="events.handle")
def handle_events() -> None:
    """Handle all waiting events."""
    outside().waker.begun("money")
    jobs.handle_events()
