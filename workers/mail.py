"""Jobs about mail."""

from campaign.edges.outside import outside
from campaign.edges.queue import celery
from campaign.work import owed


@celery.task(name="outbox.send")
def send_owed() -> None:
    """Do what is owed to the outside."""
    outside().waker.begun("mail")
    owed.send_owed()
