"""What managers do with campaigns: create, change, open, close, reopen, take back. Each act commits once, together with its audit row."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import column, exists, func, select, table
from sqlalchemy.exc import IntegrityError

from campaign.campaigns import campaigns, pictures, seals
from campaign.campaigns.campaigns import Campaign, CampaignStatus
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.edges.pictures import PagePicture
from campaign.staff import audit

CREATED = "created a campaign"
CHANGED = "changed a campaign"
OPENED = "opened a campaign"
CLOSED = "closed a campaign"
REOPENED = "reopened a campaign"
HIDDEN = "took back a campaign"
# The audit trail cannot be changed: of these it says only that they were, so that a patient can take their words back.
NOT_REPEATED = frozenset({"patient_words_en", "patient_words_fr", "patient_name_en", "patient_name_fr"})
ACTS = (CREATED, CHANGED, OPENED, CLOSED, REOPENED, HIDDEN)


class CampaignHasChanged(Exception):
    """Somebody has changed one of these columns since they were read."""


class SlugIsTaken(Exception):
    """Another campaign has this slug."""


class ActImpossible(Exception):
    """The campaign is not in a state for this act, any more."""


def version_of(campaign: Campaign, names: Sequence[str]) -> str:
    """A hash over these columns, by which a form knows whether they are still as they were when it was opened."""
    return sha256(repr([getattr(campaign, name) for name in sorted(names)]).encode()).hexdigest()


def create(charity: Charity, values: Mapping[str, Any], *, actor: str) -> Campaign:
    """Create a campaign as a draft. Raises SlugIsTaken."""
    try:
        created = campaigns.create_campaign(Campaign(charity_id=charity.id, currency="CAD", **values))
    except IntegrityError:
        db.session.rollback()
        raise SlugIsTaken from None
    audit.record(actor, CREATED, created.slug, charity=charity.legal_name, after=_audited(values, values))
    db.session.commit()
    return created


def change(campaign: Campaign, values: Mapping[str, Any], *, actor: str, version: str) -> list[str]:
    """Set these columns, and return those that changed. Raises CampaignHasChanged and SlugIsTaken; the database refuses what was public to change.

    `version` is that of all these columns as they were read.
    """
    _lock(campaign)
    before = {name: getattr(campaign, name) for name in values}
    changed = sorted(name for name, value in values.items() if value != before[name])
    if changed and version != version_of(campaign, list(values)):
        db.session.rollback()
        raise CampaignHasChanged
    for name in changed:
        setattr(campaign, name, values[name])
    if changed:
        was, now = (_audited(row, changed) for row in (before, values))
        audit.record(actor, CHANGED, before.get("slug", campaign.slug), before=was, after=now)
    try:
        db.session.commit()
    except IntegrityError as error:
        db.session.rollback()
        if seals.is_refusal(error):
            raise
        raise SlugIsTaken from None
    return changed


def _audited(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The columns as the audit trail has them."""
    return {name: ("…" if values[name] else "") if name in NOT_REPEATED else values[name] for name in names}


def change_picture(campaign: Campaign, picture: PagePicture | None, alts: Mapping[str, str], *, actor: str, version: str) -> list[str]:
    """Show another picture, the same with other words, or none: with `picture` None and no words. Raises CampaignHasChanged."""
    stored = campaign.picture if any(alts.values()) else None
    return change(campaign, {"picture": pictures.store(picture) if picture else stored, **alts}, actor=actor, version=version)


def open_to_gifts(campaign: Campaign, *, actor: str) -> None:
    """Make a draft public. Its slug, charity and currency stay from now on. Raises ActImpossible."""
    _set_moments(campaign, {CampaignStatus.DRAFT}, {"opened_at": campaign.opened_at or func.now(), "hidden_at": None}, OPENED, actor)


def close_to_gifts(campaign: Campaign, *, actor: str) -> None:
    """Take no gift from the page from now on; it stays, with its result. Raises ActImpossible."""
    _set_moments(campaign, {CampaignStatus.OPEN}, {"closed_at": func.now()}, CLOSED, actor)


def reopen_to_gifts(campaign: Campaign, *, actor: str) -> None:
    """Take gifts again. Raises ActImpossible."""
    _set_moments(campaign, {CampaignStatus.CLOSED}, {"closed_at": None}, REOPENED, actor)


def take_back(campaign: Campaign, *, actor: str) -> None:
    """Make a draft again of a campaign to which nobody has begun to give. Raises ActImpossible."""
    _set_moments(campaign, {CampaignStatus.OPEN, CampaignStatus.CLOSED}, {"hidden_at": func.now(), "closed_at": None}, HIDDEN, actor)


def has_donations(campaign: Campaign) -> bool:
    """Whether anybody has begun to give to the campaign."""
    return db.session.scalar(select(exists().where(_donation.c.campaign_id == campaign.id))) is True


# Its entity is in a package that imports this one.
_donation = table("donation", column("campaign_id"))


def _set_moments(campaign: Campaign, possible: set[CampaignStatus], values: Mapping[str, Any], action: str, actor: str) -> None:
    _lock(campaign)
    if campaign.status not in possible or (action == HIDDEN and has_donations(campaign)):
        db.session.rollback()
        raise ActImpossible
    before = {name: getattr(campaign, name) for name in values}
    for name, value in values.items():
        setattr(campaign, name, value)
    audit.record(actor, action, campaign.slug, before={name: moment and moment.isoformat() for name, moment in before.items()})
    db.session.commit()


def _lock(campaign: Campaign) -> None:
    db.session.refresh(campaign, with_for_update={"key_share": True, "of": Campaign})
