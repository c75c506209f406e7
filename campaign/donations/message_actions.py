"""What donors and staff decide about showing a message to a funder. Each commits once, with its audit row, which says nothing of the message."""

from campaign.donations import shared_messages
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.edges.db import db
from campaign.staff import audit

DONOR = "the donor"
_ACTIONS = {
    Decision.AGREED: "agreed to show a message",
    Decision.REFUSED: "refused to show a message",
    None: "reopened whether to show a message",
}


def withdraw(donation: Donation) -> bool:
    """Withdraw the donor's agreement. Returns False when none is in force: a second click changes nothing."""
    is_withdrawn = shared_messages.withdraw(donation)
    if is_withdrawn:
        audit.record(DONOR, "withdrew a message from the funder", donation.public_id)
    db.session.commit()
    return is_withdrawn


def decide(donation: Donation, decision: Decision | None, *, actor: str) -> bool:
    """Agree or refuse to show the message, or take that back (None). Returns False when there is nothing to decide, or that is decided already."""
    is_decided = shared_messages.decide(donation, decision, actor=actor)
    if is_decided:
        audit.record(actor, _ACTIONS[decision], donation.public_id)
    db.session.commit()
    return is_decided
