"""What managers and operators do with funds: create one, change a draft, activate, pause, resume and end. Each commits once, with its audit row."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from campaign.campaigns import seals
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund, FundStatus, fund_by_slug, lock_funds
from campaign.staff import audit

CREATED = "created a fund"
CHANGED = "changed a fund"


class FundHasChanged(Exception):
    """Somebody has changed one of these columns since they were read, or has activated the fund."""


class PositionIsTaken(Exception):
    """Another fund of the campaign has this position."""


def next_position(campaign_id: int) -> int:
    """The position after the campaign's other funds."""
    return 1 + (db.session.scalar(select(func.max(Fund.position)).where(Fund.campaign_id == campaign_id)) or 0)


def free_slug(slug: str) -> str:
    """The slug, or the first with a number after it that no fund has."""
    return next(one for number in range(1, 1000) if fund_by_slug(one := slug if number == 1 else f"{slug}-{number}") is None)


def version_of(fund: Fund, names: Sequence[str]) -> str:
    """A hash over these columns, by which a form knows whether they are still as they were when it was opened."""
    return sha256(repr([fund.activated_at, *(getattr(fund, name) for name in sorted(names))]).encode()).hexdigest()


def create(fund: Fund, *, pledge_cents: int, actor: str, reason: str) -> None:
    """Insert a draft with its pledge. The caller has added its funder to the session. Raises PositionIsTaken."""
    try:
        db.session.add(fund)
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        if seals.is_refusal(error):
            raise
        raise PositionIsTaken from None
    audit.record(actor, CREATED, fund.slug, after=_plain(fund, _TERMS))
    if pledge_cents:
        fund_lifecycle.raise_draft_pledge(fund, pledge_cents, actor=actor, reason=reason)
    db.session.commit()


def change_draft(fund: Fund, values: Mapping[str, Any], *, pledge_cents: int, actor: str, version: str) -> bool:
    """Change a draft's terms and raise its pledge to this amount. Returns whether anything changed.

    Raises FundHasChanged and PositionIsTaken. The database freezes the terms at activation.
    """
    lock_funds([fund.campaign_id])
    db.session.refresh(fund, with_for_update={"key_share": True})
    if version != version_of(fund, [*values, "pledged_cents"]) or fund.status is not FundStatus.DRAFT:
        db.session.rollback()
        raise FundHasChanged
    before = _plain(fund, values)
    changed = [name for name, value in values.items() if value != getattr(fund, name)]
    for name in changed:
        setattr(fund, name, values[name])
    after = _plain(fund, values)
    try:
        if changed:
            audit.record(actor, CHANGED, fund.slug, before={n: before[n] for n in changed}, after={n: after[n] for n in changed})
        db.session.flush()
    except IntegrityError as error:
        db.session.rollback()
        if seals.is_refusal(error):
            raise
        # Somebody has added as a contributor whom this form makes the lead funder.
        raise (FundHasChanged if "lead_is_no_contributor" in str(error.orig) else PositionIsTaken) from None
    more_cents = pledge_cents - fund.pledged_cents
    if more_cents > 0:
        fund_lifecycle.raise_draft_pledge(fund, more_cents, actor=actor, reason="changed the draft")
    db.session.commit()
    return bool(changed or more_cents > 0)


_TERMS = (
    *("campaign_id", "funder_id", "name_en", "name_fr", "position", "ratio_numerator", "ratio_denominator", "minimum_cents"),
    *("per_donation_cents", "per_donor_cents", "opens_at", "closes_at", "leftover"),
)


def _plain(fund: Fund, names: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    values = {name: getattr(fund, name) for name in names}
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}


def apply(change: Callable[..., None], fund: Fund, *, actor: str, reason: str, **arguments: Any) -> None:
    """Activate, pause, resume or end the fund, or raise a draft's pledge, with this function of fund_lifecycle. Raises FundChangeRefused."""
    lock_funds([fund.campaign_id])
    db.session.refresh(fund)
    try:
        change(fund, actor=actor, reason=reason, **arguments)
    except fund_lifecycle.FundChangeRefused:
        db.session.rollback()
        raise
    db.session.commit()
    services().waker.wake("mail")
