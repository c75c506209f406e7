"""Mailing donors the link to all their gifts, for an address that somebody typed. It commits once, and tells the caller nothing."""

from campaign.donations.donations import latest_with_email
from campaign.donations.donors import find_donor_ids
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import donor_access
from campaign.outbox.donor_access import Opens


def send_link_to_my_gifts(email: str) -> None:
    """Mail the link to the donor who has this address, to the address that they have now; so many an hour at most, and nothing to others.

    Of donors who were merged, each address leads to the one they are now.
    """
    donor_id = find_donor_ids([email]).get(email.strip().casefold())
    donation = latest_with_email(donor_id) if donor_id else None
    if donation is not None:
        donor_access.request_access(donation, Opens.MY_GIFTS)
    db.session.commit()
    services().waker.wake("mail")
