"""Handles stored events again, in batches, so that new events do not wait for all of them."""

from campaign.edges.db import db
from campaign.staff import audit
from campaign.stripe_sync import inbox
from campaign.stripe_sync.event_jobs import handle_events

BATCH_SIZE = 400


def replay(event_id: str | None, *, only_dead: bool, actor: str) -> tuple[int, int]:
    """Requeue and handle one event by its id at Stripe, all events, or all dead-lettered ones.

    Returns how many were requeued, and how many of them are not done afterwards.
    """
    audit.record(actor, "events handled again", event_id or ("dead" if only_dead else "all"))
    db.session.commit()
    requeued: list[int] = []
    while rows := inbox.list_stored(event_id, after=requeued[-1] if requeued else 0, only_dead=only_dead, limit=BATCH_SIZE):
        inbox.requeue_all(rows)
        db.session.commit()
        handle_events()
        requeued += rows
    left = inbox.count_unhandled(requeued)
    db.session.commit()
    return len(requeued), left
