"""Changing what is recorded of a funder's payment: one manager asks for it, another agrees.

Staff say what is true: something of it was recorded wrongly, it never came, or the money or a part of it went back to the funder.
"""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.edges.db import db
from campaign.funders import payment_actions, payment_receipts, payment_requests, payments
from campaign.funders.payment_actions import PaymentDoubtful
from campaign.funders.payment_descriptions import describe_receipt
from campaign.funders.payment_requests import PaymentChange
from campaign.funders.payments import FunderPayment, FunderPaymentReturn
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.rules.money import format_money, format_typed
from campaign.texts import action_errors
from campaign.texts.action_errors import ActionRefused
from campaign.texts.receipt_elements import describe_missing
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access
from campaign.web.staff.donor_news import describe_news_to_funder
from campaign.web.staff.payment_form import (
    LONGEST_REFERENCE,
    PaymentForm,
    answered_questions,
    find_fund_or_404,
    read_change,
    today,
    with_questions,
)
from campaign.web.staff.role_wait import role_wait
from campaign.web.staff.typed_fields import LONGEST_REASON, TypedAmount, TypedDay, TypedLine

bp = Blueprint("staff_payment_requests", __name__, url_prefix="/staff/funds/<slug>/payments")


@bp.get("/<int:payment_id>/requests")
@access("manager", fresh=True)
def change_form(slug: str, payment_id: int) -> ResponseReturnValue:
    """The forms to request a change of the payment."""
    return _change_page(_payment_or_404(slug, payment_id), {})


def _change_page(payment: FunderPayment, typed: Mapping[str, PaymentForm]) -> str:
    """The page, with what was typed by the kind of change, that of a return that is undone by its id."""
    language, receipt, left = current_language(), payment_receipts.receipt_of(payment), payments.retained_cents(payment)
    recorded, rest = (TypedAmount(text=format_typed(cents, language)) for cents in (payment.cents, left))
    day, reference = TypedDay(text=payment.received_on.isoformat()), TypedLine(text=payment.reference)
    forms = {
        PaymentChange.CORRECT.value: PaymentForm(amount=recorded, day=day, reference=reference),
        PaymentChange.RETURN.value: PaymentForm(amount=rest),
        PaymentChange.REVERSE.value: PaymentForm(),
    }
    return render_template(
        "staff/payment_change.html",
        title=campaign_or_404().title(language),
        slug=payments.fund_of(payment).slug,
        payment=payment,
        amount=format_money(payment.cents, language),
        left=format_money(left, language),
        has_money_left=left > 0,
        returns=[_return_row(returned, typed) for returned in payments.returns_of(payment) if payments.undo_of(returned) is None],
        serial=receipt.serial if receipt else "",
        about_receipt=describe_receipt(payment, language),
        typed={**forms, **typed},
        longest_reference=LONGEST_REFERENCE,
        longest_reason=LONGEST_REASON,
        today=today().isoformat(),
        role_wait=role_wait(),
    )


def _return_row(returned: FunderPaymentReturn, typed: Mapping[str, PaymentForm]) -> dict[str, Any]:
    return {
        "id": returned.id,
        "amount": format_money(returned.cents, current_language()),
        "day": returned.returned_on.isoformat(),
        "reference": returned.reference,
        "typed": typed.get(str(returned.id), PaymentForm()),
    }


@bp.post("/<int:payment_id>/requests")
@access("manager", fresh=True)
def ask(slug: str, payment_id: int) -> ResponseReturnValue:
    """Request a change of the payment; a second person must agree."""
    payment = _payment_or_404(slug, payment_id)
    if request.form.get("change") not in set(PaymentChange):
        abort(404)
    change = PaymentChange(request.form["change"])
    undone = _return_or_404(payment) if change is PaymentChange.UNDO_RETURN else None
    typed, name = read_change(change), str(undone.id) if undone else change.value
    if not typed.is_valid:
        return _change_page(payment, {name: typed}), 422
    about: dict[str, Any] = {"actor": current_user.email, "reason": typed.reason.text, "answered": answered_questions()}
    try:
        if undone is not None:
            payment_actions.request_undo(undone, **about)
        elif change is PaymentChange.CORRECT:
            payment_actions.request_correction(payment, typed.details, **about)
        elif change is PaymentChange.RETURN:
            payment_actions.request_return(payment, typed.returned, **about)
        else:
            payment_actions.request_reversal(payment, **about)
    except PaymentDoubtful as error:
        return _change_page(payment, {name: with_questions(typed, error)}), 422
    except ActionRefused as error:
        flash(action_errors.describe_error(error.refusal, current_language()), "error")
        return _change_page(payment, {name: typed}), 422
    return _asked(payment)


def _return_or_404(payment: FunderPayment) -> FunderPaymentReturn:
    returned = db.session.get(FunderPaymentReturn, request.form.get("return_id", 0, type=int))
    if returned is None or returned.funder_payment_id != payment.id:
        abort(404)
    return returned


def _asked(payment: FunderPayment) -> ResponseReturnValue:
    flash(gettext("Another manager or administrator must agree. Until then the payment stays as it is."))
    return redirect(url_for("staff_payments.page", slug=payments.fund_of(payment).slug), 303)


@bp.post("/requests/<int:request_id>")
@access("manager", fresh=True)
def decide(slug: str, request_id: int) -> ResponseReturnValue:
    """Agree to a request, which changes the payment as it says, or refuse it."""
    asked, decision = payment_requests.get(request_id), request.form.get("decision")
    if asked is None or decision not in {"agree", "refuse"}:
        abort(404)
    payment = _payment_or_404(slug, asked.funder_payment_id)
    try:
        payment_actions.decide(asked, agrees=decision == "agree", actor=current_user.email)
        done = " ".join((gettext("Done."), describe_news_to_funder(payments.funder_of(payment))))
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
