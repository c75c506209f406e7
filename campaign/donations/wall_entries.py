"""Gifts that the page of a campaign shows: with the donor's consent, once a member of staff agrees, and some time after that with others.

What is shown is a first name or nobody's, the province and the dedication as far as the donor chose; never an amount, a day or anything else. The
donor withdraws it at any time, and nothing is shown of a gift that was returned in full, is in quarantine, or whose donor was erased.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, Select, case, func, literal, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign, CampaignTotals
from campaign.donations.donations import Donation
from campaign.donations.showing import Decision
from campaign.edges.db import Base, db
from campaign.rules import wall_batches
from campaign.rules.public_names import name_to_show

LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class WallConsent:
    """What the donor agrees to show: a name, empty for nobody's; the province; the dedication."""

    name: str
    shows_province: bool
    shows_tribute: bool


class WallEntry(Base):
    """The donor's consent since `consented_at`, and what staff decided about it, if anything yet.

    `version` rises when the donor changes what is shown, so that staff decide about what they read. An entry that is agreed to is shown from
    `show_from`, on or after `ready_at`. `place` is its random place among those that appear together.
    """

    __tablename__ = "wall_entry"
    __table_args__ = (
        CheckConstraint("decision IN ('agreed', 'refused')", name="decision_about_entry_is_known"),
        CheckConstraint("num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name="decision_about_entry_names_who"),
        CheckConstraint("(decision IS NOT DISTINCT FROM 'agreed') = (ready_at IS NOT NULL)", name="agreed_entry_waits"),
        CheckConstraint("ready_at > decided_at", name="entry_waits_before_it_is_shown"),
        CheckConstraint("show_from IS NULL OR (ready_at IS NOT NULL AND show_from >= ready_at)", name="entry_is_shown_once_ready"),
        CheckConstraint("mod(extract(epoch FROM show_from), 3600) = 0", name="entries_appear_on_the_hour"),
        CheckConstraint(f"char_length(name) <= {LONGEST_NAME}", name="shown_name_is_short"),
        CheckConstraint("withdrawn_at IS NULL OR name = ''", name="withdrawn_entry_names_nobody"),
        Index(
            "ix_wall_entry_shown",
            *("campaign_id", "show_from", "place"),
            postgresql_where=text("decision = 'agreed' AND withdrawn_at IS NULL"),
        ),
        Index("ix_wall_entry_waiting", "campaign_id", "donation_id", postgresql_where=text("decision IS NULL AND withdrawn_at IS NULL")),
        Index("ix_wall_entry_decided", "campaign_id", "decided_at", postgresql_where=text("decision IS NOT NULL AND withdrawn_at IS NULL")),
    )

    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id"), primary_key=True, autoincrement=False)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id"))
    consented_at: Mapped[datetime] = mapped_column(server_default=func.now())
    name: Mapped[str]
    shows_province: Mapped[bool]
    shows_tribute: Mapped[bool]
    version: Mapped[int] = mapped_column(server_default="1", default=1)
    place: Mapped[UUID] = mapped_column(unique=True, server_default=func.gen_random_uuid())
    withdrawn_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    show_from: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class ShownGift:
    """What everybody may see of a gift. The province is a code, empty when it is not shown; `place` continues a list after this one."""

    name: str
    province: str
    tribute_kind: str | None
    tribute_name: str
    place: UUID


def record(consents: Mapping[int, WallConsent], campaign_id: int) -> None:
    """Record what the donors of these new donations agree to, by the ids of the donations."""
    db.session.add_all(WallEntry(donation_id=number, campaign_id=campaign_id, **vars(consent)) for number, consent in consents.items())
    db.session.flush()


def find_of(donation: Donation) -> WallEntry | None:
    """The consent about the donation that is in force."""
    found = db.session.get(WallEntry, donation.id)
    return found if found and found.withdrawn_at is None else None


def consent_of(donation: Donation) -> WallConsent | None:
    """What the donor agrees to now; None when nothing is to be shown."""
    found = find_of(donation)
    return WallConsent(name=found.name, shows_province=found.shows_province, shows_tribute=found.shows_tribute) if found else None


def is_retained(donation: Donation) -> bool:
    """Whether the donation is one that may be shown: paid, not returned in full, not in quarantine."""
    return donation.received_at is not None and donation.quarantined_at is None and donation.net_cents > 0


def withdraw(donation: Donation) -> bool:
    """Record that the donor withdraws the consent. Returns False when none is in force."""
    found = _lock(donation)
    if found is None:
        return False
    found.name, found.withdrawn_at = "", func.now()
    db.session.flush()
    return True


def change(donation: Donation, consent: WallConsent) -> bool:
    """Record what the donor agrees to from now on. Returns False when that is nothing new.

    What staff have agreed to stays so when less is shown; otherwise they decide again, and it is not shown before that.
    """
    found = _lock(donation)
    if found is None or consent == consent_of(donation):
        return False
    shows_more = (
        consent.name not in ("", found.name)
        or (consent.shows_province and not found.shows_province)
        or (consent.shows_tribute and not found.shows_tribute)
    )
    if shows_more or found.decision != Decision.AGREED:
        _set_decision(found, None, actor="", at=None, delay_hours=0)
    found.name, found.shows_province, found.shows_tribute = consent.name, consent.shows_province, consent.shows_tribute
    found.version += 1
    db.session.flush()
    return True


def decide(donation: Donation, decision: Decision | None, *, version: int, actor: str, now: datetime, delay_hours: int) -> bool:
    """Record what staff decided about this version, or that it is open again. Returns False when there is nothing to decide, or it has changed.

    `delay_hours` is the random delay of an entry that is agreed to.
    """
    found = _lock(donation)
    if found is None or found.version != version or found.decision == decision or (decision and not is_retained(donation)):
        return False
    _set_decision(found, decision, actor=actor, at=now, delay_hours=delay_hours)
    db.session.flush()
    return True


def _lock(donation: Donation) -> WallEntry | None:
    found = db.session.get(WallEntry, donation.id, with_for_update=True, populate_existing=True)
    return found if found and found.withdrawn_at is None else None


def _set_decision(entry: WallEntry, decision: Decision | None, *, actor: str, at: datetime | None, delay_hours: int) -> None:
    entry.decision, entry.decided_by, entry.decided_at = (decision, actor, at) if decision else (None, None, None)
    is_agreed = decision is Decision.AGREED and at is not None
    entry.ready_at = wall_batches.ready_at(at, delay_hours=delay_hours) if is_agreed and at else None
    entry.show_from = None


def begin_batch(campaign: Campaign, *, now: datetime) -> int:
    """Let what is ready appear at the next full hour, if enough appear together or one has waited long. Returns how many do."""
    at, e = wall_batches.next_hour(now), WallEntry
    of_campaign = select(e).join(Donation, Donation.id == e.donation_id).where(e.campaign_id == campaign.id, *_is_agreed())
    query = of_campaign.where(e.show_from.is_(None), e.ready_at <= at).with_for_update(of=e)
    ready = db.session.scalars(query, execution_options={"populate_existing": True}).all()
    gifts = db.session.scalar(select(CampaignTotals.donations).where(CampaignTotals.campaign_id == campaign.id)) or 0
    already = db.session.scalar(select(func.count()).select_from(of_campaign.where(e.show_from == at).subquery())) or 0
    if not wall_batches.may_appear([entry.ready_at for entry in ready if entry.ready_at], at=at, already=already, gifts=gifts):
        return 0
    for entry in ready:
        entry.show_from = at
    db.session.flush()
    return len(ready)


def list_shown(campaign: Campaign, *, limit: int, after: UUID | None = None) -> list[ShownGift]:
    """What everybody may see, those that appeared last first and in a random order among those that appeared together; `after` a place."""
    e, d = WallEntry, Donation
    columns = (
        _name().label("name"),
        d.first_name,
        d.last_name,
        case((e.shows_province & (d.country == "CA"), d.province), else_="").label("province"),
        case((e.shows_tribute, d.tribute_kind)).label("tribute_kind"),
        case((e.shows_tribute, d.tribute_name), else_="").label("tribute_name"),
        e.place,
    )
    shown = select(*columns).join(d, d.id == e.donation_id).where(e.campaign_id == campaign.id, *_is_shown())
    if after and (moment := db.session.scalar(select(e.show_from).where(e.place == after, e.campaign_id == campaign.id))):
        shown = shown.where(e.show_from <= moment, or_(e.show_from < moment, e.place > after))
    found = db.session.execute(shown.order_by(e.show_from.desc(), e.place).limit(limit)).mappings()
    return [_shown_gift(dict(row)) for row in found]


def _shown_gift(row: dict[str, Any]) -> ShownGift:
    """The row without its names but the one that is shown; none if staff have corrected them since, and it has the last name now."""
    first_name, last_name = row.pop("first_name"), row.pop("last_name")
    name = name_to_show(row["name"], first_name=first_name, last_name=last_name, is_anonymous=not row["name"])
    return ShownGift(**{**row, "name": name})


def list_waiting(campaign: Campaign, *, limit: int) -> list[tuple[WallEntry, Donation]]:
    """What waits for a member of staff, the earliest gift first."""
    query = select(WallEntry, Donation).join(Donation, Donation.id == WallEntry.donation_id)
    waiting = query.where(WallEntry.campaign_id == campaign.id, *_is_waiting()).order_by(WallEntry.donation_id)
    return [(entry, donation) for entry, donation in db.session.execute(waiting.limit(limit))]


def list_decided(campaign: Campaign, *, limit: int) -> list[tuple[WallEntry, Donation]]:
    """What was decided last."""
    query = select(WallEntry, Donation).join(Donation, Donation.id == WallEntry.donation_id)
    decided = query.where(WallEntry.campaign_id == campaign.id, WallEntry.decision.is_not(None), WallEntry.withdrawn_at.is_(None))
    return [(entry, donation) for entry, donation in db.session.execute(decided.order_by(WallEntry.decided_at.desc()).limit(limit))]


def count_waiting(campaign: Campaign) -> int:
    """How many gifts of the campaign wait."""
    joined = select(func.count()).select_from(Donation).join(WallEntry, WallEntry.donation_id == Donation.id)
    return db.session.scalar(joined.where(WallEntry.campaign_id == campaign.id, *_is_waiting())) or 0


def waiting_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many gifts wait in the charity's campaigns."""
    joined = select(func.count()).select_from(Donation).join(WallEntry, WallEntry.donation_id == Donation.id)
    return joined.join(Campaign, Campaign.id == WallEntry.campaign_id).where(Campaign.charity_id == charity_id, *_is_waiting())


def decisions_of(donations: Sequence[Donation]) -> dict[int, WallEntry]:
    """What is in force about these donations, by their ids."""
    ids = [donation.id for donation in donations]
    found = db.session.scalars(select(WallEntry).where(WallEntry.donation_id.in_(ids), WallEntry.withdrawn_at.is_(None)))
    return {entry.donation_id: entry for entry in found}


def _name() -> ColumnElement[str]:
    """The name that is shown. A gift that is anonymous has none, whatever its entry says."""
    return case((Donation.anonymous, literal("")), else_=WallEntry.name)


def _is_shown() -> tuple[ColumnElement[bool], ...]:
    return *_is_agreed(), WallEntry.show_from <= func.now()


def _is_agreed() -> tuple[ColumnElement[bool], ...]:
    return WallEntry.decision == Decision.AGREED, WallEntry.withdrawn_at.is_(None), *_is_retained()


def _is_waiting() -> tuple[ColumnElement[bool], ...]:
    return WallEntry.decision.is_(None), WallEntry.withdrawn_at.is_(None), *_is_retained()


def _is_retained() -> tuple[ColumnElement[bool], ...]:
    return Donation.received_at.is_not(None), Donation.quarantined_at.is_(None), Donation.net_cents > 0
