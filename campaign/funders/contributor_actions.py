"""What managers and operators do with the contributors of a draft: add one, change their part, remove one. Each commits once, with its audit row.

The database freezes contributors with the terms of the fund.
"""

from collections.abc import Callable

from campaign.edges.db import db
from campaign.funders import contributors
from campaign.funders.contributors import FundContributor
from campaign.funders.funders import Funder
from campaign.matching.funds import Fund, FundStatus, lock_funds
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused


@two_people.roll_back_if_refused()
def add(fund: Fund, find_funder: Callable[[], Funder], cents: int, *, actor: str) -> FundContributor:
    """Let the funder that `find_funder` returns, or creates, promise so many cents of the draft's pledge. Raises ActionRefused."""
    _lock_draft(fund)
    funder, others = find_funder(), contributors.contributors_of(fund)
    if funder.id in {fund.funder_id, *(one.funder_id for one in others)}:
        raise ActionRefused(ActionError.CONTRIBUTOR_IS_KNOWN)
    _check_lead_part(fund, [cents, *(one.pledged_cents for one in others)])
    contributor = FundContributor(fund_id=fund.id, funder_id=funder.id, pledged_cents=cents)
    db.session.add(contributor)
    audit.record(actor, "added a contributor to a fund", fund.slug, contributor=funder.name_en, cents=cents)
    db.session.commit()
    return contributor


@two_people.roll_back_if_refused()
def change_part(fund: Fund, contributor_id: int, cents: int, *, actor: str) -> bool:
    """Change what the contributor promises. Returns False when it is so already. Raises ActionRefused."""
    contributor = _lock_contributor(fund, contributor_id)
    if contributor.pledged_cents == cents:
        db.session.rollback()
        return False
    others = [one.pledged_cents for one in contributors.contributors_of(fund) if one.id != contributor.id]
    _check_lead_part(fund, [cents, *others])
    contributor.pledged_cents = cents
    name = contributors.funder_of(contributor).name_en
    audit.record(actor, "changed the part of a contributor", fund.slug, contributor=name, cents=cents)
    db.session.commit()
    return True


@two_people.roll_back_if_refused()
def remove(fund: Fund, contributor_id: int, *, actor: str) -> None:
    """Remove the contributor: their part is the lead funder's. Raises ActionRefused."""
    contributor = _lock_contributor(fund, contributor_id)
    name = contributors.funder_of(contributor).name_en
    db.session.delete(contributor)
    audit.record(actor, "removed a contributor from a fund", fund.slug, contributor=name)
    db.session.commit()


def _lock_draft(fund: Fund) -> None:
    lock_funds([fund.campaign_id])
    db.session.refresh(fund)
    if fund.status is not FundStatus.DRAFT:
        raise ActionRefused(ActionError.FUND_IS_FROZEN)


def _lock_contributor(fund: Fund, contributor_id: int) -> FundContributor:
    """The contributor as it is; whoever locks the fund's campaign is alone in changing it."""
    _lock_draft(fund)
    contributor = next((one for one in contributors.contributors_of(fund) if one.id == contributor_id), None)
    if contributor is None:
        raise ActionRefused(ActionError.CONTRIBUTOR_IS_REMOVED)
    db.session.refresh(contributor)
    return contributor


def _check_lead_part(fund: Fund, parts: list[int]) -> None:
    if sum(parts) >= fund.pledged_cents:
        raise ActionRefused(ActionError.LEAD_WITHOUT_PART)
