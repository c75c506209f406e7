"""Official receipts for payments of funders: none for a registered charity, and none while nobody has asked whether the funder is one.

The receipt shows the funder's legal name, never the public one (Income Tax Regulations, s. 3501(1)(g); policy.md, section 4).
"""

from collections.abc import Sequence

from sqlalchemy import Select, func, select, update

from campaign.edges.db import db
from campaign.funders import payments
from campaign.funders.funders import Funder
from campaign.funders.payments import FunderPayment
from campaign.matching.funds import Fund
from campaign.outbox import leases
from campaign.outbox.messages import OutboxMessage
from campaign.receipts import completeness, contents, receipts
from campaign.receipts.contents import IssueContext
from campaign.receipts.receipts import Receipt, ReceiptIncomplete, ReceiptLine
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


def issue_receipt(payment: FunderPayment, context: IssueContext, *, replaces: Receipt | None = None) -> Receipt | None:
    """The payment's valid receipt, issued if none was ever issued. Raises ReceiptIncomplete before a number is taken.

    None for a registered charity, and for a payment that was reversed. `replaces` is the receipt of the payment that this one corrects.
    """
    funder = payments.lock_funder(payment)
    if funder.is_registered_charity or payments.reversal_of(payment) or last_receipt_of(payment):
        return receipt_of(payment)
    if missing := missing_elements(payment, context):
        raise ReceiptIncomplete(missing)
    code = receipts.random_check_code()
    content = _content(payment, funder, context, code=code, replaces=replaces)
    line = ReceiptLine(funder_payment_id=payment.id, cents=payment.cents)
    return receipts.issue_frozen(payments.charity_of(payment), content, [line], context, code=code, replaces=replaces)


def missing_elements(payment: FunderPayment, context: IssueContext) -> list[str]:
    """What a receipt would lack if it were issued now, by the names of texts/receipt_elements.py. Empty for a registered charity."""
    funder = payments.funder_of(payment)
    if funder.is_registered_charity:
        return []
    asked = [CHARITY_STATUS] if funder.is_registered_charity is None else []
    content = _content(payment, funder, context, code="preview")
    missing = completeness.missing_elements(payments.charity_of(payment), content)
    return asked + [name.replace("donor_", "funder_", 1) for name in missing]


def _content(
    payment: FunderPayment, funder: Funder, context: IssueContext, *, code: str, replaces: Receipt | None = None
) -> ReceiptContent:
    return ReceiptContent(
        **contents.charity_fields(payments.charity_of(payment), context, language=funder.language, code=code),
        received_on=payment.received_on,
        donor_name=funder.legal_name,
        donor_address=tuple(funder.address),
        amount_cents=payment.cents,
        advantage_cents=0,
        eligible_cents=payment.cents,
        currency=payments.campaign_of(payment).currency,
        replaces=replaces.serial if replaces else "",
        is_test=not payment.livemode,
    )


def list_valid_receipts(funder: Funder) -> Sequence[Receipt]:
    """The valid receipts of the funder's payments, oldest first."""
    of_funder = select(FunderPayment.id).join(Fund, Fund.id == FunderPayment.fund_id).where(Fund.funder_id == funder.id)
    lines = select(ReceiptLine.receipt_id).where(ReceiptLine.funder_payment_id.in_(of_funder), ReceiptLine.is_current)
    return db.session.scalars(select(Receipt).where(Receipt.id.in_(lines)).order_by(Receipt.id)).all()


def retry_waiting(funder: Funder) -> None:
    """Make the emails due now that wait for what the receipts of the funder's payments lack."""
    of_funder = select(FunderPayment.id).join(Fund, Fund.id == FunderPayment.fund_id).where(Fund.funder_id == funder.id)
    waiting = (
        OutboxMessage.funder_payment_id.in_(of_funder),
        OutboxMessage.missing_elements.is_not(None),
        leases.is_pending(OutboxMessage),
    )
    db.session.execute(
        update(OutboxMessage).where(*waiting).values(not_before=func.now()), execution_options={"synchronize_session": False}
    )
