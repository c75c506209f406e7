"""Money at Stripe, for staff: the balance and whose it is, payouts with what they paid out, and what reconciliations found."""

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_datetime, gettext

from campaign.giving import heartbeats, reconciliations
from campaign.giving.campaigns import Campaign, default_campaign
from campaign.giving.payouts import Payout
from campaign.giving.reconciliations import SCHEDULE, Reconciliation, State
from campaign.reporting import clearing
from campaign.rules.money import written
from campaign.web.languages import spoken
from campaign.web.security import access

bp = Blueprint("staff_stripe", __name__, url_prefix="/staff/stripe")

RUNS_SHOWN = 10
FINDINGS_SHOWN = 50
LINES_SHOWN = 2000


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The balance, the latest payouts, the latest reconciliations."""
    campaign = _campaign()
    language, found = spoken(), clearing.clearing_of(campaign)
    payouts = clearing.latest_payouts()
    shares = clearing.share_of(campaign, [payout.stripe_id for payout in payouts])
    silence = heartbeats.webhooks_silent()
    return render_template(
        "staff/stripe.html",
        title=campaign.title(language),
        balance=written(found.balance, language),
        of_this=written(found.of_this, language),
        of_others=written(found.of_others, language) if found.of_others else "",
        in_dispute=written(found.in_dispute, language) if found.in_dispute else "",
        of_nobody=written(found.of_nobody, language) if found.of_nobody else "",
        payouts=[_payout(payout, campaign, shares.get(payout.stripe_id, 0)) for payout in payouts],
        runs=[_run(run, campaign) for run in reconciliations.latest(limit=RUNS_SHOWN)],
        silence=silence is not None,
        heard_at=_moment(silence.since, campaign) if silence and silence.since else "",
    )


@bp.get("/payouts/<stripe_id>")
@access("viewer")
def payout(stripe_id: str) -> ResponseReturnValue:
    """One payout with its lines."""
    campaign = _campaign()
    found = clearing.payout_named(stripe_id)
    if found is None:
        abort(404)
    language = spoken()
    lines = clearing.lines_of(found, limit=LINES_SHOWN)
    return render_template(
        "staff/payout.html",
        title=campaign.title(language),
        payout=_payout(found, campaign, clearing.share_of(campaign, [stripe_id]).get(stripe_id, 0)),
        is_cut=len(lines) == LINES_SHOWN,
        lines=[
            {
                "at": format_datetime(campaign.charity.local(line.made_at), "yyyy-MM-dd HH:mm", rebase=False),
                "iso": line.made_at.isoformat(),
                "type": _type_words().get(line.category) or _type_words().get(line.type) or line.category.replace("_", " "),
                "cents": written(line.cents, language),
                "fee": written(line.fee_cents, language) if line.fee_cents else "–",
                "net": written(line.net_cents, language),
                "public_id": line.public_id,
                "donor": line.donor,
                "stripe_id": line.stripe_id,
            }
            for line in lines
        ],
    )


def _campaign() -> Campaign:
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    return campaign


def _moment(at: datetime, campaign: Campaign) -> str:
    return str(format_datetime(campaign.charity.local(at), "yyyy-MM-dd HH:mm", rebase=False))


def _payout(payout: Payout, campaign: Campaign, share_cents: int) -> dict[str, Any]:
    language, local = spoken(), campaign.charity.local
    return {
        "id": payout.stripe_id,
        "made": _moment(payout.made_at, campaign),
        "iso": payout.made_at.isoformat(),
        "arrives": format_date(local(payout.arrives_at).date(), "yyyy-MM-dd"),
        "sum": written(payout.cents, language),
        "share": written(share_cents, language),
        "status": _status_words().get(payout.status, payout.status),
        "failure": payout.failure or "",
        "is_tied": payout.lines_read_at is not None,
    }


def _run(run: Reconciliation, campaign: Campaign) -> dict[str, Any]:
    findings = reconciliations.findings_of(run)
    return {
        "began": _moment(run.began_at, campaign),
        "iso": run.began_at.isoformat(),
        "since": format_date(campaign.charity.local(run.since).date(), "yyyy-MM-dd"),
        "actor": gettext("the schedule") if run.actor == SCHEDULE else run.actor,
        "has_ended": run.ended_at is not None,
        "open": sum(finding.state == State.OPEN for finding in findings),
        "findings": [
            {"is_open": finding.state == State.OPEN, "sentence": finding.in_words(spoken())} for finding in findings[:FINDINGS_SHOWN]
        ],
        "more": max(0, len(findings) - FINDINGS_SHOWN),
    }


def _status_words() -> dict[str, str]:
    return {
        "pending": gettext("not on its way yet"),
        "in_transit": gettext("on its way"),
        "paid": gettext("arrived"),
        "failed": gettext("came back"),
        "canceled": gettext("stopped"),
    }


def _type_words() -> dict[str, str]:
    return {
        "charge": gettext("payment"),
        "refund": gettext("refund"),
        "refund_failure": gettext("refund that failed"),
        "dispute": gettext("dispute"),
        "dispute_reversal": gettext("dispute won"),
        "payout_failure": gettext("payout that came back"),
        "fee": gettext("fee of the account"),
    }
