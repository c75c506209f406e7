"""Reconciliation: compares the books with Stripe, and repairs differences by storing and handling events.

What Stripe has and we lack is stored as the event that would have reported it. What we have and Stripe lacks, or a posted amount that
differs, cannot be repaired by a program: it stays open for staff.
"""

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.edges.stripe.client import StripeKeyRefused, StripeRefused, StripeUnavailable
from campaign.stripe_sync import inbox, reconciliations
from campaign.stripe_sync.balance_jobs import sync_balance
from campaign.stripe_sync.compare_jobs import compare
from campaign.stripe_sync.event_jobs import handle_events
from campaign.stripe_sync.reconciliations import Difference, DifferenceState, EventToStore, Reconciliation

log = structlog.get_logger()

PERIOD = timedelta(days=30)
MAX_ROUNDS = 3
VISIBLE_WITHIN_SECONDS = 60


def reconcile(*, since: datetime | None, actor: str) -> Reconciliation:
    """Compare, repair and compare again, until all agree or nothing more can be repaired. Raises StripeUnavailable."""
    start = since or datetime.now(UTC) - PERIOD
    run = reconciliations.start(since=start, actor=actor)
    db.session.commit()
    try:
        _sync_balance()  # What was not read yet since the last poll is no difference.
        first = current = compare(start)
    except StripeUnavailable:
        db.session.rollback()
        reconciliations.cancel(run)
        db.session.commit()
        raise
    found = {difference.name: difference for difference in first.differences}
    for _ in range(MAX_ROUNDS):
        if not current.differences:
            break
        _repair(current.differences, since=start)
        current = compare(start)
        found |= {difference.name: difference for difference in current.differences}
    still_open = {difference.name for difference in current.differences}
    states = [(difference, DifferenceState.OPEN if name in still_open else DifferenceState.REPAIRED) for name, difference in found.items()]
    reconciliations.finish(run, states, compared=first.compared)
    db.session.commit()
    if still_open:
        log.error("reconciliation.open", differences=len(still_open), run=run.id)
    return run


def _repair(differences: Iterable[Difference], *, since: datetime) -> None:
    """Store the events that we lack, and wait until they are handled, by whichever worker."""
    stored = [_store_event(difference.event) for difference in differences if difference.event]
    db.session.commit()
    _sync_balance(since=since)  # Stripe may have listed a transaction later than the overlap of two polls.
    handle_events()
    deadline = time.monotonic() + VISIBLE_WITHIN_SECONDS
    while inbox.any_pending(stored) and time.monotonic() < deadline:
        time.sleep(0.5)
        handle_events()
    db.session.rollback()
    _sync_balance()


def _sync_balance(*, since: datetime | None = None) -> None:
    """What Stripe refuses to list is found by the comparison."""
    try:
        sync_balance(since=since)
    except (StripeRefused, StripeKeyRefused) as error:
        if isinstance(error, StripeKeyRefused) and not error.is_permission_missing:
            raise
        db.session.rollback()
        log.warning("reconciliation.balance_not_read", error=str(error)[:200])


def _store_event(event: EventToStore) -> str:
    """Store it under a name of its own: what changed since may have to be handled again."""
    now = datetime.now(UTC)
    body = {
        "id": f"reconciled_{event.object['id']}_{now:%Y%m%dT%H%M%S%f}",
        "object": "event",
        "type": event.type,
        "livemode": services().settings.stripe_livemode,
        "created": int(now.timestamp()),
        "data": {"object": event.object},
    }
    incoming = inbox.parse_event(json.dumps(body, ensure_ascii=False, default=str).encode())
    inbox.store_events(incoming, source="reconciliation")
    return incoming.event_id
