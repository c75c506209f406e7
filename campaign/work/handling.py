"""Handling the events that wait, a batch a transaction, and going on with the healing that follows from them."""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import OperationalError

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_wire import StripeAway, StripeRefused
from campaign.giving import claims, consequences, happened, happenings, healing, looks, stripe_events
from campaign.giving.claims import Claim
from campaign.giving.happenings import Seen
from campaign.giving.stripe_events import StripeEvent
from campaign.work import looking

log = structlog.get_logger()

EVENTS_A_BATCH = 400
LOOKS_A_BATCH = 40


def handle_events() -> int:
    """Handle all waiting events, a batch a transaction; returns how many were done."""
    done = 0
    while True:
        taken = stripe_events.claim(limit=EVENTS_A_BATCH, slow=happened.LOOKED_AT, slow_limit=LOOKS_A_BATCH)
        db.session.commit()
        if not taken:
            break
        done += _handle_batch(*_looked_into(taken))
        heal(steps_at_most=1)  # Between the batches too, so that those who wait do not wait for a flood to end.
    if done:
        heal()
        outside().waker.wake("mail")
    return done


def _looked_into(taken: list[Claim]) -> tuple[list[Claim], Mapping[int, Sequence[Seen]]]:
    """The events that can be handled now, with what Stripe says to them; what it does not answer is asked again later."""
    questions = happenings.questions(taken)
    number = looks.next_look() if questions else 0
    db.session.commit()
    looked = looking.look(questions, outside(), number=number)
    for claim in taken:
        match looked.unanswered.get(claim.id):
            case StripeAway() as error:
                if claims.delay(StripeEvent, claim, since=StripeEvent.received_at, reason=f"Stripe is away: {error}"):
                    log.error("event.dead", row=claim.id, error=str(error))
            case StripeRefused() as error:
                happenings.failed(claim, error)
    db.session.commit()
    return [claim for claim in taken if claim.id not in looked.unanswered], looked.seen


def _handle_batch(taken: list[Claim], seen: Mapping[int, Sequence[Seen]]) -> int:
    if not taken:
        return 0
    for last_try in (False, False, True):
        try:
            done = happenings.handle(taken, seen)
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
        claims.fail(StripeEvent, claim, error="the database could not carry the batch")
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
