"""Handling the events that wait, a batch a transaction, and going on with the healing that follows from them."""

import structlog
from sqlalchemy.exc import OperationalError

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import claims, consequences, happenings, healing, stripe_events
from campaign.giving.claims import Claim

log = structlog.get_logger()

EVENTS_A_BATCH = 400


def handle_events() -> int:
    """Handle all waiting events, a batch a transaction; returns how many were done."""
    done = 0
    while True:
        taken = stripe_events.claim(limit=EVENTS_A_BATCH)
        db.session.commit()
        if not taken:
            break
        done += _handle_batch(taken)
        heal(steps_at_most=1)  # Between the batches too, so that those who wait do not wait for a flood to end.
    if done:
        heal()
        outside().waker.wake("mail")
    return done


def _handle_batch(taken: list[Claim]) -> int:
    for last_try in (False, False, True):
        try:
            done = happenings.handle(taken)
            db.session.commit()
            return done
        except OperationalError as error:
            db.session.rollback()
            log.warning("events.again", error=str(error.orig)[:200])
            if last_try:
                _leave_for_later(taken)
    return 0


def _leave_for_later(taken: list[Claim]) -> None:
    """Leave claimed events to a later round, when the database could not carry them now."""
    for claim in taken:
        claims.fail(stripe_events.StripeEvent, claim, error="the database could not carry the batch")
    db.session.commit()


def heal(steps_at_most: int = 1_000_000) -> int:
    """Go on with healings that are due, a step a transaction; returns how many steps were made."""
    steps = 0
    for campaign_id in healing.campaigns_due():
        while steps < steps_at_most and consequences.go_on_healing(campaign_id):
            db.session.commit()
            steps += 1
    db.session.commit()
    return steps
