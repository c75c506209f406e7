"""Requests to correct or reverse a payment of a funder that was recorded wrongly. It takes two people: one requests it, another agrees or refuses.

The database keeps the two distinct, and reverses and corrects a payment only as an agreed request says, once.
"""

from datetime import date
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.funders.payments import FunderPayment, reversal_of
from campaign.matching.funds import Fund
from campaign.rules.funder_payments import PaymentDetails
from campaign.staff.two_people import TwoPersonRequest


class PaymentChange(StrEnum):
    """CORRECT records another payment in its place. REVERSE records none: it never came, or was returned to the funder."""

    CORRECT = "correct"
    REVERSE = "reverse"


class FunderPaymentRequest(TwoPersonRequest, Base):
    """A request to correct a payment, with what is right, or to reverse it. `returned_on` is the day on which money that had come was returned."""

    __tablename__ = "funder_payment_request"
    __table_args__ = (Index("one_open_request_of_payment", "funder_payment_id", unique=True, postgresql_where=text("decision IS NULL")),)

    funder_payment_id: Mapped[int] = mapped_column(ForeignKey("funder_payment.id"))
    kind: Mapped[str]
    cents: Mapped[int | None]
    received_on: Mapped[date | None]
    reference: Mapped[str | None]
    returned_on: Mapped[date | None]

    @property
    def corrected(self) -> PaymentDetails | None:
        """What is right; None for a reversal."""
        if self.cents is None or self.received_on is None or self.reference is None:
            return None
        return PaymentDetails(cents=self.cents, received_on=self.received_on, reference=self.reference)


def create_correction(payment: FunderPayment, right: PaymentDetails, *, actor: str, reason: str) -> FunderPaymentRequest:
    """Create an open request to correct the payment."""
    details = {"cents": right.cents, "received_on": right.received_on, "reference": right.reference}
    return _create(FunderPaymentRequest(kind=PaymentChange.CORRECT, **details), payment, actor=actor, reason=reason)


def create_reversal(payment: FunderPayment, *, returned_on: date | None, actor: str, reason: str) -> FunderPaymentRequest:
    """Create an open request to reverse the payment."""
    return _create(FunderPaymentRequest(kind=PaymentChange.REVERSE, returned_on=returned_on), payment, actor=actor, reason=reason)


def _create(request: FunderPaymentRequest, payment: FunderPayment, *, actor: str, reason: str) -> FunderPaymentRequest:
    request.funder_payment_id, request.requested_by, request.reason = payment.id, actor, reason
    db.session.add(request)
    db.session.flush()
    return request


def reversing_request_of(payment: FunderPayment) -> FunderPaymentRequest | None:
    """The request that two people agreed on, by which the payment was reversed; None while it counts."""
    reversal = reversal_of(payment)
    return db.session.get_one(FunderPaymentRequest, reversal.request_id) if reversal else None


def open_for(payment: FunderPayment) -> FunderPaymentRequest | None:
    """The open request for this payment, or None."""
    of_payment = FunderPaymentRequest.funder_payment_id == payment.id
    return db.session.scalar(select(FunderPaymentRequest).where(of_payment, FunderPaymentRequest.decision.is_(None)))


def list_open(campaign_id: int) -> list[tuple[FunderPaymentRequest, FunderPayment, Fund]]:
    """The campaign's open requests with their payments and funds, oldest first."""
    r = FunderPaymentRequest
    query = select(r, FunderPayment, Fund).join(FunderPayment, FunderPayment.id == r.funder_payment_id)
    query = query.join(Fund, Fund.id == FunderPayment.fund_id).where(r.decision.is_(None), Fund.campaign_id == campaign_id)
    return [(request, payment, fund) for request, payment, fund in db.session.execute(query.order_by(r.id))]


def get(request_id: int) -> FunderPaymentRequest | None:
    """The request with this id, or None."""
    return db.session.get(FunderPaymentRequest, request_id)
