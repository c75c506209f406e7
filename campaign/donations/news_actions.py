"""Withdrawing consent to news: each commits once, with its audit row."""

from campaign.donations import news_withdrawals
from campaign.donations.donations import Donation
from campaign.donations.news_withdrawals import WithdrawnBy
from campaign.edges.db import db
from campaign.staff import audit

DONOR = "the donor"


def withdraw(donation: Donation, *, how: WithdrawnBy) -> bool:
    """Withdraw the donor's consent to news. Returns False when none is in force: a second click changes nothing."""
    is_withdrawn = news_withdrawals.record(donation, how=how, recorded_by=DONOR)
    if is_withdrawn:
        audit.record(DONOR, "withdrew consent to news", donation.public_id, how=how)
    db.session.commit()
    return is_withdrawn
