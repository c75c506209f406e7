"""Gifts on the page of a campaign, in tests: agreed to by donor and staff, and shown since some time ago."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from campaign.campaigns.campaigns import Campaign
from campaign.donations import wall_actions, wall_entries
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.donations.wall_entries import WallConsent, WallEntry
from campaign.edges.db import db
from campaign.payments import checkouts
from tests.factories import checkout_context, donation_details, pay
from tests.web import SLUG

CLERK = "clerk@example.org"
HOUR = timedelta(hours=1)


def consent(name: str = "Jeanne", *, shows_province: bool = True, shows_tribute: bool = True) -> WallConsent:
    return WallConsent(name=name, shows_province=shows_province, shows_tribute=shows_tribute)


def begun(campaign: Campaign, of: WallConsent | None = None, **details: Any) -> Donation:
    """A gift that is not paid yet, whose donor agreed to show it."""
    context = checkout_context(wall=of or consent())
    return checkouts.start_checkout(campaign, donation_details(**details), context)


def retained(campaign: Campaign, of: WallConsent | None = None, **details: Any) -> Donation:
    """A paid gift whose donor agreed to show it."""
    donation = begun(campaign, of, **details)
    pay(donation)
    db.session.commit()
    return donation


def entry_of(donation: Donation) -> WallEntry:
    return db.session.get_one(WallEntry, donation.id, populate_existing=True)


def agree(*donations: Donation) -> None:
    for donation in donations:
        assert wall_actions.decide(donation, Decision.AGREED, version=entry_of(donation).version, actor=CLERK)


def shown(campaign: Campaign, of: WallConsent | None = None, *, hours_ago: int = 2, **details: Any) -> Donation:
    """A gift that everybody sees, since some hours."""
    donation = retained(campaign, of, **details)
    agree(donation)
    show(donation, hours_ago=hours_ago)
    return donation


def show(*donations: Donation, hours_ago: int = 2) -> None:
    """Let these gifts have appeared together, at a full hour."""
    since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours_ago * HOUR
    ids = [donation.id for donation in donations]
    times = {"decided_at": since - 9 * HOUR, "ready_at": since - HOUR, "show_from": since}
    db.session.execute(update(WallEntry).where(WallEntry.donation_id.in_(ids)).values(times))
    db.session.commit()


def names(campaign: Campaign) -> list[str]:
    """The names that everybody sees, in the order of the page."""
    return [gift.name for gift in wall_entries.list_shown(campaign, limit=100)]


def gifts_page(language: str = "en") -> str:
    return f"/{language}/{SLUG}/gifts"
