"""What several gifts would be matched with if they were recorded now, for previews. Nothing is locked or held, so that it is an estimate."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from campaign.matching import funds
from campaign.rules.allocation import MatchRequest, allocate


@dataclass(frozen=True, kw_only=True)
class PlannedGift:
    """A gift of `cents` that was paid at this moment, by a donor as far as they can be told from others."""

    cents: int
    at: datetime
    donor: str


def estimate(campaign_id: int, gifts: Iterable[PlannedGift]) -> int:
    """The match in cents of these gifts, in this order. What their donors gave before is not counted, so that caps per donor may make it less."""
    offers = [fund.offer() for fund in funds.funds_of(campaign_id)]
    by_donor: dict[str, dict[int, int]] = {}
    total = 0
    for gift in gifts:
        donor = by_donor.setdefault(gift.donor, {})
        request = MatchRequest(matchable_cents=gift.cents, amount_cents=gift.cents, at=gift.at, donor_allocated=donor)
        parts = {part.fund_id: part.cents for part in allocate(request, offers)}
        offers = [replace(offer, available_cents=offer.available_cents - parts.get(offer.fund_id, 0)) for offer in offers]
        for fund_id, cents in parts.items():
            donor[fund_id] = donor.get(fund_id, 0) + cents
        total += sum(parts.values())
    return total
