"""The moments of a paid donation, made exact once its charge is read."""

from collections.abc import Collection
from datetime import datetime
from zoneinfo import ZoneInfo

from campaign.donations.donations import Donation
from campaign.rules.payment_moments import PaymentMoments, are_alike


def make_exact(donation: Donation, moments: PaymentMoments, edges: Collection[datetime]) -> None:
    """Write the moments of the charge, unless an edge of a window or the end of a day lies between them and what is written.

    Its match and its receipt were decided by what is written, which may be some seconds later. A reconciliation names any other difference.
    """
    zone = [ZoneInfo(donation.campaign.charity.time_zone)]
    stored = (donation.authorized_at or moments.authorized_at, donation.received_at or moments.received_at)
    are_windows_alike = are_alike(stored[0], moments.authorized_at, edges, [])
    if are_windows_alike and are_alike(stored[1], moments.received_at, [], zone):
        donation.authorized_at, donation.received_at = moments.authorized_at, moments.received_at
