"""The dashboard of staff: the campaign's totals, today's donations, and what needs attention."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext

from campaign.campaigns.campaigns import Campaign, campaigns_of, list_campaigns
from campaign.campaigns.charities import list_charities
from campaign.mail.letters.staff import describe_todo
from campaign.matching import fund_lifecycle
from campaign.operations import integrity_checks, job_results
from campaign.operations.integrity_checks import IntegrityCheck
from campaign.operations.job_results import FailingJob, FailureReason
from campaign.payments import disputes
from campaign.reporting import staff_todo
from campaign.reporting import totals as reporting
from campaign.reporting.staff_todo import StaffTodo
from campaign.rules.money import format_money
from campaign.staff.members import ADMIN
from campaign.texts.dates import format_moment
from campaign.texts.receipt_elements import describe_missing
from campaign.web.chosen_campaign import CHOICE
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role

bp = Blueprint("staff_dashboard", __name__, url_prefix="/staff")

FINDINGS_SHOWN = 5
# The page for each item of the to-do list. Findings, paused funds and the reasons of incomplete receipts are listed on the dashboard itself.
TODO_PAGES = {
    "percent_on_hold": "staff_holds.page",
    "busy_networks": "staff_holds.page",
    "card_testing": "staff_card_testing.page",
    "unconfirmed": "staff_charity.page",
    "unreachable": "staff_charity.page",
    "quarantined": "staff_quarantine.page",
    "dead_events": "staff_failed_events.dead",
    "differences": "staff_settlement.page",
    "disputes": "staff_settlement.page",
    "alerts": "staff_settlement.page",
    "webhooks_silent": "staff_settlement.page",
    "dead_mail": "staff_mail.page",
    "returned_mail": "staff_mail.page",
    "returns_overdue": "staff_information_returns.page",
    "returns_due_soon": "staff_information_returns.page",
    "returns_due": "staff_information_returns.page",
    "voids": "staff_receipts.register",
    "pledges": "staff_funds.page",
    "payments": "staff_funds.page",
}


@bp.get("/")
@access("viewer")
def page() -> ResponseReturnValue:
    """Totals, the to-do list, and the latest donations."""
    campaign = campaign_or_404()
    language, charity = current_language(), campaign.charity
    totals = reporting.totals_of(campaign.slug)
    assert totals is not None
    last_check = integrity_checks.last_check()
    today = reporting.donated_today(campaign, charity, now=datetime.now(UTC))
    return render_template(
        "staff/dashboard.html",
        title=campaign.title(language),
        slug=campaign.slug,
        totals=totals,
        given=format_money(totals.donated_cents, language),
        matched=format_money(totals.matched_cents, language),
        raised=format_money(totals.raised_cents, language),
        goal=format_money(totals.goal_cents, language),
        left=format_money(totals.available_cents, language),
        unavailable=format_money(totals.unavailable_cents, language) if totals.unavailable_cents else "",
        held=format_money(totals.held_cents, language),
        pledged=format_money(totals.pledged_cents, language),
        fees=format_money(totals.fee_cents, language),
        covered_fees=format_money(totals.covered_fee_cents, language),
        today_count=today.donations,
        today_given=format_money(today.donated_cents, language),
        as_of=format_moment(charity.local(totals.as_of), language, "long"),
        latest=[_line(line, campaign, language) for line in reporting.latest_donations(campaign)],
        todo=_todo(campaign, last_check, language),
        may_manage=has_role("manager"),
        manages_members=has_role(ADMIN),
        checked_at=format_moment(charity.local(last_check.at), language) if last_check else "",
    )


def _line(line: reporting.LatestDonation, campaign: Campaign, language: str) -> dict[str, Any]:
    donation = line.donation
    assert donation.received_at is not None
    return {
        "received_at": format_datetime(campaign.charity.local(donation.received_at), "yyyy-MM-dd HH:mm", rebase=False),
        "iso": donation.received_at.isoformat(),
        "name": donation.full_name,
        "amount": format_money(donation.amount_cents, language),
        "covered_fee": format_money(donation.covered_fee_cents, language) if donation.covered_fee_cents else "–",
        "matched": format_money(line.matched_cents, language),
        "public_id": donation.public_id,
    }


def _todo(campaign: Campaign, last_check: IntegrityCheck | None, language: str) -> dict[str, Any]:
    """What needs a decision of staff, formatted for display."""
    todo = staff_todo.todo_of(campaign)
    paused = [row for one in campaigns_of(campaign.charity) for row in fund_lifecycle.list_paused(one.id)]
    return {
        "findings": last_check.findings[:FINDINGS_SHOWN] if last_check else [],
        "unchecked": describe_todo("unchecked", 1) if todo.unchecked else "",
        "paused_funds": [
            {"name": f.name(language), "moment": format_moment(campaign.charity.local(at), language), "reason": reason}
            for f, at, reason in paused
        ],
        "failing_jobs": [_failure(jobs, campaign) for jobs in job_results.by_cause(job_results.list_failing())],
        "needs": [
            {"sentence": _need(name, todo.counted[name], campaign), "url": url_for(endpoint, **_campaign_of(todo, name))}
            for name, endpoint in TODO_PAGES.items()
            if name in todo.counted
        ],
        "receipts": [(describe_missing(waiting.missing, language) or waiting.error, waiting.count) for waiting in todo.receipts],
        "elsewhere": _elsewhere(campaign, language),
    }


def _campaign_of(todo: StaffTodo, name: str) -> dict[str, Any]:
    """The parameter of a link to what is of one campaign, while there are several."""
    return {CHOICE: todo.campaigns[name]} if name in todo.campaigns and len(list_campaigns()) > 1 else {}


def _elsewhere(campaign: Campaign, language: str) -> list[dict[str, str]]:
    """The other charities that have something to do of their own, each with its first campaign."""
    others = [campaigns_of(charity)[:1] for charity in list_charities() if charity.id != campaign.charity_id]
    return [
        {"name": first.charity.name(language), "url": url_for("staff_dashboard.page", campaign=first.slug)}
        for first in (one for found in others for one in found)
        if set(staff_todo.todo_of(first).counted) - staff_todo.SHARED
    ]


def _need(name: str, count: int, campaign: Campaign) -> str:
    """An item of the list, with the first deadline of disputes."""
    urgent = disputes.list_unanswered(limit=1) if name == "disputes" else []
    if not urgent or urgent[0].reversal.respond_by is None:
        return describe_todo(name, count)
    until = format_datetime(campaign.charity.local(urgent[0].reversal.respond_by), "yyyy-MM-dd HH:mm", rebase=False)
    first = gettext("The first one until %(moment)s.", moment=until)
    return f"{describe_todo(name, count)} {first}"


def _failure(jobs: Sequence[FailingJob], campaign: Campaign) -> dict[str, str]:
    """What fails, since when, what it means, and the errors for whoever runs the service."""
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
    return {
        "sentence": sentence,
        "since": format_moment(campaign.charity.local(min(job.since for job in jobs)), current_language()),
        "error": "; ".join(dict.fromkeys(job.error for job in jobs)),
    }
