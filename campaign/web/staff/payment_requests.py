"""Correcting or reversing a payment of a funder that was recorded wrongly: one manager asks for it, another agrees."""

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.funders import payment_actions, payment_receipts, payment_requests, payments
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_descriptions import describe_receipt
from campaign.funders.payment_requests import PaymentChange
from campaign.funders.payments import FunderPayment
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.rules.money import format_money, format_typed
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.receipt_elements import describe_missing
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.payment_form import (
    LONGEST_REFERENCE,
    PaymentForm,
    ReversalForm,
    answered_questions,
    find_fund_or_404,
    read_payment,
    read_reversal,
    today,
    with_questions,
)
from campaign.web.staff.role_wait import role_wait
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedAmount, TypedDay, TypedLine

bp = Blueprint("staff_payment_requests", __name__, url_prefix="/staff/funds/<slug>/payments")


@bp.get("/<int:payment_id>/requests")
@access("manager", fresh=True)
def change_form(slug: str, payment_id: int) -> ResponseReturnValue:
    """The forms to request that the payment be corrected or reversed."""
    payment = _payment_or_404(slug, payment_id)
    return _change_page(payment, _recorded(payment))


def _recorded(payment: FunderPayment) -> PaymentForm:
    return PaymentForm(
        amount=TypedAmount(text=format_typed(payment.cents, current_language())),
        day=TypedDay(text=payment.received_on.isoformat()),
        reference=TypedLine(text=payment.reference),
    )


def _change_page(payment: FunderPayment, typed: PaymentForm, reversal: ReversalForm | None = None) -> str:
    language, receipt = current_language(), payment_receipts.receipt_of(payment)
    return render_template(
        "staff/payment_change.html",
        title=campaign_or_404().title(language),
        slug=payments.fund_of(payment).slug,
        payment=payment,
        amount=format_money(payment.cents, language),
        serial=receipt.serial if receipt else "",
        about_receipt=describe_receipt(payment, language),
        typed=typed,
        reversal=reversal or ReversalForm(),
        longest_reference=LONGEST_REFERENCE,
        longest_reason=LONGEST_REASON,
        today=today().isoformat(),
        role_wait=role_wait(),
    )


@bp.post("/<int:payment_id>/requests")
@access("manager", fresh=True)
def ask(slug: str, payment_id: int) -> ResponseReturnValue:
    """Request that the payment be corrected or reversed; a second person must agree."""
    payment = _payment_or_404(slug, payment_id)
    change = request.form.get("change")
    if change not in set(PaymentChange):
        abort(404)
    return _request_correction(payment) if change == PaymentChange.CORRECT else _request_reversal(payment)


def _request_correction(payment: FunderPayment) -> ResponseReturnValue:
    typed = read_payment(has_reason=True)
    if not typed.is_valid:
        return _change_page(payment, typed), 422
    try:
        payment_actions.request_correction(
            payment, typed.details, actor=current_user.email, reason=typed.reason.text, answered=answered_questions()
        )
    except PaymentDoubtful as error:
        return _change_page(payment, with_questions(typed, error)), 422
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _change_page(payment, typed), 422
    return _asked(payment)


def _request_reversal(payment: FunderPayment) -> ResponseReturnValue:
    typed = read_reversal()
    if not typed.is_valid:
        return _change_page(payment, _recorded(payment), typed), 422
    try:
        payment_actions.request_reversal(payment, returned_on=typed.returned_on, actor=current_user.email, reason=typed.reason.text)
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _change_page(payment, _recorded(payment), typed), 422
    return _asked(payment)


def _asked(payment: FunderPayment) -> ResponseReturnValue:
    flash(gettext("Another manager or administrator must agree. Until then the payment stays as it is."))
    return redirect(url_for("staff_payments.page", slug=payments.fund_of(payment).slug), 303)


@bp.post("/requests/<int:request_id>")
@access("manager", fresh=True)
def decide(slug: str, request_id: int) -> ResponseReturnValue:
    """Agree to a request, which corrects or reverses the payment, or refuse it."""
    asked, decision = payment_requests.get(request_id), request.form.get("decision")
    if asked is None or decision not in {"agree", "refuse"}:
        abort(404)
    _payment_or_404(slug, asked.funder_payment_id)
    try:
        payment_actions.decide(asked, agrees=decision == "agree", actor=current_user.email)
        done = gettext("It is done, and the funder is notified by email.")
        flash(done if decision == "agree" else gettext("The payment stays as it is."))
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
    except ReceiptIncomplete as error:
        reason = describe_missing(error.missing, current_language())
        flash(gettext("Nothing is changed: the new receipt would lack %(reason)s.", reason=reason), "error")
    return redirect(url_for("staff_payments.page", slug=slug), 303)


def _payment_or_404(slug: str, payment_id: int) -> FunderPayment:
    payment = db.session.get(FunderPayment, payment_id)
    if payment is None or payment.fund_id != find_fund_or_404(slug).id:
        abort(404)
    return payment
