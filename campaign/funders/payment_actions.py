"""Actions on payments of funders: record one, ask that what is recorded of one be changed, decide. Each commits once, with its audit row.

All managers and administrators, and both people named, are notified by mail of each request and of each decision.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import payment_changes, payment_receipts, payment_requests, payments
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment, FunderPaymentReturn
from campaign.matching.funds import Fund
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import enqueue_notice
from campaign.receipts import filed_returns
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context
from campaign.rules.funder_payments import PaymentDetails, PaymentQuestion, ReturnDetails, questions_about
from campaign.staff import audit, two_people
from campaign.texts.action_errors import ActionError, ActionRefused


class PaymentDoubtful(Exception):
    """Something must be asked before the payment is recorded; `questions` are those that were not answered."""

    def __init__(self, questions: Sequence[PaymentQuestion]) -> None:
        super().__init__(", ".join(questions))
        self.questions = questions


@dataclass(frozen=True, kw_only=True)
class RecordedPayment:
    """A payment that was recorded, and what its receipt lacks (texts/receipt_elements.py)."""

    payment: FunderPayment
    missing: list[str]


@two_people.roll_back_if_refused()
def record(
    fund: Fund, details: PaymentDetails, *, livemode: bool, actor: str, answered: Collection[PaymentQuestion] = ()
) -> RecordedPayment:
    """Record a received payment. `answered` are the questions that somebody has answered with yes.

    Raises ActionRefused, and PaymentDoubtful when there are other questions.
    """
    payments.lock_fund(fund)
    _check(fund, details, answered)
    day, reference = details.received_on, details.reference
    payment = payments.record_payment(fund, details.cents, received_on=day, reference=reference, livemode=livemode, actor=actor)
    audit.record(actor, "recorded money from a funder", fund.slug, cents=details.cents, reference=reference)
    missing = payment_receipts.missing_elements(payment, issue_context())
    db.session.commit()
    services().waker.wake("mail")
    return RecordedPayment(payment=payment, missing=missing)


def _check(fund: Fund, details: PaymentDetails, answered: Collection[PaymentQuestion], *, instead_of: FunderPayment | None = None) -> None:
    """Raise ActionRefused unless the payment may be recorded, and PaymentDoubtful unless its questions are answered."""
    campaign, today = db.session.get_one(Campaign, fund.campaign_id), _today(fund)
    began_on = campaign.charity.local(campaign.created_at).date()
    if details.received_on > today:
        raise ActionRefused(ActionError.PAYMENT_IN_FUTURE)
    payments.check_recordable(fund, details.cents, details.reference, instead_of=instead_of)
    has_same = payments.has_same_amount(fund, details.cents, details.received_on, instead_of=instead_of)
    days = {details.received_on, *([instead_of.received_on] if instead_of else [])}
    is_filed = filed_returns.has_filed(campaign.charity, days)
    asked = questions_about(details.received_on, today=today, campaign_began_on=began_on, is_filed=is_filed, has_same_amount=has_same)
    _ask(asked, answered)


def _ask_about_filed_year(payment: FunderPayment, answered: Collection[PaymentQuestion]) -> None:
    """Raise PaymentDoubtful when a return was filed that counts the payment, unless that was answered: it will count less, or more again."""
    if filed_returns.has_filed(payments.charity_of(payment), {payment.received_on}):
        _ask([PaymentQuestion.FILED_YEAR], answered)


def _ask(asked: Sequence[PaymentQuestion], answered: Collection[PaymentQuestion]) -> None:
    if open_questions := [question for question in asked if question not in answered]:
        db.session.rollback()
        raise PaymentDoubtful(open_questions)


def _today(fund: Fund) -> date:
    return db.session.get_one(Campaign, fund.campaign_id).charity.local(datetime.now(UTC)).date()


@two_people.roll_back_if_refused()
def request_correction(
    payment: FunderPayment, right: PaymentDetails, *, actor: str, reason: str, answered: Collection[PaymentQuestion] = ()
) -> FunderPaymentRequest:
    """Request that the payment be replaced by the right one; a second person must agree. Raises ActionRefused and PaymentDoubtful.

    The right one may be the same when its receipt has another name or address than the funder: then a new receipt is what is right. `actor` is the address of a manager or administrator.
    """
    member = _lock_for_request(payment, actor)
    payment_changes.check_not_returned(payment)
    if right == payment.details and not payment_receipts.is_outdated(payment):
        raise ActionRefused(ActionError.PAYMENT_IS_THE_SAME)
    _check(payments.fund_of(payment), right, answered, instead_of=payment)
    request = payment_requests.create_correction(payment, right, actor=member, reason=reason)
    return _complete_request(request, payment, "asked to correct a payment")


@two_people.roll_back_if_refused()
def request_reversal(
    payment: FunderPayment, *, actor: str, reason: str, answered: Collection[PaymentQuestion] = ()
) -> FunderPaymentRequest:
    """Request that the payment be reversed, which never came; a second person must agree. As for `request_correction`."""
    member = _lock_for_request(payment, actor)
    payment_changes.check_not_returned(payment)
    _ask_about_filed_year(payment, answered)
    request = payment_requests.create_reversal(payment, actor=member, reason=reason)
    return _complete_request(request, payment, "asked to reverse a payment")


@two_people.roll_back_if_refused()
def request_return(
    payment: FunderPayment, returned: ReturnDetails, *, actor: str, reason: str, answered: Collection[PaymentQuestion] = ()
) -> FunderPaymentRequest:
    """Request to record that money of the payment, part or all, went back to the funder; as for `request_correction`."""
    member = _lock_for_request(payment, actor)
    if not payment.received_on <= returned.returned_on <= _today(payments.fund_of(payment)):
        raise ActionRefused(ActionError.PAYMENT_RETURN_DAY)
    payment_changes.check_returnable(payment, returned.cents, returned.reference)
    _ask_about_filed_year(payment, answered)
    request = payment_requests.create_return(payment, returned, actor=member, reason=reason)
    return _complete_request(request, payment, "asked to record that money went back")


@two_people.roll_back_if_refused()
def request_undo(
    returned: FunderPaymentReturn, *, actor: str, reason: str, answered: Collection[PaymentQuestion] = ()
) -> FunderPaymentRequest:
    """Request to undo a return that was recorded wrongly, as the money never went back; as for `request_correction`."""
    payment = db.session.get_one(FunderPayment, returned.funder_payment_id)
    member = _lock_for_request(payment, actor)
    if payments.undo_of(returned) is not None:
        raise ActionRefused(ActionError.PAYMENT_RETURN_IS_UNDONE)
    payments.check_within_pledge(payments.fund_of(payment), returned.cents)
    _ask_about_filed_year(payment, answered)
    request = payment_requests.create_undo(returned, payment, actor=member, reason=reason)
    return _complete_request(request, payment, "asked to undo a return of money")


def _lock_for_request(payment: FunderPayment, actor: str) -> str:
    """Lock the fund, so that requests at the same time are made one after the other. Returns the member's address."""
    payments.lock_fund(fund := payments.fund_of(payment))
    member = two_people.get_requester(actor)
    if fund.sealed_at is not None:
        raise ActionRefused(ActionError.CAMPAIGN_IS_SEALED)
    if payments.reversal_of(payment) is not None:
        raise ActionRefused(ActionError.PAYMENT_IS_REVERSED)
    if payment_requests.open_for(payment) is not None:
        raise ActionRefused(ActionError.PAYMENT_CHANGE_IS_REQUESTED)
    return member.email


def _complete_request(request: FunderPaymentRequest, payment: FunderPayment, action: str) -> FunderPaymentRequest:
    audit.record(request.requested_by, action, payments.fund_of(payment).slug, payment=payment.reference, reason=request.reason)
    _notify(request, MessageKind.PAYMENT_CHANGE_REQUESTED)
    db.session.commit()
    services().waker.wake("mail")
    return request


@two_people.roll_back_if_refused()
def decide(request: FunderPaymentRequest, *, agrees: bool, actor: str) -> FunderPayment | None:
    """Agree to a request, which changes the payment as it says, or refuse it. Returns the payment that is right now, if there is one.

    The requester may refuse their own request, which withdraws it, but may not agree to it. Raises ActionRefused, and ReceiptIncomplete when the
    receipt of a correction would lack something: then nothing is decided.
    """
    payment = db.session.get_one(FunderPayment, request.funder_payment_id)
    fund = payments.fund_of(payment)
    payments.lock_fund(fund)  # Before the request and the funder, the lock order of all transactions.
    locked = two_people.lock_open(FunderPaymentRequest, request.id)
    if locked is None:
        raise ActionRefused(ActionError.PAYMENT_CHANGE_IS_DECIDED)
    member = two_people.get_decider(locked, actor, agrees=agrees)
    two_people.decide(locked, agrees=agrees, actor=member.email)
    action = "agreed to change a payment" if agrees else "refused to change a payment"
    audit.record(member.email, action, fund.slug, payment=payment.reference, change=locked.kind, requested_by=locked.requested_by)
    corrected = _apply(locked, payment, fund) if agrees else None
    _notify(locked, MessageKind.PAYMENT_CHANGE_DECIDED)
    db.session.commit()
    services().waker.wake("mail")
    return corrected


def _apply(request: FunderPaymentRequest, payment: FunderPayment, fund: Fund) -> FunderPayment | None:
    try:
        return payment_changes.apply_agreed(request, payment, fund, issue_context())
    except ReceiptIncomplete:
        db.session.rollback()
        raise


def _notify(request: FunderPaymentRequest, kind: MessageKind) -> None:
    for staff_id in two_people.list_notified(request):
        enqueue_notice(kind, f"{request.id}:{staff_id}", staff_id=staff_id, funder_payment_request_id=request.id)
