"""Payments in quarantine: the anomaly of each, and the decision of a manager with its reason."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.campaigns.campaigns import Campaign
from campaign.donations import donations
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.stripe.client import StripeUnavailable
from campaign.payments import quarantine, quarantine_actions, refund_jobs, settlement
from campaign.payments.quarantine import Anomaly, Decision, DecisionRefused, QuarantinedPayment
from campaign.payments.refunds import RefundRefused
from campaign.rules.money import InvalidMoney, format_money, format_typed, parse
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.typed_fields import LONGEST_REASON, read_reason

bp = Blueprint("staff_quarantine", __name__, url_prefix="/staff/quarantine")

SHOWN = 100
DECIDED_SHOWN = 50


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """Pending payments, oldest first, and the latest decisions."""
    return _page()


def _page(fee_error: str = "") -> str:
    campaign = campaign_or_404()
    pending = quarantine.list_pending(limit=SHOWN)
    return render_template(
        "staff/quarantine.html",
        title=campaign.title(current_language()),
        may_decide=has_role("manager"),
        longest_reason=LONGEST_REASON,
        count=quarantine.count_pending(),
        waiting=_payment_rows(pending, campaign),
        decided=_payment_rows(quarantine.list_decided(limit=DECIDED_SHOWN), campaign),
        fee_error=fee_error,
    )


@bp.post("/<int:row>/decisions")
@access("manager", fresh=True)
def decide(row: int) -> ResponseReturnValue:
    """Accept, refund or dismiss a payment."""
    decision, reason, fee_error, covered_fee = request.form.get("decision", ""), read_reason(), "", None
    if decision not in set(Decision):
        abort(400)
    try:
        covered_fee = _covered_fee(request.form.get("covered_fee", "")) if decision == Decision.ACCEPTED else None
    except InvalidMoney:
        fee_error = gettext("Please write the covered fee as an amount, such as 3.30, or 0; nothing was decided.")
    if fee_error or not reason:
        return _page(fee_error), 422
    if not _decide(row, Decision(decision), reason, covered_fee):
        return _page(), 422
    return redirect(url_for("staff_quarantine.page"), 303)


def _covered_fee(typed: str) -> int | None:
    """The covered fee in cents; None when it was not asked for. Raises InvalidMoney."""
    return parse(typed, current_language()) if typed.strip() else None


def _decide(row: int, decision: Decision, reason: str, covered_fee_cents: int | None) -> bool:
    """Whether the decision was not refused."""
    actor = current_user.email
    try:
        match decision:
            case Decision.ACCEPTED:
                quarantine_actions.accept(row, actor=actor, reason=reason, covered_fee_cents=covered_fee_cents)
                flash(gettext("The payment is a gift now. It is matched as far as money is left, and its receipt goes out."))
            case Decision.REFUNDED:
                refund_jobs.refund_quarantined(row, actor=actor, reason=reason)
                flash(gettext("The payment is being refunded."))
            case Decision.DISMISSED:
                quarantine_actions.dismiss(row, actor=actor, reason=reason)
                flash(gettext("The payment is set aside. It stays in this list."))
    except (DecisionRefused, RefundRefused) as error:
        db.session.rollback()
        flash(error.describe(current_language()), "error")
        return False
    except StripeUnavailable:
        db.session.rollback()
        flash(gettext("Stripe did not answer. The refund request is stored and will be retried within minutes."))
    return True


def _payment_rows(payments: Sequence[QuarantinedPayment], campaign: Campaign) -> list[dict[str, Any]]:
    gifts = donations.donations_by_id(payment.donation_id for payment in payments)
    return [_payment_row(payment, gifts.get(payment.donation_id or 0), campaign) for payment in payments]


def _payment_row(payment: QuarantinedPayment, donation: Donation | None, campaign: Campaign) -> dict[str, Any]:
    language, local = current_language(), campaign.charity.local
    return {
        "row": payment.id,
        "id": payment.payment_intent,
        "why": _describe_anomaly(payment, donation, language),
        "paid": f"{format_money(payment.amount_cents, language)} {payment.currency}",
        "iso": payment.received_at.isoformat(),
        "received_at": format_datetime(local(payment.received_at), "yyyy-MM-dd HH:mm", rebase=False),
        "donation": donation.public_id if donation else "",
        "donor": donation.full_name if donation else "",
        "may_be_accepted": payment.may_be_accepted,
        "covered_fee": _proposed_fee(payment, donation, language),
        "may_be_refunded": payment.may_be_refunded,
        "decision": _decision_labels().get(payment.decision or "", ""),
        "decided_by": payment.decided_by,
        "decided_at": format_datetime(local(payment.decided_at), "yyyy-MM-dd HH:mm", rebase=False) if payment.decided_at else "",
        "reason": payment.reason,
    }


def _proposed_fee(payment: QuarantinedPayment, donation: Donation | None, language: str) -> str:
    """What the form proposes as covered fee; empty when it is not asked for, because the proportions of the donation are known."""
    is_asked = payment.anomaly == Anomaly.LINES or (payment.anomaly == Anomaly.SECOND and donation and donation.recurring_gift_id)
    if donation is None or not is_asked or not payment.may_be_accepted:
        return ""
    return format_typed(settlement.covered_fee_in(payment, donation), language)


def _describe_anomaly(payment: QuarantinedPayment, donation: Donation | None, language: str) -> str:
    asked = format_money(donation.charged_cents, language) if donation else ""
    return {
        Anomaly.AMOUNT: gettext("The sum is not what we asked for: %(asked)s.", asked=asked),
        Anomaly.CURRENCY: gettext("The currency is not that of the campaign."),
        Anomaly.MODE: gettext("It is a test payment, or a real one among tests."),
        Anomaly.ACCOUNT: gettext("It was made in another Stripe account."),
        Anomaly.METADATA: gettext("It names two donations."),
        Anomaly.LINES: gettext("Its invoice does not say what is gift and what is covered fee."),
        Anomaly.SECOND: gettext("Another part of this month was paid before: this is a later payment of the same invoice, or a second one.")
        if donation and donation.recurring_gift_id
        else gettext("The donation was paid before: this is a second payment of it."),
        Anomaly.CONFLICT: gettext("The payment is that of another donation."),
        Anomaly.UNKNOWN: gettext("It names a donation that we do not have."),
        Anomaly.SEALED: gettext("It was paid after the campaign was sealed. If it is a month of a monthly gift, end that gift too."),
    }[Anomaly(payment.anomaly)]


def _decision_labels() -> dict[str, str]:
    return {
        Decision.ACCEPTED: gettext("accepted"),
        Decision.REFUNDED: gettext("given back"),
        Decision.DISMISSED: gettext("set aside"),
    }
