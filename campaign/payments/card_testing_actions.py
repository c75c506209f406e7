"""Actions of staff on the guard against card testing. Each commits, together with its audit row, and wakes the mail."""

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.payments import card_testing


def begin_guard(actor: str) -> bool:
    """Begin the guard. Returns False when it is on already."""
    return _complete(has_changed=card_testing.begin_by_hand(actor) is not None)


def end_guard(actor: str) -> bool:
    """End the guard. Returns False when it is off already."""
    return _complete(has_changed=card_testing.end_by_hand(actor) is not None)


def _complete(*, has_changed: bool) -> bool:
    db.session.commit()
    if has_changed:
        services().waker.wake("mail")
    return has_changed
