"""Jobs about mail."""

from campaign import jobs
from campaign.edges.outside import outside
from campaign.edges.queue import celery


@celery.task(name="outbox.send")
def send_owed() -> None:
    """Do what is owed to the outside."""
    outside().waker.begun("mail")
    jobs.send_owed()
