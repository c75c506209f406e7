"""Actions of staff on e-mail: retry, report a bounce, correct an address. Each action commits once, together with its audit row."""

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import deliveries, leases, messages
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import posted_receipts
from campaign.recurring import contact_changes, contacts
from campaign.recurring.contacts import Scope
from campaign.staff import audit
from campaign.staff.members import Staff, add_staff

MAX_PASSWORD_LINKS = 3


def retry(message: OutboxMessage, *, actor: str) -> bool:
    """Retry a dead-lettered message. Returns False when it is not dead-lettered."""
    if not leases.requeue(OutboxMessage, message.id):
        db.session.rollback()
        return False
    audit.record(actor, "retried an e-mail", message.key)
    db.session.commit()
    services().waker.wake("mail")
    return True


def report_bounce(message: OutboxMessage, *, actor: str, reason: str) -> bool:
    """Record a bounce. Returns False when it is recorded already, or the e-mail was never sent."""
    if not deliveries.record_bounce(message.id, reason=reason, actor=actor):
        db.session.rollback()
        return False
    audit.record(actor, "reported a bounce", message.key, reason=reason)
    db.session.commit()
    return True


def enqueue_password_link(member: Staff) -> bool:
    """Mail the member a link to choose a password. Returns False when they have had MAX_PASSWORD_LINKS within the hour."""
    was_enqueued = messages.enqueue_staff_password(member.id, most_an_hour=MAX_PASSWORD_LINKS)
    if was_enqueued:
        audit.record(member.email, "asked for a link to choose a password", member.email)
    db.session.commit()
    services().waker.wake("mail")
    return was_enqueued


def invite_member(address: str, role: str, *, actor: str) -> tuple[Staff, bool]:
    """Add a member, and mail them a link to choose a password. Commits. Returns the member, and False when they have had MAX_PASSWORD_LINKS within
    the hour. Raises AlreadyStaff.
    """
    member = add_staff(address, role)
    is_mailed = messages.enqueue_staff_password(member.id, most_an_hour=MAX_PASSWORD_LINKS)
    audit.record(actor, "invited a member", address, role=role)
    db.session.commit()
    services().waker.wake("mail")
    return member, is_mailed


def correct_email(donation: Donation, email: str, *, actor: str, scope: Scope = Scope.THIS_GIFT, version: str | None = None) -> None:
    """Change the e-mail address: of the donation, of its donor with their other gifts from now on, or both.

    Dead-lettered messages are retried there; after a bounce the receipt is sent there again. `version` is that of the addresses as they were read.
    Raises EmailTaken and ContactHasChanged.
    """
    contacts.lock_donor(donation.donor_id)
    contact_changes.check_version(version, contact_changes.version_of_email(donation), donation)
    before = contact_changes.contacts_of_donor(donation.donor_id)
    waiting = posted_receipts.list_waiting_gifts([donation.donor_id])
    if scope.is_for_later:
        contacts.change_email(donation.donor_id, email)
    if scope.is_for_this_gift:
        donation.email = email
    entry = audit.record(actor, "corrected the e-mail address", donation.public_id, scope=scope)
    contact_changes.record_changes(before, entry)
    for message in db.session.query(OutboxMessage).filter(OutboxMessage.donation_id == donation.id, OutboxMessage.dead_at.is_not(None)):
        leases.requeue(OutboxMessage, message.id)
    for gift in waiting:
        if gift.email:  # Its receipt waited to be posted, and is no longer on the list.
            messages.enqueue_receipt_copy(gift)
    if deliveries.has_open_bounce(donation.id):
        messages.enqueue_receipt_copy(donation)
        deliveries.resolve_bounces(donation.id)
    db.session.commit()
    services().waker.wake("mail")
