"""What donors and staff decide about showing a gift to everybody. Each commits once, with its audit row, which says nothing of what is shown."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from campaign.donations import wall_entries
from campaign.donations.donations import Donation
from campaign.donations.message_actions import DONOR
from campaign.donations.showing import Decision
from campaign.donations.wall_entries import WallConsent
from campaign.edges.db import db
from campaign.rules.wall_batches import DELAY_HOURS
from campaign.staff import audit

_ACTIONS = {
    Decision.AGREED: "agreed to show a gift on the wall",
    Decision.REFUSED: "refused to show a gift on the wall",
    None: "reopened whether to show a gift on the wall",
}


def withdraw(donation: Donation) -> bool:
    """Withdraw the donor's consent. Returns False when none is in force: a second click changes nothing."""
    is_withdrawn = wall_entries.withdraw(donation)
    if is_withdrawn:
        audit.record(DONOR, "withdrew a gift from the wall", donation.public_id)
    db.session.commit()
    return is_withdrawn


def change(donation: Donation, consent: WallConsent, *, public_name: str, is_anonymous: bool) -> bool:
    """Change what is shown, and how the donor is named in public. Returns False when that is nothing new."""
    is_changed = wall_entries.change(donation, consent)
    if is_changed:
        donation.public_name, donation.anonymous = public_name, is_anonymous
        audit.record(DONOR, "changed what the wall shows of a gift", donation.public_id)
    db.session.commit()
    return is_changed


def decide(donation: Donation, decision: Decision | None, *, version: int, actor: str) -> bool:
    """Agree or refuse to show the gift, or take that back (None). Returns False when there is nothing to decide, or the donor has changed it."""
    is_decided = _decide(donation, decision, version=version, actor=actor)
    db.session.commit()
    return is_decided


def accept_all(read: Sequence[tuple[Donation, int]], *, actor: str) -> int:
    """Agree to show these gifts, each as it was in the version that was read. Returns how many; those that the donor has changed wait on."""
    ordered = sorted(read, key=lambda one: one[0].id)  # Two members who agree at once lock them in one order.
    agreed = sum(_decide(donation, Decision.AGREED, version=version, actor=actor) for donation, version in ordered)
    db.session.commit()
    return agreed


def _decide(donation: Donation, decision: Decision | None, *, version: int, actor: str) -> bool:
    delay = secrets.choice(DELAY_HOURS)
    if not wall_entries.decide(donation, decision, version=version, actor=actor, now=datetime.now(UTC), delay_hours=delay):
        return False
    audit.record(actor, _ACTIONS[decision], donation.public_id)
    return True
