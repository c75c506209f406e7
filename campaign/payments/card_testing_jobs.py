"""Ends the guard against card testing when it is over."""

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.payments import card_testing


def end_card_testing_guard() -> int:
    """End the guard if it is over. Returns 1 if it was, else 0."""
    ended = card_testing.end_if_over()
    db.session.commit()
    if ended:
        services().waker.wake("mail")
    return int(ended is not None)
