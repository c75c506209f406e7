"""What staff do about mail: send one again that failed, say that one came back, correct the address. Doors, each with its audit row."""

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import audit, claims, mails, outbox
from campaign.giving.donations import Donation
from campaign.giving.outbox import OutboxItem


def try_again(item: OutboxItem, *, actor: str) -> bool:
    """A mail that was given up is tried anew; False when it is not given up."""
    if not claims.revive(OutboxItem, item.id):
        db.session.rollback()
        return False
    audit.record(actor, "tried a mail again", item.key)
    db.session.commit()
    outside().waker.wake("mail")
    return True


def note_bounce(item: OutboxItem, *, actor: str, reason: str) -> bool:
    """The mail came back; False when that is known, or it was never sent."""
    if not mails.note_bounce(item.id, reason=reason, actor=actor):
        db.session.rollback()
        return False
    audit.record(actor, "noted that a mail came back", item.key, reason=reason)
    db.session.commit()
    return True


def correct_email(donation: Donation, email: str, *, actor: str) -> None:
    """Another address for all that is written from now on about this gift; what was given up or came back is sent there."""
    donation.email = email
    audit.record(actor, "corrected the e-mail address", donation.public_id)
    for item in db.session.query(OutboxItem).filter(OutboxItem.donation_id == donation.id, OutboxItem.dead_at.is_not(None)):
        claims.revive(OutboxItem, item.id)
    if mails.has_open_bounce(donation.id):
        outbox.owe_copy(donation)
        mails.settle_bounces(donation.id)
    db.session.commit()
    outside().waker.wake("mail")
