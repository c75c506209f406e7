"""Payments received from funders. Each is an entry in its fund's ledger chain and gets an official receipt for the received amount.

A pledge gets no receipt, nor does a payment of a registered charity (policy.md, section 4).
"""

from datetime import date, datetime

from sqlalchemy import ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.funders.funders import Funder
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.outbox import messages
from campaign.outbox.messages import MessageKind
from campaign.receipts import receipts
from campaign.receipts.receipts import IssueContext, Receipt, ReceiptLine
from campaign.rules.receipt_requirements import ReceiptContent


class PaymentRefused(Exception):
    """The payment cannot be recorded; the message is one sentence for the operator."""


class FunderPayment(Base):
    """A payment received from a funder. `reference` is that of the transfer or cheque, unique within the fund."""

    __tablename__ = "funder_payment"
    __table_args__ = (UniqueConstraint("fund_id", "reference"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    cents: Mapped[int]
    received_on: Mapped[date]
    reference: Mapped[str]
    livemode: Mapped[bool]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())


def record_payment(fund: Fund, cents: int, *, received_on: date, reference: str, livemode: bool, actor: str) -> FunderPayment:
    """Record a received payment, post it, and enqueue the thanks with the receipt.

    Raises PaymentRefused for a reference that is recorded already, and when more would be received than is pledged.
    """
    db.session.refresh(fund, with_for_update={"key_share": True})
    if db.session.scalar(select(FunderPayment.id).where(FunderPayment.fund_id == fund.id, FunderPayment.reference == reference)):
        raise PaymentRefused(f"A payment with the reference {reference} is recorded already.")
    if received_cents(fund) + cents > fund.pledged_cents:
        raise PaymentRefused("More would be received than is pledged; raise the pledge first.")
    payment = FunderPayment(
        fund_id=fund.id, cents=cents, received_on=received_on, reference=reference, livemode=livemode, recorded_by=actor
    )
    db.session.add(payment)
    db.session.flush()
    entry = Entry(
        kind=Move.RECEIVE,
        source="funder",
        target="received",
        cents=cents,
        campaign_id=fund.campaign_id,
        fund_id=fund.id,
        reference=f"receive:{payment.id}",
        cause=f"{actor}/{reference}",
    )
    post_entries(entry)
    messages.enqueue_notice(MessageKind.FUNDER_PAYMENT, str(payment.id), funder_payment_id=payment.id)
    return payment


def received_cents(fund: Fund) -> int:
    """The sum of the payments received for the fund, in cents."""
    return int(db.session.scalars(select(func.coalesce(func.sum(FunderPayment.cents), 0)).where(FunderPayment.fund_id == fund.id)).one())


def payments_of(fund: Fund) -> list[FunderPayment]:
    """The payments received for the fund, oldest first."""
    return list(db.session.scalars(select(FunderPayment).where(FunderPayment.fund_id == fund.id).order_by(FunderPayment.id)))


def funder_of(payment: FunderPayment) -> Funder:
    """The funder who paid."""
    return db.session.get_one(Funder, db.session.get_one(Fund, payment.fund_id).funder_id)


def charity_of(payment: FunderPayment) -> Charity:
    """The charity that was paid."""
    return db.session.get_one(Campaign, db.session.get_one(Fund, payment.fund_id).campaign_id).charity


def receipt_of(payment: FunderPayment) -> Receipt | None:
    """The valid receipt of the payment, or None."""
    of_payment = select(Receipt).join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id)
    return db.session.scalar(of_payment.where(ReceiptLine.funder_payment_id == payment.id, ReceiptLine.is_current))


def issue_receipt(payment: FunderPayment, context: IssueContext) -> Receipt | None:
    """The payment's valid receipt, issued if none was ever issued; None for a registered charity. Raises ReceiptIncomplete."""
    funder = funder_of(payment)
    db.session.refresh(funder, with_for_update={"key_share": True})  # A payment is append-only, and the service cannot lock it.
    earlier = select(ReceiptLine.id).where(ReceiptLine.funder_payment_id == payment.id).limit(1)
    if funder.is_registered_charity or db.session.scalar(earlier) is not None:
        return receipt_of(payment)
    charity, code = charity_of(payment), receipts.random_check_code()
    content = ReceiptContent(
        **receipts.charity_fields(charity, context, language=funder.language, code=code),
        received_on=payment.received_on,
        donor_name=funder.legal_name or funder.name(funder.language),
        donor_address=tuple(funder.address),
        amount_cents=payment.cents,
        advantage_cents=0,
        eligible_cents=payment.cents,
        currency=db.session.get_one(Campaign, db.session.get_one(Fund, payment.fund_id).campaign_id).currency,
        is_test=not payment.livemode,
    )
    line = ReceiptLine(funder_payment_id=payment.id, cents=payment.cents)
    return receipts.issue_frozen(charity, content, [line], context, code=code)
