"""What an agreed request does to a payment: its entries are reversed, never erased, and its receipt ends and is replaced by one for what is true.

A payment that was recorded wrongly is reversed, and a correction takes its place. Of one whose money went back what is left stays. The new receipt
cancels and replaces the earlier one (Income Tax Regulations, s. 3501(4) and (5); policy.md, section 4).
"""

from campaign.funders import payment_receipts, payment_requests, payments
from campaign.funders.payment_requests import FunderPaymentRequest, PaymentChange
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.receipts import receipts, reported_reversals, void_requests
from campaign.receipts.contents import IssueContext
from campaign.receipts.receipts import EndReason, Status
from campaign.rules.funder_payments import PaymentDetails
from campaign.texts.action_errors import ActionError, ActionRefused


def apply_agreed(request: FunderPaymentRequest, payment: FunderPayment, fund: Fund, context: IssueContext) -> FunderPayment | None:
    """Change the payment as the request says. Returns the payment that is right now; None after a reversal. The fund is locked.

    The funder is notified by mail. Raises ActionRefused when what is true cannot be recorded, and ReceiptIncomplete when the receipt of a
    correction would lack something.
    """
    match PaymentChange(request.kind):
        case PaymentChange.CORRECT | PaymentChange.REVERSE:
            return _post_reversal(request, payment, fund, context)
        case PaymentChange.RETURN | PaymentChange.UNDO_RETURN:
            return _change_returned(request, payment, fund, context)


def check_not_returned(payment: FunderPayment) -> None:
    """Raise ActionRefused for a payment of which money was returned: it cannot have been recorded wrongly, unless that was too."""
    if any(payments.undo_of(returned) is None for returned in payments.returns_of(payment)):
        raise ActionRefused(ActionError.PAYMENT_IS_RETURNED)


def check_returnable(payment: FunderPayment, cents: int, reference: str) -> None:
    """Raise ActionRefused unless so much of the payment is left, and its return is not recorded already."""
    counted = [returned for returned in payments.returns_of(payment) if payments.undo_of(returned) is None]
    if any(returned.reference.casefold() == reference.casefold() for returned in counted):
        raise ActionRefused(ActionError.PAYMENT_RETURN_IS_RECORDED)
    if cents > payments.retained_cents(payment):
        raise ActionRefused(ActionError.PAYMENT_RETURN_TOO_MUCH)


def _post_reversal(request: FunderPaymentRequest, payment: FunderPayment, fund: Fund, context: IssueContext) -> FunderPayment | None:
    check_not_returned(payment)
    had_receipt = _end_receipt(payment, request, EndReason.WRONG_PAYMENT, is_replaced=request.kind == PaymentChange.CORRECT)
    payments.post_reversal(payment, fund, request_id=request.id)
    if request.corrected is None:
        enqueue_notice(MessageKind.FUNDER_PAYMENT_REVERSED, str(payment.id), funder_payment_id=payment.id)
        return None
    corrected = _replace(payment, request.corrected, fund, recorded_by=request.requested_by)
    if had_receipt:
        payment_receipts.issue_receipt(corrected, context)
    enqueue_notice(MessageKind.FUNDER_PAYMENT_CORRECTED, str(corrected.id), funder_payment_id=corrected.id)
    return corrected


def _end_receipt(payment: FunderPayment, request: FunderPaymentRequest, reason: EndReason, *, is_replaced: bool) -> bool:
    """End the payment's valid receipt; a registered charity gets none in its place. Returns whether there was one."""
    funder = payments.lock_funder(payment)
    receipt = payment_receipts.receipt_of(payment)
    if receipt is None:
        return False
    void_requests.lock_of_receipt(receipt.id)  # Whoever agrees to void it has this lock: afterwards the receipt may have ended.
    if receipts.end_of(receipt) is not None:
        return False
    ended_as = Status.REPLACED if is_replaced and not funder.is_registered_charity else Status.CANCELLED
    receipts.end(receipt, ended_as, reason, actor=request.decided_by or request.requested_by, note=request.reason)
    return True


def _replace(payment: FunderPayment, right: PaymentDetails, fund: Fund, *, recorded_by: str) -> FunderPayment:
    payments.check_recordable(fund, right.cents, right.reference)
    corrected = FunderPayment(
        fund_id=fund.id,
        cents=right.cents,
        received_on=right.received_on,
        reference=right.reference,
        livemode=payment.livemode,
        recorded_by=recorded_by,
        replaces_id=payment.id,
    )
    payments.post_payment(corrected, fund)
    return corrected


def _change_returned(request: FunderPaymentRequest, payment: FunderPayment, fund: Fund, context: IssueContext) -> FunderPayment:
    """Record that money went back, or that it did not. What went back after a receipt is reported, and its receipt shows what is left.

    The fact is recorded even while the receipt for what is left would lack something: the earlier one ends, and the next waits for the element.
    """
    undone = payment_requests.undone_return_of(request)
    returned = request.returned
    is_left = undone is not None or (returned is not None and returned.cents < payments.retained_cents(payment))
    if returned is not None:
        check_returnable(payment, returned.cents, returned.reference)
    is_complete = not payment_receipts.missing_elements(payment, context)
    _end_receipt(payment, request, EndReason.RETURNED, is_replaced=is_left and is_complete)
    if returned is not None:
        payments.post_return(payment, returned, fund, request_id=request.id)
    if undone is not None:
        payments.check_within_pledge(fund, undone.cents)
        payments.post_undo(undone, fund, request_id=request.id)
    reported_reversals.bring_up_to_date(payment_receipts.returned_gift_of(payment), on=context.now)
    if payment_receipts.last_receipt_of(payment) is not None and not payment_receipts.missing_elements(payment, context):
        payment_receipts.issue_receipt(payment, context)
    elif payment_receipts.is_due(payment):
        payment_receipts.enqueue_due(payments.funder_of(payment))
    about = {"funder_payment_id": payment.id, "funder_payment_request_id": request.id}
    enqueue_notice(MessageKind.FUNDER_PAYMENT_RETURNED, str(request.id), **about)
    return payment
