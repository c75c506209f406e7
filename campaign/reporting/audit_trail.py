"""The audit trail for staff: who did what to what and when, newest first, in pages that continue from an entry, and whole for exports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, or_, select

from campaign.edges.db import db
from campaign.recurring.contact_changes import ContactChange
from campaign.reporting.audit_subjects import is_of_each_charity
from campaign.rules.fiscal_years import Period
from campaign.staff.audit import OF_CHARITY, AuditEntry

PAGE_SIZE = 50
ROWS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class AuditFilters:
    """What is listed; an empty value filters nothing. The days are in the charity's zone and inclusive.

    `charity_id` is whose serial numbers, deposits, months and returns the subjects are, when they say whose. `hidden` actions are listed only when it is `own`, the address of a member, who did them or to whom they were done.
    """

    actor: str = ""
    action: str = ""
    subjects: tuple[str, ...] = ()
    first_on: date | None = None
    last_on: date | None = None
    hidden: frozenset[str] = frozenset()
    own: str = ""
    charity_id: int = 0


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """An entry, with the old and the new value of each detail that it changed; `bank.code` is a field of an account."""

    entry: AuditEntry
    changes: list[tuple[str, Any, Any]]


@dataclass(frozen=True, kw_only=True)
class AuditPage:
    """Entries, newest first, and whether there are newer and older ones."""

    entries: list[Recorded]
    has_newer: bool
    has_older: bool


def audit_page(filters: AuditFilters, zone: ZoneInfo, *, before: int = 0, after: int = 0) -> AuditPage:
    """The newest entries, those that are older than the entry `before`, or newer than the entry `after`."""
    query = _entries(filters, zone).limit(PAGE_SIZE + 1)
    if after:
        query = query.where(AuditEntry.id > after).order_by(AuditEntry.id)
    else:
        query = (query.where(AuditEntry.id < before) if before else query).order_by(AuditEntry.id.desc())
    found = list(db.session.scalars(query))
    has_more, shown = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    entries = _recorded(list(reversed(shown)) if after else shown)
    return AuditPage(entries=entries, has_newer=has_more if after else before > 0, has_older=bool(after) or has_more)


def whole_trail(filters: AuditFilters, zone: ZoneInfo) -> Iterator[Recorded]:
    """Yield every entry, newest first, streamed from the database."""
    query = _entries(filters, zone).order_by(AuditEntry.id.desc())
    for entries in db.session.scalars(query, execution_options={"yield_per": ROWS_AT_ONCE}).partitions():
        yield from _recorded(entries)


def _entries(filters: AuditFilters, zone: ZoneInfo) -> Select[AuditEntry]:
    return select(AuditEntry).where(*_conditions(filters, zone))


def _conditions(filters: AuditFilters, zone: ZoneInfo) -> Iterator[ColumnElement[bool]]:
    e = AuditEntry
    if filters.actor:
        yield e.actor == filters.actor
    if filters.action:
        yield e.action == filters.action
    if filters.hidden:
        yield or_(e.action.not_in(filters.hidden), e.actor == filters.own, e.subject == filters.own)
    if filters.subjects:
        yield or_(*_are_about(filters))
    if filters.first_on:
        yield e.at >= Period(first_on=filters.first_on, last_on=filters.first_on).moments(zone)[0]
    if filters.last_on:
        yield e.at < Period(first_on=filters.last_on, last_on=filters.last_on).moments(zone)[1]


def _are_about(filters: AuditFilters) -> Iterator[ColumnElement[bool]]:
    """About one of the subjects; what another charity has under the same name is not meant."""
    e, shared = AuditEntry, {one for one in filters.subjects if is_of_each_charity(one)}
    if own := set(filters.subjects) - shared:
        yield e.subject.in_(own)
    if shared:
        of_charity = e.detail[OF_CHARITY].as_integer()
        yield and_(e.subject.in_(shared), or_(of_charity.is_(None), of_charity == filters.charity_id))


def _recorded(entries: Sequence[AuditEntry]) -> list[Recorded]:
    c = ContactChange
    rows = db.session.execute(
        select(c.audit_entry_id, c.old, c.new).where(c.audit_entry_id.in_([entry.id for entry in entries])).order_by(c.id)
    )
    changed: dict[int, dict[tuple[str, str, str], tuple[str, Any, Any]]] = {}
    for entry_id, old, new in rows:
        # A correction of several gifts has the same change once for each.
        changed.setdefault(entry_id, {}).update(
            {(name, str(old.get(name)), str(new[name])): (name, old.get(name), new[name]) for name in new}
        )
    return [Recorded(entry=entry, changes=[*changed.get(entry.id, {}).values(), *_before_and_after(entry.detail)]) for entry in entries]


def _before_and_after(detail: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """What the detail says of itself, or of each thing that it names, such as an account."""
    for name, one in [("", detail), *detail.items()]:
        before, after = (one.get("before"), one.get("after")) if isinstance(one, dict) else (None, None)
        if isinstance(before, dict) and isinstance(after, dict):
            of = f"{name}." if name else ""
            yield from ((f"{of}{field}", before.get(field), after[field]) for field in after if before.get(field) != after[field])
