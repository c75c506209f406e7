"""What each funder of a fund has a share in at the end of a statement, by its parts as they were activated and with the names in force then.

A fund without contributors has no shares, and neither has a draft, whose contributors may still change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any, NamedTuple

from campaign.funders import contributors
from campaign.funders.contributors import FundContributor
from campaign.matching.funds import Fund
from campaign.reporting.statements.balances import Balances
from campaign.reporting.statements.names import facts_of_funder
from campaign.rules.shares import ShareSums, shares_of


@dataclass(frozen=True, kw_only=True)
class FunderShare:
    """One funder's share of the closing balances. `part_cents` is what they promised of the pledge as it was activated.

    `contributor_id` is None for the lead funder. `facts` are the funder's names; None for several funders together.
    """

    contributor_id: int | None
    facts: dict[str, Any] | None
    part_cents: int
    sums: ShareSums

    def name(self, language: str) -> str:
        """The funder's name."""
        assert self.facts
        return str(self.facts[f"name_{language}"])


class SeenShares(NamedTuple):
    """What a contributor sees: their own share, and those of all other funders together."""

    own: FunderShare
    others: FunderShare


def shares_at(fund: Fund, closing: Balances, moment: datetime) -> list[FunderShare]:
    """The share of each funder in these balances, the lead funder first; empty for a fund without contributors, and before its activation."""
    others = contributors.contributors_of(fund)
    if not others or fund.activated_at is None or fund.activated_at >= moment:
        return []
    weights = contributors.weights_of(fund, others)
    rows: list[tuple[int, FundContributor | None]] = [(fund.funder_id, None), *((one.funder_id, one) for one in others)]
    return [
        FunderShare(contributor_id=one.id if one else None, facts=facts_of_funder(funder_id, moment), part_cents=part, sums=sums)
        for (funder_id, one), part, sums in zip(rows, weights, shares_of(sums_of(closing), weights), strict=True)
    ]


def sums_of(balances: Balances) -> ShareSums:
    """The balances that are shared."""
    return ShareSums(
        pledged_cents=balances.pledged_cents,
        held_cents=balances.held_cents,
        matched_cents=balances.matched_cents,
        called_cents=balances.called_cents,
        received_cents=balances.received_cents,
    )


def seen_by(shares: Sequence[FunderShare], contributor: FundContributor) -> SeenShares | None:
    """What this contributor sees of the shares; None when there are none yet."""
    if not shares:
        return None
    own = next(share for share in shares if share.contributor_id == contributor.id)
    rest = [share for share in shares if share is not own]
    sums = reduce(ShareSums.__add__, (share.sums for share in rest))
    return SeenShares(own, FunderShare(contributor_id=None, facts=None, part_cents=sum(share.part_cents for share in rest), sums=sums))
