"""Handling stored events again, some at a time, so that what comes in meanwhile never waits for all of them."""

from campaign.edges.db import db
from campaign.giving import audit, stripe_events
from campaign.work.handling import handle_events

A_BATCH = 400


def replay(event_id: str | None, *, only_dead: bool, actor: str) -> tuple[int, int]:
    """One event, or all, or all that are dead; returns how many were taken, and how many of them are not done afterwards."""
    audit.record(actor, "events handled again", event_id or ("dead" if only_dead else "all"))
    db.session.commit()
    taken: list[int] = []
    while rows := stripe_events.stored(event_id, after=taken[-1] if taken else 0, only_dead=only_dead, limit=A_BATCH):
        stripe_events.take_up_again(rows)
        db.session.commit()
        handle_events()
        taken += rows
    left = stripe_events.not_done(taken)
    db.session.commit()
    return len(taken), left
