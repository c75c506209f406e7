"""The audit trail: who did what, to what, when and why, and what it changed from what to what; filtered, in pages, and as a file."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.donations.donations import is_public_id
from campaign.reporting import audit_trail
from campaign.reporting.audit_trail import AuditFilters, Recorded
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.rules import local_time
from campaign.rules.local_time import InvalidLocalTime
from campaign.rules.typed_text import clean
from campaign.staff import members
from campaign.staff.members import ADMIN
from campaign.texts import actors, audit_details, audit_entries
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff import audit_words
from campaign.web.staff.audit_words import Names
from campaign.web.staff.exports import list_name, origin_of_list, send_table
from campaign.web.staff.typed_fields import refused

bp = Blueprint("staff_audit", __name__, url_prefix="/staff")

LONGEST, MOST_SUBJECTS, LONGEST_NUMBER = 254, 50, 18


@bp.get("/audit")
@access("viewer")
def page() -> ResponseReturnValue:
    """The entries that the filters in the query find, one page of them."""
    campaign, language = campaign_or_404(), current_language()
    charity, errors = campaign.charity, dict[str, str]()
    filters = _filters(charity, errors)
    zone, before, after = ZoneInfo(charity.time_zone), _number("before"), _number("after")
    found = audit_trail.audit_page(filters, zone, before=before, after=after)
    used = _used(filters)
    names = Names([recorded.entry for recorded in found.entries])
    ids = [recorded.entry.id for recorded in found.entries]
    return render_template(
        "staff/audit.html",
        title=campaign.title(language),
        rows=[_row(recorded, names, charity) for recorded in found.entries],
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
        files={name: url_for("staff_audit.export", extension=name, **used) for name in ("xlsx", "csv")} if has_role("manager") else {},
    )


@bp.get("/audit.<any(csv,xlsx):extension>")
@access("manager", fresh=True)
def export(extension: str) -> ResponseReturnValue:
    """All entries that the filters find, as CSV or XLSX."""
    campaign = campaign_or_404()
    charity, errors = campaign.charity, dict[str, str]()
    filters = _filters(charity, errors)
    if errors:  # Without the filter it would be the whole trail.
        return refused(page())
    said = [str(value) for value in _used(filters).values()]
    return send_table(
        _table(charity, filters),
        origin_of_list(charity, said),
        list_name(charity, Document.AUDIT, extension),
        document="audit trail",
        subject="audit trail",
        **({"filters": said} if said else {}),
    )


def _filters(charity: Charity, errors: dict[str, str]) -> AuditFilters:
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
        hidden=frozenset() if has_role(ADMIN) else audit_entries.ABOUT_MEMBERS,
        own=current_user.email,
        charity_id=charity.id,
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
    """Who can be chosen: members, for those who have no list of them oneself, those who are none, and whoever the query names."""
    language = current_language()
    listed = [member.email for member in members.list_members()] if has_role("manager") else [current_user.email]
    names = [*listed, *actors.ACTORS, *([chosen] if chosen else [])]
    return [(name, actors.describe_actor(name, language)) for name in dict.fromkeys(names)]


def _row(recorded: Recorded, names: Names, charity: Charity) -> dict[str, Any]:
    entry, language, about = recorded.entry, current_language(), names.about(recorded.entry)
    return {
        "at": format_datetime(charity.local(entry.at), "yyyy-MM-dd HH:mm:ss", rebase=False),
        "iso": entry.at.isoformat(),
        "actor": actors.describe_actor(entry.actor, language),
        "action": audit_entries.describe_action(entry.action, language),
        "subject": about.words,
        "url": about.url,
        "reason": audit_details.reason_of(entry.detail),
        "details": audit_words.details_of(recorded),
        "changes": audit_words.changes_of(recorded),
    }


def _table(charity: Charity, filters: AuditFilters) -> Table:
    language, names = current_language(), Names(())

    def row(recorded: Recorded) -> list[Cell]:
        entry, at = recorded.entry, charity.local(recorded.entry.at)
        return [
            at.date(),
            f"{at:%H:%M:%S}",
            actors.describe_actor(entry.actor, language),
            audit_entries.describe_action(entry.action, language),
            entry.subject if is_public_id(entry.subject) else names.about(entry).words,
            audit_details.reason_of(entry.detail),
            audit_words.changes_in_one_line(recorded),
            audit_words.details_in_one_line(recorded),
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
