"""What a fund would match at once if it were activated or resumed now, from the books and by the rule, without changing anything."""

from dataclasses import dataclass, replace

from sqlalchemy import select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.fund_lifecycle import eligible_places
from campaign.matching.funds import Fund
from campaign.matching.holds import DonationMatch, DonorMatch
from campaign.matching.rematching import QueuedDonation
from campaign.rules.allocation import MatchRequest, Offer, allocate, total

# Beyond so many places the forecast says "at least".
MOST_PLACES = 5_000


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How many earlier gifts would be matched, what they are together, and with how much. Not `is_whole`: at least that."""

    donations: int = 0
    donated_cents: int = 0
    matched_cents: int = 0
    is_whole: bool = True


def forecast(fund: Fund) -> Forecast:
    """What the fund matches in the moment in which it is activated, if it is a draft, or else resumed."""
    if fund.activated_at is None:
        found = eligible_places(fund).subquery()
        places = select(found.c.position, found.c.net_cents, Donation).join(Donation, Donation.id == found.c.id).order_by(found.c.position)
    else:
        q = QueuedDonation
        places = select(q.position, q.net_cents, Donation).join(Donation, Donation.id == q.donation_id).order_by(q.position)
        places = places.where(q.campaign_id == fund.campaign_id)
    rows = db.session.execute(places.limit(MOST_PLACES + 1)).all()
    ids = {donation.id for _, _, donation in rows}
    others, own, of_donors = _covered_by_others(fund, ids), _of_fund(fund, ids), _of_donors(fund)
    offer, matched = replace(fund.offer(), is_paused=False), dict[int, int]()
    for _, net_cents, donation in rows[:MOST_PLACES]:
        cents = _match(donation, int(net_cents) - others.get(donation.id, 0), offer, own, of_donors)
        if cents:
            matched[donation.id] = matched.get(donation.id, 0) + cents
            own[donation.id] = own.get(donation.id, 0) + cents
            of_donors[donation.donor_id] = of_donors.get(donation.donor_id, 0) + cents
            offer = replace(offer, available_cents=offer.available_cents - cents)
    nets = {donation.id: donation.net_cents for _, _, donation in rows}
    return Forecast(
        donations=len(matched),
        donated_cents=sum(nets[donation_id] for donation_id in matched),
        matched_cents=sum(matched.values()),
        is_whole=len(rows) <= MOST_PLACES or offer.available_cents == 0,
    )


def _match(donation: Donation, matchable_cents: int, offer: Offer, own: dict[int, int], of_donors: dict[int, int]) -> int:
    if donation.authorized_at is None:
        return 0
    request = MatchRequest(
        matchable_cents=matchable_cents,
        amount_cents=donation.amount_cents,
        at=donation.authorized_at,
        allocated={offer.fund_id: own.get(donation.id, 0)},
        donor_allocated={offer.fund_id: of_donors.get(donation.donor_id, 0)},
    )
    return total(allocate(request, [offer]))


def _covered_by_others(fund: Fund, ids: set[int]) -> dict[int, int]:
    """The donated cents of each gift that the campaign's other funds match already."""
    m, covered = DonationMatch, dict[int, int]()
    of_others = select(m.donation_id, m.matched_cents + m.held_cents, Fund).join(Fund, Fund.id == m.fund_id)
    of_others = of_others.where(m.donation_id.in_(ids), Fund.campaign_id == fund.campaign_id, Fund.id != fund.id)
    for donation_id, cents, other in db.session.execute(of_others):
        covered[donation_id] = covered.get(donation_id, 0) + other.ratio.donation_required_for(cents)
    return covered


def _of_fund(fund: Fund, ids: set[int]) -> dict[int, int]:
    m = DonationMatch
    rows = db.session.execute(select(m.donation_id, m.matched_cents + m.held_cents).where(m.fund_id == fund.id, m.donation_id.in_(ids)))
    return dict(iter(rows))


def _of_donors(fund: Fund) -> dict[int, int]:
    rows = db.session.execute(select(DonorMatch.donor_id, DonorMatch.cents).where(DonorMatch.fund_id == fund.id))
    return dict(iter(rows))
