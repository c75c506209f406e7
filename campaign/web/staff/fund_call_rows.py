"""Calls for funds as rows of the pages of staff, ready to show."""

from datetime import UTC, datetime
from typing import Any

from flask_babel import gettext

from campaign.campaigns.bank_details import BankDetails
from campaign.campaigns.charities import Charity
from campaign.funders import call_documents, calls
from campaign.funders.call_contents import EarnedLines
from campaign.funders.calls import CallBalance, CallKind, FundCall, Source
from campaign.funders.payments import FunderPayment
from campaign.mail.letters.bank_details import describe_account
from campaign.rules.money import format_money
from campaign.texts.dates import format_day, format_moment
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.staff.mail import mail_lines


def now() -> datetime:
    """The moment of this request."""
    return datetime.now(UTC)


def _day(moment: datetime) -> str:
    return campaign_or_404().charity.local(moment).date().isoformat()


def call_row(call: FundCall, balance: CallBalance | None) -> dict[str, Any]:
    """A call or credit note: what it asks for, what is open of it, and how it is. `balance` is of a call that is not cancelled."""
    language, content = current_language(), call.content
    cancellation, posted = calls.cancellation_of(call), call_documents.posted_of(call)
    is_call, open_cents = call.kind == CallKind.CALL, balance.open_cents if balance else 0
    local_day = campaign_or_404().charity.local(now()).date()
    return {
        "number": call.number,
        "name": call.name,
        "is_call": is_call,
        "kind": gettext("Call for funds") if is_call else gettext("Credit note"),
        "amount": format_money(call.cents, language),
        "issued_on": call.issued_on.isoformat(),
        "issued_by": call.issued_by,
        "due_on": call.due_on.isoformat() if call.due_on else "",
        "due_day": format_day(call.due_on, language) if call.due_on else "",
        "open": format_money(open_cents, language) if is_call else "",
        "is_paid": balance is not None and open_cents == 0,
        "is_overdue": bool(open_cents and call.due_on and call.due_on < local_day),
        "cancellation": _cancellation(cancellation) if cancellation else None,
        "reason": call.reason,
        "lines": _lines(call),
        "received": format_money(-content["received_cents"], language) if content["received_cents"] else "",
        "to_pay": format_money(content["to_pay_cents"], language),
        "parts": [_part(source, cents) for source, cents in balance.parts] if balance else [],
        "mails": mail_lines(call_documents.messages_of(call)),
        "posted": {"by": posted.posted_by, "on": _day(posted.posted_at)} if posted else None,
    }


def _cancellation(cancellation: calls.CallCancellation) -> dict[str, str]:
    return {"by": cancellation.cancelled_by, "on": _day(cancellation.at), "reason": cancellation.reason}


def _lines(call: FundCall) -> list[tuple[str, str]]:
    language, is_first = current_language(), call.content["called_before_cents"] == 0
    return [(line_label(name, is_first=is_first), format_money(cents, language)) for name, cents in call.content["lines"]]


def line_label(name: str, *, is_first: bool) -> str:
    """What a line of a call or credit note is."""
    return {
        "matched": gettext("Matched so far") if is_first else gettext("Matched since the last call"),
        "released": gettext("Released since, as gifts were returned"),
        "before": gettext("Matched before and not called yet"),
        "leftover": gettext("Not matched by the end, and given all the same"),
        "later": gettext("Left for a later call"),
        "called": gettext("Called so far"),
        "earned": gettext("Matched in the end"),
    }[name]


def earned_rows(lines: EarnedLines, *, is_first: bool) -> list[tuple[str, str]]:
    """Where what may be called comes from."""
    language = current_language()
    found = (
        ("matched", lines.matched_cents),
        ("released", -lines.released_cents),
        ("before", lines.before_cents),
        ("leftover", lines.leftover_cents),
    )
    return [(line_label(name, is_first=is_first), format_money(cents, language)) for name, cents in found if cents or name == "matched"]


def _part(source: Source, cents: int) -> dict[str, str]:
    """A payment or credit note that is applied to the call, in part or whole."""
    amount = format_money(cents, current_language())
    if isinstance(source, FunderPayment):
        named = {"day": source.received_on.isoformat(), "reference": source.reference}
        return {"what": gettext("Payment of %(day)s (%(reference)s)", **named), "amount": amount, "number": ""}
    return {"what": gettext("Credit note %(number)s", number=source.name), "amount": amount, "number": str(source.number)}


def call_facts(details: BankDetails, charity: Charity) -> list[tuple[str, str]]:
    """The bank details that a call will state, and since when, so that a change that nobody meant is seen before money is asked for."""
    since = format_moment(charity.local(details.changed_at), current_language())
    return [
        (gettext("Bank details"), describe_account(details)),
        (gettext("Last changed"), gettext("%(moment)s by %(who)s", moment=since, who=details.changed_by)),
    ]
