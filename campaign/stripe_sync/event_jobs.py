"""Handles pending Stripe events, one transaction a batch, and continues the rematching that follows from them."""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy.exc import OperationalError

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused, StripeUnavailable
from campaign.matching import effects, rematching
from campaign.outbox import leases
from campaign.outbox.leases import Lease
from campaign.payments import snapshot_numbers
from campaign.stripe_sync import dispatch, fetch, inbox
from campaign.stripe_sync.dispatch import Snapshot
from campaign.stripe_sync.event import FETCH_FIRST, Event
from campaign.stripe_sync.inbox import StripeEvent

log = structlog.get_logger()

BATCH_SIZE = 400
FETCH_BATCH_SIZE = 40
# A key is mended by a person, who then looks whether it works: an event that waits for it is tried about once a minute, not once an hour.
REFUSED_RETRY_SECONDS = 60


def handle_events() -> int:
    """Handle all pending events, one transaction a batch; returns how many are done."""
    done = 0
    while True:
        leased = inbox.lease_events(limit=BATCH_SIZE, slow=FETCH_FIRST, slow_limit=FETCH_BATCH_SIZE)
        db.session.commit()
        if not leased:
            break
        events = dispatch.read_events(leased)
        ready, snapshots = _take_snapshots(leased, events)
        done += _handle_batch(ready, events, snapshots)
        rematch(max_steps=1)  # Between batches too, so that the queue does not wait for a flood of events to end.
    if done:
        rematch()
        services().waker.wake("mail")
    return done


def check_deferred_events() -> int:
    """Returns 0. Raises StripeKeyRefused while an event waits because the key may not read its object."""
    reason = inbox.key_refusal()
    db.session.rollback()
    if reason:
        raise StripeKeyRefused(reason)
    return 0


def _take_snapshots(leased: list[Lease], events: Mapping[int, Event]) -> tuple[list[Lease], Mapping[int, Sequence[Snapshot]]]:
    """The events that can be handled now, with their snapshots. Those that Stripe does not answer for are tried again later."""
    requests = dispatch.fetch_requests(events.values())
    if not requests:
        db.session.commit()
        return leased, {}
    number = snapshot_numbers.take_snapshot_number()
    db.session.commit()
    fetched = fetch.fetch_all(requests, services(), snapshot_number=number)
    for lease in leased:
        match fetched.errors.get(lease.id):
            case StripeUnavailable() as error:
                _defer(lease, error)
            case StripeRefused() as error:
                dispatch.record_failure(lease, error)
    db.session.commit()
    return [lease for lease in leased if lease.id not in fetched.errors], fetched.snapshots


def _defer(lease: Lease, error: StripeUnavailable) -> None:
    """Try the event again later, as Stripe does not answer or refuses the key."""
    is_refused = isinstance(error, StripeKeyRefused)
    reason = f"{inbox.KEY_REFUSED if is_refused else 'Stripe is unavailable'}: {error}"
    most = REFUSED_RETRY_SECONDS if is_refused else leases.MAX_DELAY_SECONDS
    if leases.defer(StripeEvent, lease, since=StripeEvent.received_at, reason=reason, max_seconds=most):
        log.error("event.dead", row=lease.id, error=str(error))


def _handle_batch(leased: list[Lease], events: Mapping[int, Event], snapshots: Mapping[int, Sequence[Snapshot]]) -> int:
    if not leased:
        return 0
    for is_last_try in (False, False, True):
        try:
            done = dispatch.dispatch(leased, events, snapshots)
            db.session.commit()
            return done
        except OperationalError as error:
            db.session.rollback()
            log.warning("events.retry", error=str(error.orig)[:200])
            if is_last_try:
                _fail_batch(leased)
    return 0


def _fail_batch(leased: list[Lease]) -> None:
    """Record that the database could not process the batch. Its events are retried later."""
    for lease in leased:
        leases.fail(StripeEvent, lease, error="the database could not process the batch")
    db.session.commit()


def rematch(max_steps: int = 1_000_000) -> int:
    """Continue pending rematches, one transaction a step; returns how many steps were done."""
    steps = 0
    for campaign_id in rematching.campaigns_to_rematch():
        while steps < max_steps and effects.continue_rematching(campaign_id):
            db.session.commit()
            steps += 1
    db.session.commit()
    return steps
