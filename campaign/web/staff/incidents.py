"""The register of confidentiality incidents for staff: recorded, amended with its history, closed, exported. Nothing in it is deleted."""

from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.privacy import incident_actions, incidents
from campaign.privacy.incidents import IncidentHasChanged, IncidentVersion
from campaign.reporting.spreadsheets import Cell, Column, Kind, Table
from campaign.texts.dates import format_day, format_moment
from campaign.texts.file_names import Document
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.exports import list_name, origin_of_list, send_table
from campaign.web.staff.incident_form import DAYS, LONGEST, NUMBERS, IncidentForm, form_of, read_form
from campaign.web.staff.incident_words import changes_between, fact_labels, facts_in_words, history_of, state_words, value_words
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedLine, read_reason, read_reason_line, refused

bp = Blueprint("staff_incidents", __name__, url_prefix="/staff/privacy")

COMMISSION = "https://www.cai.gouv.qc.ca"
COMMISSIONER = "https://www.priv.gc.ca"


def _charity() -> Charity:
    return campaign_or_404().charity


def _today() -> date:
    return _charity().local(datetime.now(UTC)).date()


@bp.get("/incidents")
@access("viewer")
def page() -> ResponseReturnValue:
    """The register, the incident that was recorded last first."""
    campaign = campaign_or_404()
    return render_template(
        "staff/incidents.html",
        title=campaign.title(current_language()),
        rows=[_row(one) for one in incidents.list_latest(campaign.charity_id)],
        officer=campaign.charity.privacy_officer,
        may_act=has_role("clerk"),
        may_export=has_role("manager"),
    )


def _row(one: IncidentVersion) -> dict[str, Any]:
    first_line = one.circumstances.partition("\n")[0]
    return {
        "id": one.incident_id,
        "what": first_line if len(first_line) <= 90 else f"{first_line[:89]}…",
        "learned": format_day(one.learned_on, current_language()),
        "people": value_words(one.people),
        "risk": value_words(one.is_serious),
        "state": state_words(one),
        "is_unreported": not one.is_closed and one.facts.is_unreported,
    }


@bp.get("/incidents/new")
@access("clerk")
def new() -> ResponseReturnValue:
    """The form for an incident."""
    return _form_page(IncidentForm(typed={"learned_on": _today().isoformat()}, errors={}), None)


@bp.post("/incidents")
@access("clerk")
def record() -> ResponseReturnValue:
    """Record an incident."""
    form = read_form(_today())
    if form.facts is None:
        return refused(_form_page(form, None))
    version = incident_actions.record(_charity().id, form.facts, actor=current_user.email)
    flash(gettext("The incident is recorded."))
    return redirect(url_for("staff_incidents.one", incident_id=version.incident_id), 303)


def _form_page(
    form: IncidentForm, latest: IncidentVersion | None, *, reason: TypedLine | None = None, stored: list[tuple[str, str, str]] | None = None
) -> str:
    """The form of a new incident, or of the latest version of one. `stored` is what somebody else has changed while it was typed."""
    return render_template(
        "staff/incident_form.html",
        title=campaign_or_404().title(current_language()),
        labels=fact_labels(),
        form=form,
        latest=latest,
        reason=reason or TypedLine(),
        stored=stored or [],
        today=_today().isoformat(),
        longest=LONGEST,
        longest_reason=LONGEST_REASON,
    )


@bp.get("/incidents/<int:incident_id>")
@access("viewer")
def one(incident_id: int) -> ResponseReturnValue:
    """One incident: what is known about it, and its history."""
    return _incident_page(_versions_or_404(incident_id))


def _incident_page(versions: list[IncidentVersion]) -> str:
    campaign, latest = campaign_or_404(), versions[0]
    return render_template(
        "staff/incident.html",
        title=campaign.title(current_language()),
        one=_row(latest),
        facts=facts_in_words(latest.facts),
        subject=incident_actions.name_of(latest),
        latest=latest,
        closed=format_moment(campaign.charity.local(latest.at), current_language()) if latest.is_closed else "",
        history=history_of(versions, campaign.charity),
        commission_url=COMMISSION,
        commissioner_url=f"{COMMISSIONER}/{current_language()}/",
        may_act=has_role("clerk"),
        longest=LONGEST_REASON,
    )


def _versions_or_404(incident_id: int) -> list[IncidentVersion]:
    return list(incidents.versions_of(_charity().id, incident_id)) or abort(404)


@bp.get("/incidents/<int:incident_id>/amendment")
@access("clerk")
def amendment(incident_id: int) -> ResponseReturnValue:
    """The form with what is known about an incident."""
    latest = _versions_or_404(incident_id)[0]
    return _form_page(form_of(latest.facts), latest)


@bp.post("/incidents/<int:incident_id>/amendment")
@access("clerk")
def amend(incident_id: int) -> ResponseReturnValue:
    """Amend what is known about an incident. What it said before stays in its history."""
    versions, form, reason = _versions_or_404(incident_id), read_form(_today()), read_reason_line()
    latest, seen = versions[0], _seen(versions)
    if latest.is_closed:
        return _changed_meanwhile(incident_id)
    if seen.number != latest.number:
        changes = changes_between(seen.facts, latest.facts)
        return refused(_form_page(form, latest, reason=reason, stored=changes))
    if form.facts is None or reason.error:
        return refused(_form_page(form, latest, reason=reason))
    try:
        incident_actions.amend(latest, form.facts, reason=reason.text, actor=current_user.email)
    except IncidentHasChanged:
        return _changed_meanwhile(incident_id)
    flash(gettext("The incident is amended. What it said before is in its history."))
    return redirect(url_for("staff_incidents.one", incident_id=incident_id), 303)


def _seen(versions: list[IncidentVersion]) -> IncidentVersion:
    """The version whose form was posted; the first one if it says none."""
    return next((one for one in versions if str(one.number) == request.form.get("version")), versions[-1])


@bp.post("/incidents/<int:incident_id>/closing")
@access("clerk")
def close(incident_id: int) -> ResponseReturnValue:
    """Close an incident once everybody is notified who must be."""
    return _decide(incident_id, is_closed=True)


@bp.post("/incidents/<int:incident_id>/reopening")
@access("clerk")
def reopen(incident_id: int) -> ResponseReturnValue:
    """Open a closed incident again."""
    return _decide(incident_id, is_closed=False)


def _decide(incident_id: int, *, is_closed: bool) -> ResponseReturnValue:
    versions, reason = _versions_or_404(incident_id), read_reason()
    latest = versions[0]
    if latest.is_closed == is_closed or _seen(versions).number != latest.number:
        return _changed_meanwhile(incident_id)
    if is_closed and latest.facts.is_unreported:
        flash(gettext("Somebody must still be notified. Amend the incident first: when they were, or why they are not."), "error")
        return redirect(url_for("staff_incidents.one", incident_id=incident_id), 303)
    if not reason:
        return refused(_incident_page(versions))
    act = incident_actions.close if is_closed else incident_actions.reopen
    try:
        act(latest, reason=reason, actor=current_user.email)
    except IncidentHasChanged:
        return _changed_meanwhile(incident_id)
    flash(gettext("Noted."))
    return redirect(url_for("staff_incidents.one", incident_id=incident_id), 303)


def _changed_meanwhile(incident_id: int) -> ResponseReturnValue:
    flash(gettext("Somebody else has amended, closed or reopened this incident in the meantime. Nothing was changed."), "error")
    return redirect(url_for("staff_incidents.one", incident_id=incident_id), 303)


@bp.get("/incidents.csv")
@access("manager", fresh=True)
def as_csv() -> ResponseReturnValue:
    """The whole register as CSV."""
    return _send_register("csv")


@bp.get("/incidents.xlsx")
@access("manager", fresh=True)
def as_xlsx() -> ResponseReturnValue:
    """The whole register as an XLSX workbook."""
    return _send_register("xlsx")


def _send_register(extension: str) -> ResponseReturnValue:
    charity = _charity()
    name = list_name(charity, Document.INCIDENTS, extension)
    return send_table(_table(charity), origin_of_list(charity, []), name, document="register of incidents", subject="incidents")


def _table(charity: Charity) -> Table:
    labels = fact_labels()

    def row(one: IncidentVersion) -> list[Cell]:
        values = [value_words(value) if isinstance(value := getattr(one, name), bool) else value for name in labels]
        return [str(one.incident_id), *values, state_words(one), one.actor, charity.local(one.at).date()]

    kinds = {**dict.fromkeys(DAYS, Kind.DATE), **dict.fromkeys(NUMBERS, Kind.COUNT)}
    facts = (
        Column(heading=label, kind=kinds.get(name, Kind.TEXT), width=12 if name in kinds else 40 if name != "is_serious" else 10)
        for name, label in labels.items()
    )
    columns = (
        Column(heading=gettext("Number"), width=8),
        *facts,
        Column(heading=gettext("State"), width=16),
        Column(heading=gettext("Amended last by"), width=26),
        Column(heading=gettext("Amended last on"), kind=Kind.DATE, width=11),
    )
    return Table(title=gettext("Confidentiality incidents"), columns=columns, rows=map(row, incidents.list_latest(charity.id)), total="")
