"""Catching up with Stripe: its own list of events, read again and again, so that a webhook that never came is missed by nobody."""

import json
from datetime import UTC, datetime, timedelta

import structlog

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import happened, stripe_events
from campaign.giving.watermarks import StripeList, move_watermark, watermark

log = structlog.get_logger()

POLL_OVERLAP = timedelta(minutes=5)
FIRST_POLL = timedelta(days=3)


def read_stripe_events() -> int:
    """Put into the inbox what Stripe's own list has and no webhook brought; returns how many were new."""
    settings = outside().settings
    now = datetime.now(UTC)
    since = watermark(StripeList.EVENTS, livemode=settings.stripe_livemode)
    db.session.commit()
    listed = list(outside().stripe.events_since((since or now - FIRST_POLL) - POLL_OVERLAP, happened.ACTED_ON))
    new = 0
    for event in reversed(listed):  # The oldest first: who paid first is matched first, after an outage too.
        new += _keep_listed(event)
        db.session.commit()  # At once: the same event may be at the webhook's door.
    move_watermark(StripeList.EVENTS, livemode=settings.stripe_livemode, seen_until=now)
    db.session.commit()
    return new


def _keep_listed(event: dict[str, object]) -> bool:
    try:
        # The library makes Decimal of some texts; what is kept is as Stripe sends it.
        incoming = stripe_events.read_event(json.dumps(event, ensure_ascii=False, default=str).encode())
    except stripe_events.NotAnEvent as error:
        log.error("event.unreadable", error=str(error)[:200])
        return False
    return incoming.livemode == outside().settings.stripe_livemode and bool(stripe_events.keep(incoming, source="poll"))
