"""Privacy requests for staff: the register with what is due, and one request: who asks, how that is known, which donor they are, what was done."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from flask_security import current_user

from campaign.campaigns.charities import Charity
from campaign.donations.donors import Donor
from campaign.donations.news_withdrawals import wants_news
from campaign.edges.db import db
from campaign.privacy import people, privacy_request_actions, privacy_requests
from campaign.privacy.people import FoundPerson
from campaign.privacy.privacy_request_actions import RequestClosed, name_of
from campaign.privacy.privacy_requests import ActKind, NewRequest, PrivacyAct, PrivacyRequest, RequestKind
from campaign.reporting import privacy_request_list
from campaign.rules import local_time
from campaign.rules.retention import DAYS_TO_ANSWER, WARNED_DAYS
from campaign.texts.dates import format_day, format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.deadlines import time_left
from campaign.web.staff.keyset_links import page_links, read_position
from campaign.web.staff.privacy_words import act_labels, erased_labels, kind_labels
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedDay, TypedLine, read_day, read_line, read_reason, refused

bp = Blueprint("staff_privacy_requests", __name__, url_prefix="/staff/privacy-requests")

LONGEST_NAME = 200
LONGEST_QUERY = 200


@dataclass(frozen=True, kw_only=True)
class RequestForm:
    """What a member typed about a new request."""

    kind: str = ""
    kind_error: str = ""
    person: TypedLine = field(default_factory=TypedLine)
    contact: TypedLine = field(default_factory=TypedLine)
    day: TypedDay = field(default_factory=TypedDay)

    @property
    def is_valid(self) -> bool:
        """Whether all fields are."""
        return not (self.kind_error or self.person.error or self.contact.error or self.day.error)


def _read_form(today: date) -> RequestForm:
    kind, day = request.form.get("kind", ""), read_day("received_on", example=today)
    if not day.error and day.day > today:
        day = replace(day, error=gettext("This day is still to come."))
    return RequestForm(
        kind=kind,
        kind_error="" if kind in set(RequestKind) else gettext("Please choose what the person asks for."),
        person=read_line("person", longest=LONGEST_NAME, empty=gettext("Please write who asks, in one line.")),
        contact=read_line(
            "contact",
            longest=LONGEST_NAME,
            empty=gettext("Please write how to answer them: an email address, a number or a postal address."),
        ),
        day=day,
    )


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Open requests, the first due first, a page of the closed ones, and a form for a new one."""
    return _page(RequestForm(day=TypedDay(text=_today(_charity()).isoformat())))


def _page(form: RequestForm) -> str:
    campaign = campaign_or_404()
    charity = campaign.charity
    today, closed = _today(charity), privacy_request_list.closed_page(charity.id, read_position())
    return render_template(
        "staff/privacy_requests.html",
        title=campaign.title(current_language()),
        due=[request_row(one, today) for one in privacy_requests.list_open(charity.id)],
        done=[request_row(one, today) for one in closed.rows],
        pages=page_links(closed, "staff_privacy_requests.page"),
        kinds={kind.value: label for kind, label in kind_labels().items()},
        form=form,
        days=DAYS_TO_ANSWER,
        today=today.isoformat(),
        longest=LONGEST_NAME,
        may_act=has_role("clerk"),
        may_export=has_role("manager"),
        officer=charity.privacy_officer,
    )


def _charity() -> Charity:
    return campaign_or_404().charity


def _today(charity: Charity) -> date:
    return charity.local(datetime.now(UTC)).date()


def request_row(one: PrivacyRequest, today: date) -> dict[str, Any]:
    """The request as lists and its own page show it."""
    language, charity = current_language(), _charity()
    return {
        "id": one.id,
        "is_open": one.closed_at is None,
        "kind": kind_labels()[RequestKind(one.kind)],
        "person": one.person or gettext("erased"),
        "contact": one.contact or gettext("erased"),
        "received": format_day(one.received_on, language),
        "due": format_day(one.due_on, language),
        "closed": format_moment(charity.local(one.closed_at), language) if one.closed_at else "",
        "closed_by": one.closed_by or "",
        **time_left(one.due_on, today, warned_days=WARNED_DAYS),
    }


@bp.post("")
@access("clerk")
def record() -> ResponseReturnValue:
    """Record a request."""
    charity = _charity()
    form = _read_form(_today(charity))
    if not form.is_valid:
        return refused(_page(form))
    new = NewRequest(kind=RequestKind(form.kind), received_on=form.day.day, person=form.person.text, contact=form.contact.text)
    created = privacy_request_actions.record(charity.id, new, actor=current_user.email)
    flash(gettext("The request is recorded. Answer it by %(day)s.", day=format_day(created.due_on, current_language())))
    return redirect(url_for("staff_privacy_requests.one", request_id=created.id), 303)


@bp.get("/<int:request_id>")
@access("viewer")
def one(request_id: int) -> ResponseReturnValue:
    """One request. `?q=` is a name or an email address to find the person by."""
    return request_page(request_or_404(request_id), request.args.get("q", "")[:LONGEST_QUERY].strip())


def request_page(found: PrivacyRequest, typed: str = "") -> str:
    """The page of a request, with the people who are found by what was typed."""
    campaign = campaign_or_404()
    person = people.get_person(found.donor_id) if found.donor_id else None
    return render_template(
        "staff/privacy_request.html",
        title=campaign.title(current_language()),
        one=request_row(found, _today(campaign.charity)),
        subject=name_of(found),
        is_open=found.closed_at is None,
        is_identified=privacy_requests.is_identified(found.id),
        is_erasure=found.kind == RequestKind.ERASURE,
        person=_person_row(person) if person else None,
        wants_news=bool(person and wants_news(person.donor_id)),
        typed=typed,
        found=[_person_row(each) for each in people.find_people(typed)] if typed else [],
        history=[_act_row(act) for act in privacy_requests.acts_of(found.id)],
        may_act=has_role("clerk"),
        may_erase=has_role("manager"),
        longest=LONGEST_REASON,
        longest_query=LONGEST_QUERY,
    )


def _person_row(person: FoundPerson) -> dict[str, Any]:
    last = format_day(_charity().local(person.last_at).date(), current_language()) if person.last_at else ""
    return {
        "id": person.donor_id,
        "names": person.names,
        "emails": person.emails,
        "places": person.places,
        "gifts": ngettext("%(num)s gift", "%(num)s gifts", person.gifts),
        "last": last,
    }


def _act_row(act: PrivacyAct) -> dict[str, Any]:
    language, at = current_language(), _charity().local(act.at)
    words, erased = [], act.detail.get("erased", {})
    if erased:
        labels = {what.value: label for what, label in erased_labels().items()}
        words = [f"{labels[name]}: {count}" for name, count in erased.items()]
        words.append(_until(act.detail.get("until", "")))
    if act.kind == ActKind.FOUND:
        words.append(gettext("donor no. %(number)s", number=act.detail["donor"]))
    if act.detail.get("withdrawn"):
        words.append(gettext("The consent to news is withdrawn."))
    if "sha256" in act.detail:
        words.append(f"SHA-256 {act.detail['sha256']}")
    return {
        "what": act_labels()[ActKind(act.kind)],
        "by": act.actor,
        "at": format_moment(at, language),
        "iso": at.isoformat(),
        "note": act.note,
        "words": words,
    }


def _until(day: str) -> str:
    if not day:
        return gettext("Nothing had to stay.")
    return gettext(
        "Names, addresses and receipts of gifts stay until %(day)s, as tax law asks.",
        day=format_day(local_time.parse_day(day), current_language()),
    )


def request_or_404(request_id: int) -> PrivacyRequest:
    """The request of the charity with this id."""
    found = privacy_requests.get(request_id)
    if found is None or found.charity_id != _charity().id:
        abort(404)
    return found


@bp.post("/<int:request_id>/identity")
@access("clerk")
def identify(request_id: int) -> ResponseReturnValue:
    """Record how it was verified that it is the person themselves."""
    found, how = request_or_404(request_id), read_reason(missing=gettext("Please write how you know that it is them, in one line."))
    if not how:
        return refused(request_page(found))
    return _done(found, lambda: privacy_request_actions.record_identity(found.id, how=how, actor=current_user.email))


@bp.post("/<int:request_id>/person")
@access("clerk")
def choose(request_id: int) -> ResponseReturnValue:
    """Record which donor the person is."""
    found, donor_id = request_or_404(request_id), request.form.get("donor", "")
    donor = db.session.get(Donor, int(donor_id)) if donor_id.isascii() and donor_id.isdigit() and len(donor_id) < 19 else None
    if donor is None:
        abort(404)
    return _done(found, lambda: privacy_request_actions.choose_person(found.id, donor.id, actor=current_user.email))


@bp.post("/<int:request_id>/notes")
@access("clerk")
def note(request_id: int) -> ResponseReturnValue:
    """Record what was done."""
    found, text = request_or_404(request_id), read_reason(missing=gettext("Please write what was done, in one line."))
    if not text:
        return refused(request_page(found))
    return _done(found, lambda: privacy_request_actions.record_note(found.id, text, actor=current_user.email))


@bp.post("/<int:request_id>/withdrawal")
@access("clerk")
def withdraw(request_id: int) -> ResponseReturnValue:
    """Withdraw the person's consent to news."""
    found = request_or_404(request_id)
    if found.donor_id is None:
        abort(404)
    return _done(found, lambda: privacy_request_actions.withdraw_consent(found.id, actor=current_user.email))


@bp.post("/<int:request_id>/closing")
@access("clerk")
def close(request_id: int) -> ResponseReturnValue:
    """Close the request with what was done."""
    found, text = request_or_404(request_id), read_reason(missing=gettext("Please write what was done and answered, in one line."))
    if not text:
        return refused(request_page(found))
    return _done(found, lambda: privacy_request_actions.close(found.id, text, actor=current_user.email))


@bp.post("/<int:request_id>/reopening")
@access("clerk")
def reopen(request_id: int) -> ResponseReturnValue:
    """Open a closed request again."""
    found, text = request_or_404(request_id), read_reason()
    if not text:
        return refused(request_page(found))
    return _done(found, lambda: privacy_request_actions.reopen(found.id, text, actor=current_user.email))


def _done(found: PrivacyRequest, act: Any) -> ResponseReturnValue:
    """Do this and show the request again, or say that somebody else has closed or opened it meanwhile."""
    try:
        act()
        flash(gettext("Noted."))
    except RequestClosed:
        flash(gettext("Somebody else has closed this request, or opened it again, in the meantime. Nothing was changed."), "error")
    return redirect(url_for("staff_privacy_requests.one", request_id=found.id), 303)
