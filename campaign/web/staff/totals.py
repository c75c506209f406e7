"""The staff's first page: where the campaign stands, what came today, what needs a person."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime

from campaign.giving import books_checks, fund_changes
from campaign.giving.books_checks import BooksCheck
from campaign.giving.campaigns import Campaign, default_campaign
from campaign.letters.staff import sentence
from campaign.reporting import needs
from campaign.reporting import totals as reporting
from campaign.rules.money import written
from campaign.rules.receipt_rules import lacking_in_words
from campaign.web.languages import spoken
from campaign.web.security import access

bp = Blueprint("staff", __name__, url_prefix="/staff")

FINDINGS_SHOWN = 5
# Where staff see to what the sentence of a need says; findings, paused funds and receipts that wait are told with their reasons.
WHERE = {
    "quarantined": "staff_quarantine.page",
    "dead_events": "staff_events.dead",
    "differences": "staff_stripe.page",
    "webhooks_silent": "staff_stripe.page",
    "dead_mail": "staff_mail.page",
    "returned_mail": "staff_mail.page",
    "returns_due": "staff_returned_gifts.page",
    "voids": "staff_receipts.register",
}


@bp.get("/")
@access("viewer")
def totals() -> ResponseReturnValue:
    """Sums, the day, and the latest donations."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    language, charity = spoken(), campaign.charity
    found = reporting.totals_of(campaign.slug)
    assert found is not None
    last_check = books_checks.last()
    today = reporting.given_today(campaign, charity, now=datetime.now(UTC))
    return render_template(
        "staff/totals.html",
        title=campaign.title(language),
        slug=campaign.slug,
        totals=found,
        given=written(found.donated_cents, language),
        matched=written(found.matched_cents, language),
        raised=written(found.raised_cents, language),
        goal=written(found.goal_cents, language),
        left=written(found.available_cents, language),
        held=written(found.held_cents, language),
        pledged=written(found.pledged_cents, language),
        fees=written(found.fee_cents, language),
        covered_fees=written(found.covered_fee_cents, language),
        today_count=today.donations,
        today_given=written(today.donated_cents, language),
        as_of=format_datetime(charity.local(found.as_of), "long", rebase=False),
        latest=[_line(line, campaign, language) for line in reporting.latest_donations(campaign)],
        to_look_at=_to_look_at(campaign, last_check, language),
        checked_at=format_datetime(charity.local(last_check.at), "medium", rebase=False) if last_check else "",
    )


def _line(line: reporting.LatestDonation, campaign: Campaign, language: str) -> dict[str, Any]:
    donation = line.donation
    assert donation.paid_at is not None
    return {
        "paid_at": format_datetime(campaign.charity.local(donation.paid_at), "yyyy-MM-dd HH:mm", rebase=False),
        "iso": donation.paid_at.isoformat(),
        "name": donation.full_name,
        "amount": written(donation.amount_cents, language),
        "covered_fee": written(donation.covered_fee_cents, language) if donation.covered_fee_cents else "–",
        "matched": written(line.matched_cents, language),
        "public_id": donation.public_id,
    }


def _why_receipts_wait(reason: str, language: str) -> str:
    _, is_lacking, names = reason.partition("lacking: ")
    return lacking_in_words(names.split(", "), language) if is_lacking else reason


def _to_look_at(campaign: Campaign, last_check: BooksCheck | None, language: str) -> dict[str, Any]:
    """What no machine will mend by itself."""
    found = needs.of_campaign(campaign)
    return {
        "findings": last_check.findings[:FINDINGS_SHOWN] if last_check else [],
        "paused_funds": [
            {"name": f.name(language), "moment": format_datetime(campaign.charity.local(at), "medium", rebase=False), "reason": reason}
            for f, at, reason in fund_changes.paused(campaign.id)
        ],
        "needs": [
            {"sentence": sentence(name, found.counted[name]), "url": url_for(where)}
            for name, where in WHERE.items()
            if name in found.counted
        ],
        "receipts": [(_why_receipts_wait(reason, language), count) for reason, count in found.receipts],
    }
