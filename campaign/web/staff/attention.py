"""What needs attention: one line for each thing, with the page on which staff act, and their number for the navigation of every page."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, request, url_for
from flask_babel import format_datetime, gettext, ngettext
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from campaign.campaigns.campaigns import Campaign, campaigns_of, list_campaigns
from campaign.campaigns.charities import list_charities
from campaign.edges.db import db
from campaign.funders import calls
from campaign.mail.letters.staff import describe_todo
from campaign.operations.job_results import FailingJob, FailureReason
from campaign.reporting import staff_todo
from campaign.reporting.staff_todo import StaffTodo
from campaign.rules.money import format_money
from campaign.texts.dates import format_moment
from campaign.texts.receipt_elements import describe_missing
from campaign.web.chosen_campaign import CHOICE, chosen_campaign
from campaign.web.languages import current_language

FINDINGS_SHOWN = 5
# How long the number may be out of date on pages that do not list the lines. Whoever acts sees the new one at once, from the same process.
COUNT_SECONDS = 20
_COUNT = "attention"
URGENT = frozenset(
    {
        "percent_on_hold",
        "busy_networks",
        "unconfirmed",
        "dead_events",
        "disputes",
        "webhooks_silent",
        "returns_overdue",
        "privacy_overdue",
        "incidents",
    }
)


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that needs a person. `url` and `act` are the link to where staff act on it, empty where nothing on a page does.

    `detail` says more, `code` is for whoever runs the service. Gifts, matches or receipts are affected until somebody acts on what is urgent.
    """

    sentence: str
    is_urgent: bool = False
    detail: str = ""
    code: str = ""
    url: str = ""
    act: str = ""


def list_needs(campaign: Campaign, todo: StaffTodo) -> list[Need]:
    """What needs attention now, `todo` of the campaign, the most urgent first."""
    lines = [
        *_about_books(todo),
        *_failing_jobs(todo, campaign),
        *_paused_funds(todo, campaign),
        *_counted(todo, campaign),
        *_calls(todo),
        *_waiting_receipts(todo),
    ]
    lines += _of_other_charities(campaign)
    _counts()[campaign.charity_id] = (time.monotonic() + COUNT_SECONDS, len(lines))
    return lines


def count_needs() -> int:
    """How many lines there are, at most COUNT_SECONDS old; the last number if the database cannot be asked now, as no page depends on it."""
    until, count = 0.0, 0
    try:
        campaign = chosen_campaign()
        if campaign is None:
            return 0
        until, count = _counts().get(campaign.charity_id, (until, count))
        return count if time.monotonic() < until else len(list_needs(campaign, staff_todo.todo_of(campaign)))
    except (OperationalError, PoolTimeout):
        db.session.rollback()
        return count


def count_again_after_acting(response: Response) -> Response:
    """Let the next page of staff count again after one of them may have changed something. What donors do shows within COUNT_SECONDS."""
    if request.method == "POST" and request.path.startswith("/staff/"):
        _counts().update({charity_id: (0.0, count) for charity_id, (_, count) in _counts().items()})
    return response


def _counts() -> dict[int, tuple[float, int]]:
    """By charity: until when the number holds, and the number."""
    found: dict[int, tuple[float, int]] = current_app.extensions.setdefault(_COUNT, {})
    return found


def _about_books(todo: StaffTodo) -> list[Need]:
    findings = todo.last_check.findings[:FINDINGS_SHOWN] if todo.last_check else []
    lines = [Need(sentence=gettext("The books are not right:"), detail=finding, is_urgent=True) for finding in findings]
    if todo.unchecked:
        lines.append(Need(sentence=describe_todo("unchecked", 1), detail=gettext("Whoever runs the service finds why in its log.")))
    return lines


def _failing_jobs(todo: StaffTodo, campaign: Campaign) -> list[Need]:
    return [_failure(jobs, campaign) for jobs in todo.failing]


def _failure(jobs: Sequence[FailingJob], campaign: Campaign) -> Need:
    """What fails, what it means, since when, and the errors for whoever runs the service."""
    match jobs[0].reason:
        case FailureReason.KEY_REFUSED:
            sentence = gettext("Stripe refuses our key, or the key lacks a permission. Payments may not be possible until it is mended.")
        case FailureReason.STRIPE_UNAVAILABLE:
            sentence = gettext("Stripe does not answer. What is missed meanwhile is caught up afterwards.")
        case FailureReason.CLOCK:
            sentence = gettext("The clock of the server is wrong. Payments may be refused until it is set.")
        case FailureReason.MAILBOX:
            sentence = gettext("The mailbox for email that came back cannot be read. Nothing in it is lost; look there by hand meanwhile.")
        case _:
            sentence = gettext("A job in the background keeps failing (%(job)s).", job=jobs[0].name)
    since = format_moment(campaign.charity.local(min(job.since for job in jobs)), current_language())
    return Need(
        sentence=sentence,
        is_urgent=True,
        detail=gettext("Since %(moment)s; the last error:", moment=since),
        code="; ".join(dict.fromkeys(job.error for job in jobs)),
    )


def _paused_funds(todo: StaffTodo, campaign: Campaign) -> list[Need]:
    language = current_language()
    return [
        Need(
            sentence=gettext(
                "Matching is paused since %(moment)s – %(name)s: %(reason)s",
                name=fund.name(language),
                moment=format_moment(campaign.charity.local(at), language),
                reason=reason,
            ),
            is_urgent=True,
            url=url_for("staff_fund.page", slug=fund.slug),
            act=gettext("Open the fund"),
        )
        for fund, at, reason in todo.paused
    ]


def _pages() -> dict[str, tuple[str, str]]:
    """The page on which staff act on each counted item, and what they do there. The rest has lines of its own."""
    holds, stripe = "staff_holds.page", "staff_settlement.page"
    return {
        "percent_on_hold": (holds, gettext("See what is on hold")),
        "busy_networks": (holds, gettext("See what is on hold")),
        "card_testing": ("staff_card_testing.page", gettext("See the guard")),
        "unconfirmed": ("staff_charity.page", gettext("Confirm the details")),
        "unreachable": ("staff_charity.page", gettext("Correct the details")),
        "quarantined": ("staff_quarantine.page", gettext("Decide")),
        "dead_events": ("staff_failed_events.dead", gettext("Handle again")),
        "differences": (stripe, gettext("See the differences")),
        "disputes": (stripe, gettext("See the disputes")),
        "alerts": (stripe, gettext("See the alerts")),
        "webhooks_silent": (stripe, gettext("See what to do")),
        "dead_mail": ("staff_mail.page", gettext("Send again")),
        "returned_mail": ("staff_mail.page", gettext("Correct the address")),
        "returns_overdue": ("staff_information_returns.page", gettext("File the return")),
        "returns_due_soon": ("staff_information_returns.page", gettext("File the return")),
        "returns_due": ("staff_information_returns.page", gettext("File the return")),
        "to_post": ("staff_posted_receipts.page", gettext("Print and post")),
        "privacy_overdue": ("staff_privacy_requests.page", gettext("Answer the request")),
        "privacy_due_soon": ("staff_privacy_requests.page", gettext("Answer the request")),
        "incidents": ("staff_incidents.page", gettext("See who is to be notified")),
        "voids": ("staff_receipts.register", gettext("Decide")),
        "pledges": ("staff_funds.page", gettext("Decide")),
        "payments": ("staff_funds.page", gettext("Decide")),
        "seals": ("staff_campaigns.page", gettext("Decide")),
        "uncalled": ("staff_funds.page", gettext("Call what is earned")),
        "messages": ("staff_messages.page", gettext("Read and decide")),
        "wall": ("staff_wall.page", gettext("Read and decide")),
    }


def _counted(todo: StaffTodo, campaign: Campaign) -> list[Need]:
    return [
        Need(
            sentence=describe_todo(name, todo.counted[name]),
            is_urgent=name in URGENT,
            detail=_first_deadline(todo, campaign) if name == "disputes" else "",
            url=url_for(endpoint, **_campaign_of(todo, name)),
            act=act,
        )
        for name, (endpoint, act) in _pages().items()
        if name in todo.counted
    ]


def _calls(todo: StaffTodo) -> list[Need]:
    """A line for each call that is overdue or to be posted, with its page."""
    language = current_language()
    overdue = [
        (
            call,
            fund,
            gettext(
                "Call for funds %(number)s is overdue: %(amount)s is still to be paid.",
                number=call.name,
                amount=format_money(cents, language),
            ),
        )
        for call, fund, cents in todo.overdue_calls
    ]
    to_post = [
        (
            call,
            calls.fund_of(call),
            gettext("%(number)s for a funder without an email address is to be printed and posted.", number=call.name),
        )
        for call in todo.posted_calls
    ]
    return [
        Need(
            sentence=sentence,
            detail=fund.name(language),
            url=url_for("staff_fund_calls.one", slug=fund.slug, number=call.number),
            act=gettext("Open the call"),
        )
        for call, fund, sentence in (*overdue, *to_post)
    ]


def _campaign_of(todo: StaffTodo, name: str) -> dict[str, Any]:
    """The parameter of a link to what is of one campaign, while there are several."""
    return {CHOICE: todo.campaigns[name]} if name in todo.campaigns and len(list_campaigns()) > 1 else {}


def _of_other_charities(campaign: Campaign) -> list[Need]:
    """The other charities that have something to do of their own, each with its first campaign."""
    others = [campaigns_of(charity)[:1] for charity in list_charities() if charity.id != campaign.charity_id]
    return [
        Need(
            sentence=gettext("Another charity has something to do: %(charity)s", charity=first.charity.name(current_language())),
            url=url_for("staff_dashboard.page", campaign=first.slug),
            act=gettext("Open its home page"),
        )
        for first in (one for found in others for one in found)
        if set(staff_todo.todo_of(first).counted) - staff_todo.SHARED
    ]


def _first_deadline(todo: StaffTodo, campaign: Campaign) -> str:
    """Until when Stripe takes an answer to the most urgent dispute."""
    if todo.dispute_until is None:
        return ""
    until = format_datetime(campaign.charity.local(todo.dispute_until), "yyyy-MM-dd HH:mm", rebase=False)
    return gettext("The first one until %(moment)s.", moment=until)


def _waiting_receipts(todo: StaffTodo) -> list[Need]:
    return [
        Need(
            sentence=ngettext(
                "%(num)s receipt waits for %(reason)s.",
                "%(num)s receipts wait for %(reason)s.",
                waiting.count,
                reason=describe_missing(waiting.missing, current_language()) or waiting.error,
            ),
            url=f"{url_for('staff_receipts.register')}#waiting",
            act=gettext("See which"),
        )
        for waiting in todo.receipts
    ]
