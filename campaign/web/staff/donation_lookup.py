"""The donation that an address of staff's pages names."""

from flask import abort

from campaign.donations.donations import Donation, donation_by_public_id
from campaign.web.chosen_campaign import show_campaign


def donation_or_404(public_id: str) -> Donation:
    """The donation with this public id; the page is then of its campaign."""
    donation = donation_by_public_id(public_id)
    if donation is None:
        abort(404)
    show_campaign(donation.campaign)
    return donation
