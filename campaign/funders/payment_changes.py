"""What an agreed request does to a payment: its entry is reversed, never erased, its receipt ends, and a correction takes its place.

A correction's receipt cancels and replaces the earlier one (Income Tax Regulations, s. 3501(4) and (5); policy.md, section 4).
"""

from campaign.funders import payment_receipts, payments
from campaign.funders.payment_requests import FunderPaymentRequest, PaymentChange
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.receipts import information_returns, receipts
from campaign.receipts.contents import IssueContext
from campaign.receipts.receipts import EndReason, Receipt, Status


def apply_agreed(request: FunderPaymentRequest, payment: FunderPayment, fund: Fund, context: IssueContext) -> FunderPayment | None:
    """Reverse the payment, and record the right one if the request says so, which is returned. The fund is locked.

    The funder is notified by mail. Raises ActionRefused when the right one cannot be recorded, and ReceiptIncomplete when its receipt replaces another
    and would lack something.
    """
    ended = _end_receipt(payment, request)
    payments.post_reversal(payment, fund, request_id=request.id)
    if request.corrected is None:
        enqueue_notice(MessageKind.FUNDER_PAYMENT_REVERSED, str(payment.id), funder_payment_id=payment.id)
        return None
    corrected = _replace(payment, fund, request)
    if ended is not None and receipts.status_of(ended) is Status.REPLACED:
        payment_receipts.issue_receipt(corrected, context, replaces=ended)
    enqueue_notice(MessageKind.FUNDER_PAYMENT_CORRECTED, str(corrected.id), funder_payment_id=corrected.id)
    return corrected


def _end_receipt(payment: FunderPayment, request: FunderPaymentRequest) -> Receipt | None:
    """End the payment's valid receipt, which is replaced if the right payment gets one. What was returned after any receipt is reported."""
    funder = payments.lock_funder(payment)
    receipt, last = payment_receipts.receipt_of(payment), payment_receipts.last_receipt_of(payment)
    if last is not None and request.returned_on is not None:
        information_returns.open_for_payment(last, payment.id, returned_on=request.returned_on)
    if receipt is None:
        return None
    is_replaced = request.kind == PaymentChange.CORRECT and not funder.is_registered_charity
    reason = EndReason.RETURNED if request.returned_on else EndReason.WRONG_PAYMENT
    ended_as = Status.REPLACED if is_replaced else Status.CANCELLED
    receipts.end(receipt, ended_as, reason, actor=request.decided_by or request.requested_by, note=request.reason)
    return receipt


def _replace(payment: FunderPayment, fund: Fund, request: FunderPaymentRequest) -> FunderPayment:
    right = request.corrected
    assert right is not None
    payments.check_recordable(fund, right.cents, right.reference)
    corrected = FunderPayment(
        fund_id=fund.id,
        cents=right.cents,
        received_on=right.received_on,
        reference=right.reference,
        livemode=payment.livemode,
        recorded_by=request.requested_by,
        replaces_id=payment.id,
    )
    payments.post_payment(corrected, fund)
    return corrected
