"""Donors with an address outside Canada who gave $10,000 or more in a fiscal year: T3010 asks about them on line 3900 and in Schedule 4.

Residence is not asked of donors. The address says where a donor may live; the charity decides who belongs in the confidential schedule.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.funders import Funder
from campaign.reporting.gifts_received import funder_payments_in, gifts_in
from campaign.rules.fiscal_years import Period

THRESHOLD_CENTS = 10_000_00


@dataclass(frozen=True, kw_only=True)
class NonresidentDonor:
    """A donor, or a funder, and their gifts from outside Canada; sums in cents. Name and address are those of the latest gift.

    `address` is without the country, a code that is empty for a funder.
    """

    name: str
    address: str
    country: str
    gifts: int
    largest_cents: int
    received_cents: int
    cents: int


def nonresident_donors(charity: Charity, period: Period) -> list[NonresidentDonor]:
    """The donors whose gifts of the period come to the threshold, before anything was returned; the largest sum first."""
    gifts, paid = gifts_in(charity, period), funder_payments_in(charity, period)
    g, received = gifts.c, func.sum(gifts.c.received_cents)
    query = (
        select(func.max(Donation.id), paid.c.funder_id, func.count(), func.max(g.received_cents), received, func.sum(g.cents))
        .select_from(gifts)
        .outerjoin(Donation, Donation.id == g.donation_id)
        .outerjoin(paid, paid.c.id == g.funder_payment_id)
        .where(g.is_abroad)
        .group_by(Donation.donor_id, paid.c.funder_id)
        .having(received >= THRESHOLD_CENTS)
        .order_by(received.desc(), Donation.donor_id, paid.c.funder_id)
    )
    return [_donor(*row) for row in db.session.execute(query)]


def _donor(donation_id: int | None, funder_id: int | None, gifts: int, *sums: Any) -> NonresidentDonor:
    largest, received, cents = map(int, sums)
    counted = {"gifts": gifts, "largest_cents": largest, "received_cents": received, "cents": cents}
    if donation_id is None:
        funder = db.session.get_one(Funder, funder_id)
        return NonresidentDonor(name=funder.legal_name or funder.name_en, address=", ".join(funder.address), country="", **counted)
    donation = db.session.get_one(Donation, donation_id)
    return NonresidentDonor(name=donation.full_name, address=", ".join(donation.lines_in_country), country=donation.country, **counted)
