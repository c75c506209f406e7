"""Tasks of the mail queue."""

from campaign.edges.services import services
from campaign.edges.wakeups import celery
from campaign.mail import send_jobs


@celery.task(name="outbox.send")
def send_due() -> None:
    """Send the messages that are due."""
    services().waker.started("mail")
    send_jobs.send_due()
