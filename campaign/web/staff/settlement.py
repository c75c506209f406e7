"""Settlement at Stripe: the balance and its allocation, payouts with their transactions, and the findings of reconciliations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.operations import heartbeats
from campaign.payments import alerts, disputes
from campaign.payments.alerts import StripeAlert
from campaign.payments.disputes import UnansweredDispute
from campaign.payments.reversals import INQUIRY_STATUSES
from campaign.reporting import stripe_clearing
from campaign.reporting.stripe_clearing import PaidOut
from campaign.rules.money import format_money
from campaign.stripe_sync import reconciliations
from campaign.stripe_sync.payouts import NOT_APPLICABLE, Payout
from campaign.stripe_sync.reconciliations import SCHEDULE, DifferenceState, Reconciliation
from campaign.texts.dates import format_day
from campaign.texts.reconciliation_messages import describe_compared
from campaign.texts.stripe_alerts import describe_alert
from campaign.web.errors import campaign_or_404
from campaign.web.labels import payout_status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role

bp = Blueprint("staff_settlement", __name__, url_prefix="/staff/stripe")

RUNS_SHOWN = 10
FINDINGS_SHOWN = 50
LINES_SHOWN = 100
ALERTS_SHOWN = 50
DISPUTES_SHOWN = 50
# Of a payout that has left the balance at Stripe and is not at the bank.
UNDER_WAY = ("pending", "in_transit")
# Of a payout that did not reach the bank.
CAME_BACK = ("failed", "canceled")


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """The balance, the latest payouts and the latest reconciliations."""
    campaign = campaign_or_404()
    language, clearing = current_language(), stripe_clearing.clearing_of(campaign)
    payouts = stripe_clearing.latest_payouts()
    shares = stripe_clearing.share_of(campaign, [payout.stripe_id for payout in payouts])
    paid_out = stripe_clearing.paid_out_by([payout.stripe_id for payout in payouts])
    under_way = [payout for payout in payouts if payout.status in UNDER_WAY]
    silence = heartbeats.webhook_silence()
    return render_template(
        "staff/settlement.html",
        title=campaign.title(language),
        balance=format_money(clearing.balance_cents, language),
        of_this=format_money(clearing.this_campaign_cents, language),
        of_others=format_money(clearing.other_campaigns_cents, language) if clearing.other_campaigns_cents else "",
        in_dispute=format_money(clearing.disputed_cents, language) if clearing.disputed_cents else "",
        quarantined=format_money(clearing.quarantined_cents, language) if clearing.quarantined_cents else "",
        rest=format_money(clearing.rest_cents, language) if clearing.rest_cents else "",
        other=format_money(clearing.other_cents, language) if clearing.other_cents else "",
        on_the_way=format_money(sum(payout.cents for payout in under_way), language) if under_way else "",
        next_arrival=format_day(campaign.charity.local(min(p.arrives_at for p in under_way)).date(), language) if under_way else "",
        payouts=[
            {**_payout(payout, campaign, shares.get(payout.stripe_id, 0)), **_paid_out(paid_out.get(payout.stripe_id))}
            for payout in payouts
        ],
        sums=_payout_sums([payout for payout in payouts if payout.status not in CAME_BACK], paid_out, shares),
        runs=[_run(run, campaign) for run in reconciliations.list_latest(limit=RUNS_SHOWN)],
        disputes=[dispute_line(found, campaign) for found in disputes.list_unanswered(limit=DISPUTES_SHOWN)],
        alerts=[_alert(alert, campaign) for alert in alerts.list_open(limit=ALERTS_SHOWN)],
        may_close=has_role("clerk"),
        untied=format_money(clearing.untied_payouts_cents, language) if clearing.untied_payouts_cents else "",
        silence=silence is not None,
        heard_at=_moment(silence.since, campaign) if silence and silence.since else "",
    )


def _alert(alert: StripeAlert, campaign: Campaign) -> dict[str, Any]:
    donation = db.session.get(Donation, alert.donation_id) if alert.donation_id else None
    return {
        "id": alert.id,
        "raised": _moment(alert.raised_at, campaign),
        "iso": alert.raised_at.isoformat(),
        "sentence": describe_alert(alert.kind, alert.object_id, alert.detail, current_language()),
        "public_id": donation.public_id if donation else "",
        "donor": donation.full_name if donation else "",
    }


def dispute_line(unanswered: UnansweredDispute, campaign: Campaign) -> dict[str, Any]:
    """A dispute that waits for an answer, formatted for display."""
    reversal, donation, language = unanswered.reversal, unanswered.donation, current_language()
    until = reversal.respond_by
    return {
        "id": reversal.stripe_id,
        "sum": format_money(reversal.cents, language),
        "is_inquiry": reversal.status in INQUIRY_STATUSES,
        "reason": _reason_labels().get(reversal.reason) or reversal.reason.replace("_", " ") or "–",
        "until": _moment(until, campaign) if until else "–",
        "iso": until.isoformat() if until else "",
        "public_id": donation.public_id,
        "donor": donation.full_name,
    }


@bp.post("/alerts/<int:alert_id>/closings")
@access("clerk")
def close_alert(alert_id: int) -> ResponseReturnValue:
    """Close an alert: somebody has taken note of it."""
    if alerts.close(alert_id, actor=current_user.email):
        flash(gettext("Noted."))
    db.session.commit()
    return redirect(url_for("staff_settlement.page"), 303)


@bp.get("/payouts/<stripe_id>")
@access("viewer")
def payout(stripe_id: str) -> ResponseReturnValue:
    """One payout with its balance transactions."""
    campaign = campaign_or_404()
    stripe_payout = stripe_clearing.payout_by_stripe_id(stripe_id)
    if stripe_payout is None:
        abort(404)
    language = current_language()
    after = request.args.get("after", 0, type=int)
    found = stripe_clearing.transactions_of(stripe_payout, after=after, limit=LINES_SHOWN + 1)
    lines = found[:LINES_SHOWN]
    return render_template(
        "staff/payout.html",
        title=campaign.title(language),
        payout=_payout(stripe_payout, campaign, stripe_clearing.share_of(campaign, [stripe_id]).get(stripe_id, 0)),
        is_first=not after,
        next_after=lines[-1].id if len(found) > LINES_SHOWN else None,
        lines=[
            {
                "at": format_datetime(campaign.charity.local(line.created_at), "yyyy-MM-dd HH:mm", rebase=False),
                "iso": line.created_at.isoformat(),
                "type": _type_labels().get(line.category) or _type_labels().get(line.type) or line.category.replace("_", " "),
                "cents": format_money(line.cents, language),
                "fee": format_money(line.fee_cents, language) if line.fee_cents else "–",
                "net": format_money(line.net_cents, language),
                "public_id": line.public_id,
                "donor": line.donor,
                "stripe_id": line.stripe_id,
            }
            for line in lines
        ],
    )


def _moment(at: datetime, campaign: Campaign) -> str:
    return str(format_datetime(campaign.charity.local(at), "yyyy-MM-dd HH:mm", rebase=False))


def _payout(payout: Payout, campaign: Campaign, share_cents: int) -> dict[str, Any]:
    language, local = current_language(), campaign.charity.local
    return {
        "id": payout.stripe_id,
        "iso": payout.created_at.isoformat(),
        "sent": format_day(local(payout.created_at).date(), language, "medium"),
        "arrives": format_day(local(payout.arrives_at).date(), language, "medium"),
        "sum": format_money(payout.cents, language),
        "share": format_money(share_cents, language),
        "status": payout_status_labels().get(payout.status, payout.status),
        "failure": payout.failure or "",
        "is_tied": payout.transactions_read_at is not None,
        "is_manual": payout.reconciliation_status == NOT_APPLICABLE,
    }


def _paid_out(found: PaidOut | None) -> dict[str, str]:
    """What a payout paid out before Stripe's fees, and the fees; a dash while Stripe has not said it."""
    language = current_language()
    return {
        "gross": format_money(found.gross_cents, language) if found else "–",
        "fees": format_money(found.fee_cents, language) if found else "–",
    }


def _payout_sums(payouts: Sequence[Payout], paid_out: Mapping[str, PaidOut], shares: Mapping[str, int]) -> dict[str, str]:
    """The sums of the payouts that are listed and did not come back."""
    found = [paid_out[payout.stripe_id] for payout in payouts if payout.stripe_id in paid_out]
    language = current_language()
    return {
        **_paid_out(PaidOut(gross_cents=sum(one.gross_cents for one in found), fee_cents=sum(one.fee_cents for one in found))),
        "sum": format_money(sum(payout.cents for payout in payouts), language),
        "share": format_money(sum(shares.get(payout.stripe_id, 0) for payout in payouts), language),
    }


def _run(run: Reconciliation, campaign: Campaign) -> dict[str, Any]:
    findings = reconciliations.findings_of(run)
    return {
        "began": _moment(run.started_at, campaign),
        "iso": run.started_at.isoformat(),
        "since": format_day(campaign.charity.local(run.since).date(), current_language()),
        "compared": describe_compared(run.compared, current_language()),
        "actor": gettext("the schedule") if run.actor == SCHEDULE else run.actor,
        "has_ended": run.ended_at is not None,
        "open": sum(finding.state == DifferenceState.OPEN for finding in findings),
        "findings": [
            {
                "is_open": finding.state == DifferenceState.OPEN,
                "sentence": finding.describe(current_language()),
                "act": finding.act(current_language()),
            }
            for finding in findings[:FINDINGS_SHOWN]
        ],
        "more": max(0, len(findings) - FINDINGS_SHOWN),
    }


def _reason_labels() -> dict[str, str]:
    return {
        "fraudulent": gettext("the donor says that somebody else paid"),
        "unrecognized": gettext("the donor does not recognize the payment"),
        "duplicate": gettext("charged twice"),
        "subscription_canceled": gettext("the monthly gift had been cancelled"),
        "credit_not_processed": gettext("a refund is awaited"),
        "product_not_received": gettext("nothing was received"),
        "product_unacceptable": gettext("not as promised"),
        "debit_not_authorized": gettext("the bank debit was not authorized"),
        "insufficient_funds": gettext("not enough money in the account"),
        "bank_cannot_process": gettext("the bank could not process it"),
        "incorrect_account_details": gettext("wrong account details"),
        "customer_initiated": gettext("the donor asked the bank to return it"),
        "general": gettext("no particular reason"),
    }


def _type_labels() -> dict[str, str]:
    return {
        "charge": gettext("payment"),
        "refund": gettext("refund"),
        "refund_failure": gettext("refund that failed"),
        "dispute": gettext("dispute"),
        "dispute_reversal": gettext("dispute won"),
        "payout_failure": gettext("payout that came back"),
        "fee": gettext("fee of the account"),
    }
