"""Composes the e-mails about a donor's new contact details: the link that confirms an address, and the news of a change."""

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.mail.letters import donations
from campaign.outbox import pending_messages
from campaign.outbox.deliveries import EmailContent
from campaign.outbox.messages import OutboxMessage
from campaign.recurring import contacts
from campaign.recurring.contacts import EmailChange


def compose_confirmation(donation: Donation, message: OutboxMessage) -> EmailContent | None:
    """The link that confirms a new email address; None when it was confirmed or its SECRET_KEY is gone."""
    change = db.session.get_one(EmailChange, message.email_change_id)
    token = "" if change.confirmed_at else contacts.token_of(change)
    url = services().links.email_change(donation.language, token)
    return donations.email_change(donation, url=url, address=change.new_email) if token else None


def compose_news(donation: Donation, message: OutboxMessage) -> EmailContent | None:
    """The change; None when the postal address has changed again meanwhile. Each change of the email address has an e-mail of its own."""
    if message.email_change_id is None and pending_messages.is_superseded(message):
        return None
    change = db.session.get(EmailChange, message.email_change_id) if message.email_change_id else None
    return donations.contact_changed(donation, address=message.recipient or donation.email, new_email=change.new_email if change else "")
