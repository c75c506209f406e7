"""Enqueues the cards whose day has come, in the time zone of their charity: from the morning on, each once."""

from datetime import UTC, datetime, time, timedelta

from campaign.donations.donations import donations_by_id
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import tribute_cards

MORNING = time(9)
# No zone is further ahead of UTC.
FURTHEST_AHEAD = timedelta(hours=14)


def enqueue_cards() -> int:
    """Enqueue the cards of today, and those of days on which nothing ran. Returns how many."""
    now = datetime.now(UTC)
    cards = tribute_cards.cards_until((now + FURTHEST_AHEAD).date())
    donations = donations_by_id(card.donation_id for card in cards)
    count = 0
    for card in cards:
        zone = donations[card.donation_id].campaign.charity.local(now).tzinfo
        not_before = datetime.combine(card.send_on, MORNING, zone)
        if not_before.date() <= now.astimezone(zone).date():
            tribute_cards.enqueue_card(card, not_before=not_before)
            count += 1
    db.session.commit()
    if count:
        services().waker.wake("mail")
    return count
