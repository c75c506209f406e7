"""Information returns on returned donations: those that are due, with drafts of the letters to send, and closing or reopening one."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.donations import donations
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund
from campaign.receipts import information_return_actions, information_returns, receipts, reported_reversals, return_drafts
from campaign.receipts.information_returns import WARNED_BEFORE, Filing, FilingMethod, InformationReturn
from campaign.receipts.receipts import SYSTEM_ACTOR, Receipt
from campaign.receipts.return_drafts import Reader
from campaign.reporting.gifts_received import QUEBEC
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.dates import format_day, format_moment
from campaign.web.downloads import name_file
from campaign.web.errors import campaign_or_404
from campaign.web.labels import filing_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.deadlines import time_left
from campaign.web.staff.exports import record_export
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedDay, TypedLine, read_day, read_line

bp = Blueprint("staff_information_returns", __name__, url_prefix="/staff/returned-gifts")

OPEN_SHOWN, CLOSED_SHOWN = 25, 50
# In their own language.
LANGUAGE_NAMES = {"en": "English", "fr": "Français"}
# What is chosen instead of a way to file.
NOT_NEEDED = "not_needed"


@dataclass(frozen=True, kw_only=True)
class FilingForm:
    """What a member typed about how a return was filed, or why it need not be."""

    how: str = ""
    how_error: str = ""
    day: TypedDay = field(default_factory=TypedDay)
    note: TypedLine = field(default_factory=TypedLine)

    @property
    def is_valid(self) -> bool:
        """Whether all fields are."""
        return not (self.how_error or self.day.error or self.note.error)

    @property
    def filing(self) -> Filing | None:
        """When and how the return was filed, if the form is valid; None if it need not be."""
        return None if self.how == NOT_NEEDED else Filing(on=self.day.day, method=FilingMethod(self.how))


def _read_filing() -> FilingForm:
    how, day = request.form.get("how", ""), TypedDay(text=request.form.get("filed_on", ""))
    note = read_line(
        "reason", longest=LONGEST_REASON, empty=gettext("Please write the other way, or why it need not be filed, in one line.")
    )
    if how not in {*FilingMethod, NOT_NEEDED}:
        chosen = gettext("Please choose how it was filed, or that it need not be.")
        return FilingForm(how_error=chosen, day=day, note=replace(note, error=""))
    if not note.text and how not in {FilingMethod.OTHER, NOT_NEEDED}:
        note = TypedLine()
    return FilingForm(how=how, day=day if how == NOT_NEEDED else read_day("filed_on", example=_today()), note=note)


def _today() -> date:
    return campaign_or_404().charity.local(datetime.now(UTC)).date()


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Open returns, the earliest due first, with what is left of their time, and the latest closed ones."""
    return _page({})


def _page(typed: dict[int, FilingForm], closed: InformationReturn | None = None) -> str:
    """The page, with what was typed about a return by its id. `closed` is one of these that somebody has closed meanwhile."""
    campaign, today = campaign_or_404(), _today()
    open_ones = information_returns.list_open(campaign.charity)
    # A form that comes back is on its page.
    at = next((number for number, task in enumerate(open_ones) if task.id in typed), request.args.get("skip", 0, type=int))
    skip = max(0, at) // OPEN_SHOWN * OPEN_SHOWN
    shown = open_ones[skip : skip + OPEN_SHOWN]
    return render_template(
        "staff/information_returns.html",
        title=campaign.title(current_language()),
        due=[
            {**row, **time_left(task.due_on, today, warned_days=WARNED_BEFORE.days), "typed": typed.get(task.id, FilingForm())}
            for task, row in zip(shown, _return_rows(shown), strict=True)
        ],
        due_count=len(open_ones),
        skip=skip,
        step=OPEN_SHOWN,
        done=_return_rows(information_returns.list_closed(campaign.charity, limit=CLOSED_SHOWN)),
        languages=LANGUAGE_NAMES,
        may_file=has_role("clerk"),
        longest_reason=LONGEST_REASON,
        today=today.isoformat(),
        ways=_ways(),
        refused=_refused_row(closed, typed[closed.id]) if closed else None,
    )


def _ways() -> dict[str, str]:
    return {**{way.value: label for way, label in filing_labels().items()}, NOT_NEEDED: gettext("it need not be filed, as noted")}


def _refused_row(task: InformationReturn, typed: FilingForm) -> dict[str, Any]:
    """A return that is closed, and what was typed about it, which is not recorded."""
    assert task.closed_at
    charity = campaign_or_404().charity
    return {
        **_return_rows([task])[0],
        "closed": format_moment(charity.local(task.closed_at), current_language()),
        "typed_how": _ways().get(typed.how, "–"),
        "typed_day": typed.day.text or "–",
        "typed_note": typed.note.text or "–",
    }


def _return_rows(tasks: Sequence[InformationReturn]) -> list[dict[str, Any]]:
    """The returns, formatted for display. What belongs to each of them is read of all at once."""
    gifts = donations.donations_by_id(task.donation_id for task in tasks)
    first = receipts.receipts_with_ids({task.receipt_id for task in tasks})
    replacements, came_back = receipts.replacements_of_each(first), reported_reversals.came_back_of_each([task.id for task in tasks])
    ended = receipts.ends_of([*{one.id for chain in replacements.values() for one in chain} | first.keys()])
    return [
        _return_row(
            task,
            [first[task.receipt_id], *replacements[task.receipt_id]],
            gifts.get(task.donation_id or 0),
            came_back=came_back.get(task.id, 0),
            ended=ended,
        )
        for task in tasks
    ]


def _return_row(
    task: InformationReturn, chain: Sequence[Receipt], donation: Donation | None, *, came_back: int, ended: Container[int]
) -> dict[str, Any]:
    """One return, whose first receipt and those that replaced it are the chain; `came_back` in cents."""
    language, (receipt, *replacements), latest = current_language(), chain, chain[-1]
    return {
        "id": task.id,
        "due_on": task.due_on.isoformat(),
        "due": format_day(task.due_on, language),
        "returned_on": task.returned_on.isoformat(),
        "returned": format_money(task.returned_cents - (0 if task.closed_at else came_back), language),
        "came_back": format_money(came_back, language) if came_back else "",
        "receipted": format_money(task.receipted_cents, language),
        "donor": latest.content["donor_name"],
        "address": latest.content["donor_address"],
        "serial": receipt.serial,
        "issued_on": receipt.content["issued_on"],
        "replacements": [{"serial": one.serial, "left": format_money(one.cents, language)} for one in replacements],
        "is_valid": latest.id not in ended,
        "public_id": donation.public_id if donation else "",
        "filed_on": task.filed_on.isoformat() if task.filed_on else "",
        "filed_how": filing_labels()[FilingMethod(task.filed_how)] if task.filed_how else "",
        "is_withdrawn": task.closed_by == SYSTEM_ACTOR,
        "done_by": task.closed_by,
        "note": task.note,
    }


@bp.get("/<int:task_id>/drafts/<any(agency,donor):reader>-<any(en,fr):language>.pdf")
@access("clerk", fresh=True)
def draft(task_id: int, reader: str, language: str) -> ResponseReturnValue:
    """A draft of the return, or of the letter to the donor with its copy, to check, sign and send."""
    task = _return_or_404(task_id)
    name = return_drafts.file_name(task, Reader(reader), language=language)
    record_export(
        f"draft of an information return (PDF, {reader}, {language})", f"information return {task_id}", of_charity=_charity_id(task)
    )
    pdf = return_drafts.render_draft(task, Reader(reader), language=language, is_in_quebec=_is_in_quebec(task))
    return name_file(Response(pdf, mimetype="application/pdf"), name)


def _charity_id(task: InformationReturn) -> int:
    return db.session.get_one(Receipt, task.receipt_id).charity_id


def _is_in_quebec(task: InformationReturn) -> bool:
    """Whether the donor, or the funder, files a tax return with Revenu Québec too, by their address."""
    if task.donation_id is not None:
        donation = db.session.get_one(Donation, task.donation_id)
        return (donation.country, donation.province) == ("CA", QUEBEC)
    fund = db.session.get_one(Fund, db.session.get_one(FunderPayment, task.funder_payment_id).fund_id)
    return db.session.get_one(Funder, fund.funder_id).province == QUEBEC


@bp.post("/<int:task_id>/filings")
@access("clerk", fresh=True)
def file(task_id: int) -> ResponseReturnValue:
    """Close a return as filed on a day, in a way, or as not needed for a reason."""
    task, typed = _return_or_404(task_id), _read_filing()
    if task.closed_at:
        return _page({task_id: typed}, task), 409
    if not typed.is_valid:
        return _page({task_id: typed}), 422
    try:
        is_closed = information_return_actions.close(task_id, typed.filing, actor=current_user.email, note=typed.note.text)
    except ActionRefused as error:
        day = replace(typed.day, error=action_errors.describe_error(error.refusal, current_language()))
        return _page({task_id: replace(typed, day=day)}), 422
    if not is_closed:  # By somebody who was sooner by a moment.
        return _page({task_id: typed}, _return_or_404(task_id)), 409
    flash(gettext("Noted. It stays in the list below, and can be opened again."))
    return redirect(url_for("staff_information_returns.page"), 303)


@bp.post("/<int:task_id>/reopenings")
@access("clerk", fresh=True)
def reopen(task_id: int) -> ResponseReturnValue:
    """Reopen a closed return."""
    _return_or_404(task_id)
    try:
        information_return_actions.reopen(task_id, actor=current_user.email)
        flash(gettext("It is due again."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    return redirect(url_for("staff_information_returns.page"), 303)


def _return_or_404(task_id: int) -> InformationReturn:
    task = information_returns.get(task_id)
    if task is None:
        abort(404)
    return task
