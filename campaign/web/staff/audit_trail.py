"""The audit trail: who did what, to what, when and why, and what it changed from what to what; filtered, in pages, and as a file."""

import re
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext

from campaign.campaigns.charities import Charity
from campaign.donations.donations import is_public_id
from campaign.reporting import audit_trail
from campaign.reporting.audit_trail import AuditFilters, Recorded
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules import local_time
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.typed_text import clean
from campaign.staff import members
from campaign.texts import audit_entries
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.labels import contact_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.exports import list_name, origin_of_list, send_table
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_audit", __name__, url_prefix="/staff")

LONGEST, MOST_SUBJECTS, LONGEST_NUMBER = 254, 50, 18
_DONOR = re.compile(r"donor ([0-9]{1,18})")
_SERIAL = re.compile(r"[0-9A-Z-]*[0-9]{4,}")


@bp.get("/audit")
@access("viewer")
def page() -> ResponseReturnValue:
    """The entries that the filters in the query find, one page of them."""
    campaign, language = campaign_or_404(), current_language()
    charity, errors = campaign.charity, dict[str, str]()
    filters = _filters(errors)
    zone, before, after = ZoneInfo(charity.time_zone), _number("before"), _number("after")
    found = audit_trail.audit_page(filters, zone, before=before, after=after)
    used = _used(filters)
    ids = [recorded.entry.id for recorded in found.entries]
    return render_template(
        "staff/audit.html",
        title=campaign.title(language),
        rows=[_row(recorded, charity) for recorded in found.entries],
        actors=_actors(filters.actor),
        actions=sorted(
            ((action, audit_entries.describe_action(action, language)) for action in audit_entries.ACTIONS), key=lambda one: one[1]
        ),
        typed={name: clean(request.args.get(name))[:LONGEST] for name in ("actor", "action", "from", "to")},
        subjects=filters.subjects,
        errors=errors,
        is_filtered=bool(used),
        newer_url=url_for("staff_audit.page", **used, after=ids[0]) if ids and found.has_newer else "",
        older_url=url_for("staff_audit.page", **used, before=ids[-1]) if ids and found.has_older else "",
        csv_url=url_for("staff_audit.as_csv", **used) if has_role("manager") else "",
    )


@bp.get("/audit.csv")
@access("manager", fresh=True)
def as_csv() -> ResponseReturnValue:
    """All entries that the filters find, as CSV."""
    campaign = campaign_or_404()
    errors: dict[str, str] = {}
    filters, charity = _filters(errors), campaign.charity
    if errors:  # Without the filter it would be the whole trail.
        return refused(page())
    said = [str(value) for value in _used(filters).values()]
    return send_table(
        _table(charity, filters),
        origin_of_list(charity, said),
        list_name(charity, Document.AUDIT, "csv"),
        document="audit trail",
        subject="audit trail",
        **({"filters": said} if said else {}),
    )


def _filters(errors: dict[str, str]) -> AuditFilters:
    """The filters of the query. A value that cannot be one is an error at its field and filters nothing."""
    subjects = [clean(one)[:LONGEST] for one in request.args.getlist("subject")[:MOST_SUBJECTS]]
    first_on, last_on = (_day(name, errors) for name in ("from", "to"))
    if first_on and last_on and first_on > last_on:
        errors["to"], last_on = gettext("This day is before the first one."), None
    return AuditFilters(
        actor=clean(request.args.get("actor"))[:LONGEST],
        action=clean(request.args.get("action"))[:LONGEST],
        subjects=tuple(one for one in subjects if one),
        first_on=first_on,
        last_on=last_on,
    )


def _used(filters: AuditFilters) -> dict[str, Any]:
    fields: dict[str, Any] = {"actor": filters.actor, "action": filters.action, "subject": list(filters.subjects)}
    days = {"from": filters.first_on.isoformat() if filters.first_on else "", "to": filters.last_on.isoformat() if filters.last_on else ""}
    return {name: value for name, value in {**fields, **days}.items() if value}


def _day(name: str, errors: dict[str, str]) -> date | None:
    typed = request.args.get(name, "").strip()
    if not typed:
        return None
    try:
        return local_time.parse_day(typed)
    except InvalidLocalTime:
        errors[name] = gettext("Please write a day, for example %(example)s.", example="2026-12-31")
        return None


def _number(name: str) -> int:
    typed = request.args.get(name, "")
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= LONGEST_NUMBER else 0


def _actors(chosen: str) -> list[tuple[str, str]]:
    """Who can be chosen: members, those who are none, and whoever the query names."""
    language = current_language()
    names = [*(member.email for member in members.list_members()), *audit_entries.ACTORS, *([chosen] if chosen else [])]
    return [(name, audit_entries.describe_actor(name, language)) for name in dict.fromkeys(names)]


def _row(recorded: Recorded, charity: Charity) -> dict[str, Any]:
    entry, language = recorded.entry, current_language()
    return {
        "at": format_datetime(charity.local(entry.at), "yyyy-MM-dd HH:mm:ss", rebase=False),
        "iso": entry.at.isoformat(),
        "actor": audit_entries.describe_actor(entry.actor, language),
        "action": audit_entries.describe_action(entry.action, language),
        "subject": _subject_words(entry.subject),
        "url": _url_of(entry.subject),
        "reason": audit_entries.reason_of(entry.detail),
        "details": audit_entries.describe_details(entry.detail, language),
        "changes": [(_field(name), _value(name, old), _value(name, new)) for name, old, new in recorded.changes],
    }


def _field(name: str) -> str:
    return contact_labels().get(name, name.replace("_", " "))


def _value(name: str, value: object) -> str:
    return "–" if value in (None, "") else audit_entries.describe_value(name, value, current_language())


def _subject_words(subject: str) -> str:
    donor = _DONOR.fullmatch(subject)
    return gettext("donor %(number)s", number=donor[1]) if donor else subject


def _url_of(subject: str) -> str:
    """The page of what the entry is about; empty for what has none."""
    if is_public_id(subject):
        return url_for("staff_donations.page", public_id=subject)
    if donor := _DONOR.fullmatch(subject):
        return url_for("staff_donors.page", donor_id=int(donor[1]))
    return url_for("staff_receipts.page", serial=subject) if _SERIAL.fullmatch(subject) else ""


def _table(charity: Charity, filters: AuditFilters) -> Table:
    language = current_language()

    def row(recorded: Recorded) -> list[Cell]:
        entry, at = recorded.entry, charity.local(recorded.entry.at)
        changes = "; ".join(f"{_field(name)}: {_value(name, old)} → {_value(name, new)}" for name, old, new in recorded.changes)
        details = "; ".join(f"{name}: {value}" for name, value in audit_entries.describe_details(entry.detail, language))
        return [
            at.date(),
            f"{at:%H:%M:%S}",
            audit_entries.describe_actor(entry.actor, language),
            audit_entries.describe_action(entry.action, language),
            _subject_words(entry.subject),
            audit_entries.reason_of(entry.detail),
            changes,
            details,
        ]

    return Table(
        title=gettext("Audit trail"),
        columns=(
            Column(heading=gettext("Day"), kind=Kind.DATE, width=11),
            Column(heading=gettext("Time"), width=9),
            Column(heading=gettext("Who")),
            Column(heading=gettext("What")),
            Column(heading=gettext("About")),
            Column(heading=gettext("Why")),
            Column(heading=gettext("Before and after")),
            Column(heading=gettext("Details")),
        ),
        rows=map(row, audit_trail.whole_trail(filters, ZoneInfo(charity.time_zone))),
        total="",
    )
