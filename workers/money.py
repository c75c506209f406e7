"""Tasks of the money queue."""

from campaign.edges.services import services
from campaign.edges.wakeups import celery
from campaign.stripe_sync import event_jobs


@celery.task(name="events.handle")
def handle_events() -> None:
    """Handle all pending Stripe events."""
    services().waker.started("money")
    event_jobs.handle_events()
