"""Polls Stripe's list of events, so that an event whose webhook was lost is still handled."""

import json
from datetime import UTC, datetime, timedelta

import structlog

from campaign.edges.db import db
from campaign.edges.services import services
from campaign.stripe_sync import inbox
from campaign.stripe_sync.cursors import StripeList, advance_cursor, read_until
from campaign.stripe_sync.event import HANDLED_TYPES

log = structlog.get_logger()

POLL_OVERLAP = timedelta(minutes=5)
FIRST_POLL = timedelta(days=3)


def poll_events() -> int:
    """Store events that Stripe lists and no webhook delivered. Returns how many were new. Raises StripeUnavailable or StripeRefused."""
    settings = services().settings
    now = datetime.now(UTC)
    since = read_until(StripeList.EVENTS, livemode=settings.stripe_livemode)
    db.session.commit()
    listed = services().stripe_payments.list_events((since or now - FIRST_POLL) - POLL_OVERLAP, HANDLED_TYPES)
    new = 0
    for event in listed:  # Oldest first: the order of payment is the order of matching, after an outage too.
        new += _store_listed(event)
        db.session.commit()  # At once: the webhook may be storing the same event.
    advance_cursor(StripeList.EVENTS, livemode=settings.stripe_livemode, read_until=now)
    db.session.commit()
    return new


def _store_listed(event: dict[str, object]) -> bool:
    try:
        # The library turns some strings into Decimal; the stored body has them as Stripe sends them.
        incoming = inbox.parse_event(json.dumps(event, ensure_ascii=False, default=str).encode())
    except inbox.InvalidEvent as error:
        log.error("event.unreadable", error=str(error)[:200])
        return False
    return incoming.livemode == services().settings.stripe_livemode and bool(inbox.store_events(incoming, source="poll"))
