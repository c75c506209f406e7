"""Official receipts for payments of funders: none for a registered charity, and none while nobody has asked whether the funder is one.

The receipt shows the funder's legal name, never the public one (Income Tax Regulations, s. 3501(1)(g); policy.md, section 4), and what is left of
the payment. A payment whose receipt was voided gets no other one, nor does a payment that corrects it: two people said that there is to be none.
If they said so because the funder is a registered charity, it gets one when the funder turns out to be none.
"""

from collections.abc import Sequence
from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import CTE, ColumnElement, Select, exists, func, select, update
from sqlalchemy.orm import aliased

from campaign.edges.db import db
from campaign.funders import payments
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund
from campaign.outbox import leases, messages
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import completeness, contents, receipts, reported_reversals
from campaign.receipts.contents import IssueContext
from campaign.receipts.receipts import EndReason, Receipt, ReceiptEnd, ReceiptIncomplete, ReceiptLine
from campaign.receipts.reported_reversals import ReportedReversal, ReturnedGift, ReturnedPart
from campaign.receipts.void_requests import VoidDecision, VoidRequest
from campaign.rules.receipt_requirements import ReceiptContent

# An element of its own: the answer that decides whether there is a receipt at all.
CHARITY_STATUS = "charity_status"


def receipt_of(payment: FunderPayment) -> Receipt | None:
    """The valid receipt of the payment, or None."""
    return db.session.scalar(_receipts(payment).where(ReceiptLine.is_current))


def last_receipt_of(payment: FunderPayment) -> Receipt | None:
    """The valid receipt of the payment, else the last one that was issued, else None."""
    return db.session.scalar(_receipts(payment).order_by(Receipt.id.desc()).limit(1))


def _receipts(payment: FunderPayment) -> Select[Receipt]:
    return select(Receipt).join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id).where(ReceiptLine.funder_payment_id == payment.id)


def voided_payments() -> CTE:
    """The ids of payments whose receipt was voided, and of payments without a receipt that correct one of them.

    A receipt that was voided because the funder is a registered charity is none of these.
    """
    line, payment, asked = ReceiptLine, FunderPayment, VoidRequest
    is_of_answer = exists().where(asked.receipt_id == ReceiptEnd.receipt_id, asked.decision == VoidDecision.AGREED, asked.of_charity_answer)
    is_void = (ReceiptEnd.reason == EndReason.VOID.value, line.funder_payment_id.is_not(None), ~is_of_answer)
    voided = select(line.funder_payment_id.label("id")).join(ReceiptEnd, ReceiptEnd.receipt_id == line.receipt_id).where(*is_void)
    found = voided.cte("voided_payments", recursive=True)
    return found.union(select(payment.id).join(found, payment.replaces_id == found.c.id).where(~_has_line()))


def _has_line() -> ColumnElement[bool]:
    """A condition: a receipt was issued for the payment, whether it is valid or not."""
    line = aliased(ReceiptLine)
    return exists().where(line.funder_payment_id == FunderPayment.id)


def was_voided(payment: FunderPayment) -> bool:
    """Whether the payment gets no receipt because one was voided, its own or that of a payment that it corrects."""
    found = voided_payments()
    return db.session.scalar(select(exists().where(found.c.id == payment.id))) is True


def is_due(payment: FunderPayment) -> bool:
    """Whether the payment is to have a receipt: not of a registered charity, reversed, returned in full, or after a receipt was voided."""
    return not (payments.funder_of(payment).is_registered_charity or payments.retained_cents(payment) == 0 or was_voided(payment))


def issue_receipt(payment: FunderPayment, context: IssueContext) -> Receipt | None:
    """The payment's valid receipt, issued if one is due. Raises ReceiptIncomplete before a number is taken.

    It cancels and replaces the last one, which has ended (Income Tax Regulations, s. 3501(4)): the payment's own, or that of the one it corrects.
    """
    funder = payments.lock_funder(payment)
    if (valid := receipt_of(payment)) or not is_due(payment):
        return valid
    if missing := missing_elements(payment, context):
        raise ReceiptIncomplete(missing)
    code, replaces = receipts.random_check_code(), _receipt_to_replace(payment)
    content = _content(payment, funder, context, code=code, replaces=replaces)
    line = ReceiptLine(funder_payment_id=payment.id, cents=content.amount_cents)
    receipt = receipts.issue_frozen(payments.charity_of(payment), content, [line], context, code=code, replaces=replaces)
    if replaces is None:
        reported_reversals.record_all_left_out(returned_gift_of(payment))
    return receipt


def _receipt_to_replace(payment: FunderPayment) -> Receipt | None:
    """The last receipt of the payment or of those that it corrects; None if none was issued, or another one replaces it."""
    last = _last_receipt_of_chain(payment)
    return last if last is not None and receipts.replacement_of(last) is None else None


def _last_receipt_of_chain(payment: FunderPayment) -> Receipt | None:
    """The last receipt of the payment, or else of the one that it corrects, and so on."""
    last, corrects = last_receipt_of(payment), payment.replaces_id
    while last is None and corrects is not None:
        corrected = db.session.get_one(FunderPayment, corrects)
        last, corrects = last_receipt_of(corrected), corrected.replaces_id
    return last


def returned_gift_of(payment: FunderPayment) -> ReturnedGift:
    """What information returns report of the payment is computed from this."""
    charity = payments.charity_of(payment)
    return ReturnedGift(
        reported_by=ReportedReversal.funder_payment_return_id,
        of={"funder_payment_id": payment.id},
        charged_cents=payment.cents,
        charity=charity,
        last_receipt=_last_receipt_of_chain(payment),
        reversals=[
            ReturnedPart(
                id=returned.id,
                cents=0 if payments.undo_of(returned) else returned.cents,
                returned_at=datetime.combine(returned.returned_on, time.min, ZoneInfo(charity.time_zone)),
                returned_on=returned.returned_on,
            )
            for returned in payments.returns_of(payment)
        ],
    )


def missing_elements(payment: FunderPayment, context: IssueContext) -> list[str]:
    """What a receipt would lack if it were issued now, by the names of texts/receipt_elements.py. Empty when there is to be none."""
    if not is_due(payment):
        return []
    funder = payments.funder_of(payment)
    asked = [CHARITY_STATUS] if funder.is_registered_charity is None else []
    content = _content(payment, funder, context, code="preview")
    missing = completeness.missing_elements(payments.charity_of(payment), content)
    return asked + [name.replace("donor_", "funder_", 1) for name in missing]


def _content(
    payment: FunderPayment, funder: Funder, context: IssueContext, *, code: str, replaces: Receipt | None = None
) -> ReceiptContent:
    cents = payments.retained_cents(payment)
    return ReceiptContent(
        **contents.charity_fields(payments.charity_of(payment), context, language=funder.language, code=code),
        received_on=payment.received_on,
        donor_name=funder.legal_name,
        donor_address=tuple(funder.address),
        amount_cents=cents,
        advantage_cents=0,
        eligible_cents=cents,
        currency=payments.campaign_of(payment).currency,
        replaces=replaces.serial if replaces else "",
        is_test=not payment.livemode,
    )


def is_outdated(payment: FunderPayment) -> bool:
    """Whether the payment's valid receipt has another name or address than the funder has now."""
    receipt, funder = receipt_of(payment), payments.funder_of(payment)
    return receipt is not None and (receipt.content["donor_name"], receipt.content["donor_address"]) != (funder.legal_name, funder.address)


def list_valid_receipts(funder: Funder) -> Sequence[Receipt]:
    """The valid receipts of the funder's payments, oldest first."""
    lines = select(ReceiptLine.receipt_id).where(ReceiptLine.funder_payment_id.in_(_payments_of(funder)), ReceiptLine.is_current)
    return db.session.scalars(select(Receipt).where(Receipt.id.in_(lines)).order_by(Receipt.id)).all()


def list_receipt_ids(funder: Funder) -> Sequence[int]:
    """The ids of all receipts of the funder's payments."""
    lines = select(ReceiptLine.receipt_id).where(ReceiptLine.funder_payment_id.in_(_payments_of(funder)))
    return db.session.scalars(lines.order_by(ReceiptLine.receipt_id)).all()


def _payments_of(funder: Funder) -> Select[int]:
    return select(FunderPayment.id).join(Fund, Fund.id == FunderPayment.fund_id).where(Fund.funder_id == funder.id)


def enqueue_due(funder: Funder) -> int:
    """Enqueue the receipts that are due and that no message brings: the funder was a registered charity, or was held to be one.

    Returns how many. A message that is being sent may have been composed before the answer changed, and counts as none.
    """
    brings_receipt = exists().where(
        OutboxMessage.funder_payment_id == FunderPayment.id,
        OutboxMessage.kind.in_((MessageKind.FUNDER_PAYMENT, MessageKind.FUNDER_PAYMENT_CORRECTED)),
        leases.is_pending(OutboxMessage),
        OutboxMessage.attempts == 0,
    )
    voided = select(voided_payments().c.id)
    is_left = FunderPayment.cents > payments.returned_in_query()
    has_receipt = exists().where(ReceiptLine.funder_payment_id == FunderPayment.id, ReceiptLine.is_current)
    due = _payments_of(funder).where(payments.is_counted(), is_left, ~has_receipt, FunderPayment.id.not_in(voided), ~brings_receipt)
    found = db.session.scalars(due.order_by(FunderPayment.id)).all()
    for payment_id in found:
        messages.enqueue_payment_news(payment_id)
    return len(found)


def retry_waiting(funder: Funder) -> None:
    """Make the emails due now that wait for what the receipts of the funder's payments lack."""
    waiting = (
        OutboxMessage.funder_payment_id.in_(_payments_of(funder)),
        OutboxMessage.missing_elements.is_not(None),
        leases.is_pending(OutboxMessage),
    )
    db.session.execute(
        update(OutboxMessage).where(*waiting).values(not_before=func.now()), execution_options={"synchronize_session": False}
    )
