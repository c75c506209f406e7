"""What a funder is asked to pay: the calls for their fund, with what of each is open, and their documents."""

from datetime import date
from typing import Any

from flask import Blueprint, Response, abort, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.funders import call_render_jobs, calls
from campaign.funders.calls import CallKind, FundCall
from campaign.matching.funds import Fund
from campaign.rules.money import format_money
from campaign.texts.dates import format_day
from campaign.web.downloads import name_file
from campaign.web.funder.link_session import led_fund_of_session
from campaign.web.languages import current_language
from campaign.web.security import access

bp = Blueprint("funder_calls", __name__, url_prefix="/funder/calls")


@bp.get("/<int:number>.pdf")
@access("funder")
def document(number: int) -> ResponseReturnValue:
    """The call or credit note with this number, as it was sent."""
    call = calls.find_call(led_fund_of_session(), number)
    if call is None:
        abort(404)
    response = Response(call_render_jobs.get_or_render_pdf(call), mimetype="application/pdf")
    return name_file(response, call_render_jobs.file_name_of(call), disposition="inline")


def to_pay(fund: Fund, today: date) -> dict[str, Any]:
    """What is to be paid now in a sentence, and a row for each call and credit note, the latest first; empty before the first."""
    language, own = current_language(), calls.calls_of(fund)
    if not own:
        return {}
    left = {one.call.id: one.open_cents for one in calls.balances_of(fund)}
    open_cents = sum(left.values())
    due = min((one.due_on for one in own if left.get(one.id) and one.due_on), default=None)
    if not open_cents:
        sentence = gettext("Nothing is to be paid now: all that we have asked for is paid.")
    else:
        assert due
        named = {"amount": format_money(open_cents, language), "day": format_day(due, language)}
        is_one = sum(map(bool, left.values())) == 1
        sentence = (
            gettext("To be paid now: %(amount)s, by %(day)s.", **named)
            if is_one
            else gettext("To be paid now: %(amount)s, the first part by %(day)s.", **named)
        )
    return {
        "sentence": sentence,
        "is_open": open_cents > 0,
        "is_overdue": due is not None and due < today,
        "rows": [_row(one, left, language) for one in own[::-1]],
    }


def _row(call: FundCall, left: dict[int, int], language: str) -> dict[str, str]:
    if call.kind == CallKind.CREDIT_NOTE:
        state = gettext("credit note")
    elif call.id not in left:
        state = gettext("cancelled")
    else:
        state = gettext("%(amount)s open", amount=format_money(left[call.id], language)) if left[call.id] else gettext("paid")
    return {
        "name": call.name,
        "issued_on": format_day(call.issued_on, language),
        "due_on": format_day(call.due_on, language) if call.due_on else "–",
        "amount": format_money(call.cents, language),
        "state": state,
        "url": url_for("funder_calls.document", number=call.number, fund=calls.fund_of(call).slug),
    }
