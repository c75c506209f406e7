"""Composes the e-mails with a link that lets a donor change something, or opens all their gifts; None when its SECRET_KEY is gone."""

from campaign.donations.donations import Donation
from campaign.donations.donors import Donor
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.mail.letters import donations, my_gifts, recurring
from campaign.mail.letters.donations import Awaited
from campaign.outbox import donor_access
from campaign.outbox.deliveries import EmailContent
from campaign.outbox.donor_access import DonorAccess, Opens
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import awaited, completeness


def compose_access(donation: Donation, message: OutboxMessage) -> EmailContent | None:
    """The link from the page of a gift, with what the donor is asked behind it, or the link to all their gifts."""
    access = db.session.get_one(DonorAccess, message.donor_access_id)
    url, address = _url_of(access, donation), address_of(donation)
    if not url:
        return None
    if access.opens == Opens.MY_GIFTS:
        return my_gifts.my_gifts_link(donation, url=url, address=address)
    is_due = access.opens == Opens.DONATION and donation.received_at is not None and awaited.is_due(donation)
    asked = Awaited(is_address=is_due and donation.lacks_details, is_declaration=is_due and completeness.lacks_declaration(donation))
    return donations.access_link(donation, url=url, address=address, awaited=asked)


def compose_recurring_gift_link(donation: Donation, message: OutboxMessage) -> EmailContent | None:
    """The link to the page of a monthly gift."""
    url = _url_of(db.session.get_one(DonorAccess, message.donor_access_id), donation)
    return recurring.recurring_gift_link(donation, page_url=url, address=address_of(donation)) if url else None


def address_of(donation: Donation) -> str:
    """The address of the donor, to which links go that change all of their gifts. A gift may have another."""
    return db.session.get_one(Donor, donation.donor_id).email or donation.email


def _url_of(access: DonorAccess, donation: Donation) -> str:
    token = donor_access.token_of(access)
    return services().links.donor_access(donation.language, token) if token else ""
