"""The payments received for a fund, for staff: the list with receipts and open requests, and recording one."""

from datetime import date, datetime
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.funders import payment_actions, payment_receipts, payment_requests, payments
from campaign.funders.funders import Funder
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_descriptions import describe_request
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment, FunderPaymentReturn
from campaign.matching.funds import Fund
from campaign.receipts import information_returns, receipts
from campaign.receipts.render_jobs import issue_context
from campaign.rules.money import format_money
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.dates import format_day
from campaign.texts.receipt_elements import describe_missing
from campaign.web.errors import campaign_or_404
from campaign.web.labels import receipt_status_labels
from campaign.web.languages import current_language
from campaign.web.security import access, has_role
from campaign.web.staff.payment_form import (
    LONGEST_REFERENCE,
    PaymentForm,
    answered_questions,
    find_fund_or_404,
    read_payment,
    today,
    with_questions,
)
from campaign.web.staff.role_wait import role_wait

bp = Blueprint("staff_payments", __name__, url_prefix="/staff/funds/<slug>/payments")


@bp.get("")
@access("viewer")
def page(slug: str) -> ResponseReturnValue:
    """The payments with their receipts, what receipts wait for, and the open requests to change a payment."""
    fund, campaign, language = find_fund_or_404(slug), campaign_or_404(), current_language()
    funder = db.session.get_one(Funder, fund.funder_id)
    recorded = payments.payments_of(fund)
    return render_template(
        "staff/payments.html",
        title=campaign.title(language),
        slug=slug,
        name=fund.name(language),
        funder=funder.legal_name or funder.name(language),
        received=format_money(payments.received_cents(fund), language),
        pledged=format_money(fund.pledged_cents, language),
        payments=[_payment_row(payment) for payment in reversed(recorded)],
        requests=[_request_row(asked) for payment in recorded if (asked := payment_requests.open_for(payment))],
        missing=_missing(recorded),
        role_wait=role_wait(),
        may_manage=has_role("manager") and fund.sealed_at is None,
    )


def _missing(recorded: list[FunderPayment]) -> str:
    """What the receipts of payments wait for, in words."""
    context = issue_context()
    waiting = [payment for payment in recorded if not payment_receipts.receipt_of(payment)]
    names = {name: None for payment in waiting for name in payment_receipts.missing_elements(payment, context)}
    return describe_missing(list(names), current_language())


def _payment_row(payment: FunderPayment) -> dict[str, Any]:
    receipt, decided = payment_receipts.last_receipt_of(payment), payment_requests.reversing_request_of(payment)
    return {
        "id": payment.id,
        "day": payment.received_on.isoformat(),
        "amount": format_money(payment.cents, current_language()),
        "reference": payment.reference,
        "recorded_by": payment.recorded_by,
        "recorded_on": _day_of(payment.recorded_at).isoformat(),
        "serial": receipt.serial if receipt else "",
        "status": receipt_status_labels()[receipts.status_of(receipt).value] if receipt else "",
        "reversal": _reversal_row(payment, decided) if decided else None,
        "returns": [_return_row(returned) for returned in payments.returns_of(payment)],
        "return_due": _return_due(payment),
        "may_be_changed": decided is None and payment_requests.open_for(payment) is None,
    }


def _reversal_row(payment: FunderPayment, decided: FunderPaymentRequest) -> dict[str, Any]:
    """Why the payment does not count, who asked for it and who agreed."""
    corrected, returned_on = payments.correction_of(payment), decided.returned_on
    what = (
        gettext("corrected: see %(reference)s of %(day)s", reference=corrected.reference, day=corrected.received_on.isoformat())
        if corrected
        else gettext("returned to the funder on %(day)s", day=returned_on.isoformat())
        if returned_on
        else gettext("it never came, or was recorded twice")
    )
    return {"what": what, **_decision_row(decided)}


def _decision_row(decided: FunderPaymentRequest) -> dict[str, Any]:
    """Why two people changed the payment."""
    assert decided.decided_at is not None
    return {
        "reason": decided.reason,
        "asked_by": decided.requested_by,
        "agreed_by": decided.decided_by,
        "on": _day_of(decided.decided_at).isoformat(),
    }


def _return_row(returned: FunderPaymentReturn) -> dict[str, Any]:
    """Money of the payment that went back, or that did not although it was recorded."""
    undo = payments.undo_of(returned)
    requests = [returned.request_id, *([undo.request_id] if undo else [])]
    return {
        "amount": format_money(returned.cents, current_language()),
        "day": returned.returned_on.isoformat(),
        "reference": returned.reference,
        "is_undone": undo is not None,
        "decisions": [_decision_row(db.session.get_one(FunderPaymentRequest, request_id)) for request_id in requests],
    }


def _day_of(moment: datetime) -> date:
    return campaign_or_404().charity.local(moment).date()


def _return_due(payment: FunderPayment) -> str:
    """By when the next information return about the payment is due; empty when there is none to file."""
    due = [task.due_on for task in information_returns.list_of_payment(payment.id) if task.closed_at is None]
    return format_day(min(due), current_language()) if due else ""


def _request_row(asked: FunderPaymentRequest) -> dict[str, Any]:
    moment = campaign_or_404().charity.local(asked.requested_at)
    return {
        "id": asked.id,
        "change": _describe(asked),
        "who": asked.requested_by,
        "reason": asked.reason,
        "iso": asked.requested_at.isoformat(),
        "moment": format_datetime(moment, "yyyy-MM-dd HH:mm", rebase=False),
        "is_mine": asked.requested_by.casefold() == current_user.email.casefold(),
    }


def _describe(asked: FunderPaymentRequest) -> str:
    payment = db.session.get_one(FunderPayment, asked.funder_payment_id)
    return describe_request(asked, payment, current_language())


@bp.get("/new")
@access("manager", fresh=True)
def form(slug: str) -> ResponseReturnValue:
    """The form to record a payment. Asking for the password before it is filled in keeps what is typed."""
    return _form_page(find_fund_or_404(slug), PaymentForm())


def _form_page(fund: Fund, typed: PaymentForm) -> str:
    language = current_language()
    return render_template(
        "staff/payment.html",
        title=campaign_or_404().title(language),
        slug=fund.slug,
        name=fund.name(language),
        received=format_money(payments.received_cents(fund), language),
        pledged=format_money(fund.pledged_cents, language),
        has_email=bool(db.session.get_one(Funder, fund.funder_id).email),
        typed=typed,
        longest_reference=LONGEST_REFERENCE,
        today=today().isoformat(),
    )


@bp.post("")
@access("manager", fresh=True)
def record(slug: str) -> ResponseReturnValue:
    """Record a payment. What is asked about it comes back with the form."""
    fund, typed = find_fund_or_404(slug), read_payment(has_reason=False)
    if not typed.is_valid:
        return _form_page(fund, typed), 422
    livemode = not current_app.config["IS_SANDBOX"]
    try:
        done = payment_actions.record(fund, typed.details, livemode=livemode, actor=current_user.email, answered=answered_questions())
    except PaymentDoubtful as error:
        return _form_page(fund, with_questions(typed, error)), 422
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _form_page(fund, typed), 422
    flash(gettext("The payment is recorded."))
    if done.missing:
        flash(gettext("Its receipt waits for %(reason)s.", reason=describe_missing(done.missing, current_language())), "error")
    return redirect(url_for("staff_payments.page", slug=slug), 303)
