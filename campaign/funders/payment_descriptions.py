"""What a request changes of a payment and of its receipt, in words: for whoever decides on it, by page, command and mail alike."""

from campaign.funders import payment_receipts, payment_requests, payments
from campaign.funders.payment_requests import FunderPaymentRequest, PaymentChange
from campaign.funders.payments import FunderPayment
from campaign.texts.payment_changes import describe_change, describe_new_name, describe_return, describe_voided


def describe_request(request: FunderPaymentRequest, payment: FunderPayment, language: str) -> str:
    """Return the sentences. That a new receipt is for another name is said while it is not decided: one person can rename a funder."""
    undone = payment_requests.undone_return_of(request)
    returned = undone.details if undone else request.returned
    about_receipt = describe_receipt(payment, language) if request.kind != PaymentChange.REVERSE and request.decision is None else ""
    if returned is not None:
        change = describe_return(payment.details, returned, is_undone=undone is not None, language=language)
        return f"{change} {about_receipt}".strip()
    change = describe_change(payment.details, request.corrected, returned_on=request.returned_on, language=language)
    return f"{change} {about_receipt}".strip()


def describe_receipt(payment: FunderPayment, language: str) -> str:
    """What is unusual about the receipt of a correction of this payment; empty if nothing is."""
    receipt, funder = payment_receipts.receipt_of(payment), payments.funder_of(payment)
    if funder.is_registered_charity:
        return ""
    if payment_receipts.was_voided(payment):
        return describe_voided(language)
    if receipt is None or receipt.content["donor_name"] == funder.legal_name:
        return ""
    return describe_new_name(receipt.serial, old=receipt.content["donor_name"], new=funder.legal_name, language=language)
