"""What donors change of their own contact details. Each action commits once, together with its audit row and the emails about it."""

from collections.abc import Mapping

from campaign.donations import declarations
from campaign.donations.declarations import Statement
from campaign.donations.donations import Donation, latest_with_email
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.recurring import contact_changes, contacts, page_links
from campaign.recurring.contacts import EmailChange, EmailTaken
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.staff import audit

DONOR = "the donor"


def change_address(gift: RecurringGift, first: Donation, person: Mapping[str, str | bool], *, statement: Statement | None = None) -> bool:
    """Change the name or address of later months, and confirm it by mail. Returns False when nothing has changed.

    With a statement the donor declares that the money of later months is the organization's.
    """
    before = contact_changes.contacts_of([gift])
    changed = contacts.change_person([gift], person)
    if statement is not None and not declarations.is_declared_for(first, gift.organization):
        declarations.record(statement, [first.id], gift.organization)
        changed.append("declaration")
    if changed:
        entry = audit.record(DONOR, "changed the name or address of later months", first.public_id, fields=changed)
        contact_changes.record_changes(before, entry)
        about = f"{gift.id}-{messages.count_all(first, MessageKind.ADDRESS_CHANGED)}"
        messages.enqueue(NewMessage(MessageKind.ADDRESS_CHANGED, first, about, recipient=gift.email))
    db.session.commit()
    services().waker.wake("mail")
    return bool(changed)


def renew_links(donation: Donation, *, actor: str = DONOR) -> bool:
    """Give all gifts of the donor new links, and mail them. Those in earlier emails end. Returns whether there is an address to mail them to."""
    page_links.renew_links(donation.donor_id)
    audit.record(actor, "renewed the links of a donor", donation.public_id)
    about = donation if donation.email else latest_with_email(donation.donor_id)
    enqueue_new_links(about)
    db.session.commit()
    services().waker.wake("mail")
    return about is not None


def enqueue_new_links(donation: Donation | None) -> None:
    """Enqueue the new link to this donation, which has an address, for its donor; nothing for None."""
    if donation is not None:
        number = messages.count_all(donation, MessageKind.LINKS_RENEWED)
        messages.enqueue(NewMessage(MessageKind.LINKS_RENEWED, donation, f"{donation.id}-{number}"))


def request_email_change(donation: Donation, email: str) -> bool:
    """Mail a link to the address that the donor wants to have. Returns False when they have asked too often."""
    was_sent = contacts.request_email_change(donation, email)
    db.session.commit()
    services().waker.wake("mail")
    return was_sent


def confirm_email(change: EmailChange) -> bool:
    """Move the donor to the address that they have confirmed. Returns False when another donor has it."""
    donation, before = db.session.get_one(Donation, change.donation_id), contact_changes.contacts_of_donor(change.donor_id)
    try:
        contacts.confirm_email_change(change)
    except EmailTaken:
        db.session.rollback()
        return False
    entry = audit.record(DONOR, "confirmed another e-mail address", donation.public_id)
    contact_changes.record_changes(before, entry)
    db.session.commit()
    services().waker.wake("mail")
    return True
