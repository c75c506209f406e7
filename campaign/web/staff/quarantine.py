"""Payments in quarantine: what is odd about each, and the decision of a manager with its reason."""

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.edges.stripe_wire import StripeAway
from campaign.giving import quarantine
from campaign.giving.campaigns import Campaign, default_campaign
from campaign.giving.donations import Donation
from campaign.giving.quarantine import CannotDecide, Decision, QuarantinedPayment, Why
from campaign.giving.refund_requests import CannotRefund
from campaign.rules.money import written
from campaign.web.languages import spoken
from campaign.web.security import access, has_role
from campaign.work import deciding, refunding

bp = Blueprint("staff_quarantine", __name__, url_prefix="/staff/quarantine")

SHOWN = 100
DECIDED_SHOWN = 50
LONGEST_REASON = 500


@bp.get("")
@access("viewer")
def page() -> ResponseReturnValue:
    """What waits, the oldest first, and what was decided last."""
    campaign = default_campaign()
    if campaign is None:
        abort(404)
    waiting = quarantine.undecided(limit=SHOWN)
    return render_template(
        "staff/quarantine.html",
        title=campaign.title(spoken()),
        may_decide=has_role("manager"),
        longest_reason=LONGEST_REASON,
        count=quarantine.count_undecided(),
        waiting=[_shown(payment, campaign) for payment in waiting],
        decided=[_shown(payment, campaign) for payment in quarantine.decided(limit=DECIDED_SHOWN)],
    )


@bp.post("/<int:row>/decisions")
@access("manager")
def decide(row: int) -> ResponseReturnValue:
    """Accept, give back or set aside."""
    wanted, reason = request.form.get("decision", ""), " ".join(request.form.get("reason", "").split())
    if wanted not in set(Decision):
        abort(400)
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        flash(gettext("Please say why, in one line; nothing was decided."), "error")
    else:
        _decide(row, Decision(wanted), reason)
    return redirect(url_for("staff_quarantine.page"), 303)


def _decide(row: int, decision: Decision, reason: str) -> None:
    actor = current_user.email
    try:
        match decision:
            case Decision.ACCEPTED:
                deciding.accept(row, actor=actor, reason=reason)
                flash(gettext("The payment is a gift now. It is matched as far as money is left, and its receipt goes out."))
            case Decision.GIVEN_BACK:
                refunding.refund_quarantined(row, actor=actor, reason=reason)
                flash(gettext("The payment goes back to whoever made it."))
            case Decision.SET_ASIDE:
                deciding.set_aside(row, actor=actor, reason=reason)
                flash(gettext("The payment is set aside. It stays in this list."))
    except (CannotDecide, CannotRefund) as error:
        db.session.rollback()
        flash(error.in_words(spoken()), "error")
    except StripeAway:
        db.session.rollback()
        flash(gettext("Stripe did not answer. The refund is remembered, and is asked for again within minutes."))


def _shown(payment: QuarantinedPayment, campaign: Campaign) -> dict[str, Any]:
    language, local = spoken(), campaign.charity.local
    donation = db.session.get(Donation, payment.donation_id) if payment.donation_id else None
    return {
        "row": payment.id,
        "id": payment.payment_intent,
        "why": _why(payment, donation, language),
        "paid": f"{written(payment.amount_cents, language)} {payment.currency}",
        "iso": payment.paid_at.isoformat(),
        "paid_at": format_datetime(local(payment.paid_at), "yyyy-MM-dd HH:mm", rebase=False),
        "donation": donation.public_id if donation else "",
        "donor": donation.full_name if donation else "",
        "may_be_accepted": payment.may_be_accepted,
        "may_be_given_back": payment.may_be_given_back,
        "decision": _decision_words().get(payment.decision or "", ""),
        "decided_by": payment.decided_by,
        "decided_at": format_datetime(local(payment.decided_at), "yyyy-MM-dd HH:mm", rebase=False) if payment.decided_at else "",
        "reason": payment.reason,
    }


def _why(payment: QuarantinedPayment, donation: Donation | None, language: str) -> str:
    asked = written(donation.charged_cents, language) if donation else ""
    return {
        Why.AMOUNT: gettext("The sum is not what we asked for: %(asked)s.", asked=asked),
        Why.CURRENCY: gettext("The currency is not that of the campaign."),
        Why.MODE: gettext("It is a test payment, or a real one among tests."),
        Why.ACCOUNT: gettext("It was made in another Stripe account."),
        Why.METADATA: gettext("It names two donations."),
        Why.SECOND: gettext("The donation was paid before: this is a second payment of it."),
        Why.TAKEN: gettext("The payment is that of another donation."),
        Why.UNKNOWN: gettext("No donation of ours asked for it."),
    }[Why(payment.why)]


def _decision_words() -> dict[str, str]:
    return {
        Decision.ACCEPTED: gettext("accepted"),
        Decision.GIVEN_BACK: gettext("given back"),
        Decision.SET_ASIDE: gettext("set aside"),
    }
