"""Money that a funder has paid: a fact of its fund, in its chain, and receipted like any gift of money, for what was received alone.

A pledge is never receipted, nor what a registered charity pays (policy.md, section 4).
"""

from datetime import date, datetime

from sqlalchemy import ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving import ledger, outbox, receipts
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.funds import Fund, Funder
from campaign.giving.ledger import Entry, Move
from campaign.giving.receipts import Issuing, Receipt, ReceiptGift
from campaign.rules.receipt_rules import ReceiptContent


class CannotReceive(Exception):
    """One sentence: why the money cannot be written down as this."""


class FunderPayment(Base):
    """Money received from a funder. `reference` is the bank's or the cheque's; one payment is written down once."""

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


def record(fund: Fund, cents: int, *, received_on: date, reference: str, livemode: bool, actor: str) -> FunderPayment:
    """Write money down that was received, with thanks and receipt owed; raises CannotReceive."""
    db.session.refresh(fund, with_for_update={"key_share": True})
    if db.session.scalar(select(FunderPayment.id).where(FunderPayment.fund_id == fund.id, FunderPayment.reference == reference)):
        raise CannotReceive(f"A payment with the reference {reference} is written down already.")
    if received_of(fund) + cents > fund.pledged_cents:
        raise CannotReceive("More would be received than is pledged; raise the pledge first.")
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
    ledger.post(entry)
    outbox.owe_other("funder_payment", str(payment.id))
    return payment


def received_of(fund: Fund) -> int:
    """What was received of the fund's pledge."""
    return int(db.session.scalars(select(func.coalesce(func.sum(FunderPayment.cents), 0)).where(FunderPayment.fund_id == fund.id)).one())


def payments_of(fund: Fund) -> list[FunderPayment]:
    """Each payment, the first one first."""
    return list(db.session.scalars(select(FunderPayment).where(FunderPayment.fund_id == fund.id).order_by(FunderPayment.id)))


def funder_of(payment: FunderPayment) -> Funder:
    """Who paid."""
    return db.session.get_one(Funder, db.session.get_one(Fund, payment.fund_id).funder_id)


def charity_of(payment: FunderPayment) -> Charity:
    """Who was paid."""
    return db.session.get_one(Campaign, db.session.get_one(Fund, payment.fund_id).campaign_id).charity


def receipt_of(payment: FunderPayment) -> Receipt | None:
    """The official receipt that stands for the payment, if one does."""
    of_payment = select(Receipt).join(ReceiptGift, ReceiptGift.receipt_id == Receipt.id)
    return db.session.scalar(of_payment.where(ReceiptGift.funder_payment_id == payment.id, ReceiptGift.is_current))


def settle(payment: FunderPayment, how: Issuing) -> Receipt | None:
    """The payment's receipt, issued if it had none; None for a registered charity. Raises CannotIssue when something is lacking."""
    db.session.refresh(payment, with_for_update=True)
    funder = funder_of(payment)
    ever = select(ReceiptGift.id).where(ReceiptGift.funder_payment_id == payment.id).limit(1)
    if funder.is_registered_charity or db.session.scalar(ever) is not None:
        return receipt_of(payment)
    charity, code = charity_of(payment), receipts.new_check_code()
    content = ReceiptContent(
        **receipts.of_charity(charity, how, language=funder.language, code=code),
        received_on=payment.received_on,
        donor_name=funder.legal_name or funder.name(funder.language),
        donor_address=tuple(funder.address),
        amount_cents=payment.cents,
        advantage_cents=0,
        eligible_cents=payment.cents,
        currency=db.session.get_one(Campaign, db.session.get_one(Fund, payment.fund_id).campaign_id).currency,
        is_test=not payment.livemode,
    )
    gift = ReceiptGift(funder_payment_id=payment.id, cents=payment.cents)
    return receipts.freeze(charity, content, [gift], how, code=code)
