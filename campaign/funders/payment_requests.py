"""Requests to change what is recorded of a funder's payment. It takes two people: one requests it, another agrees or refuses.

That a payment was recorded wrongly and that money of it went back are different facts. The database keeps the two people distinct, and changes a
payment only as an agreed request says, once.
"""

from datetime import date
from enum import StrEnum

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.edges.db import Base, db
from campaign.funders.payments import FunderPayment, FunderPaymentReturn, reversal_of
from campaign.matching.funds import Fund
from campaign.rules.funder_payments import PaymentDetails, ReturnDetails
from campaign.staff.two_people import TwoPersonRequest


class PaymentChange(StrEnum):
    """What is true of the payment.

    CORRECT: it was recorded wrongly, and another one takes its place. REVERSE: it never came, and none does. RETURN: it came, and money of it went
    back to the funder, part or all. UNDO_RETURN: such a return was recorded wrongly, and the money never went back.
    """

    CORRECT = "correct"
    REVERSE = "reverse"
    RETURN = "return"
    UNDO_RETURN = "undo_return"


class FunderPaymentRequest(TwoPersonRequest, Base):
    """A request with the details of its kind: what is right, what was returned, or the request `undoes_id` for the return that is undone.

    A reversal of before returns were rows of their own may name the day `returned_on` which all of the money went back.
    """

    __tablename__ = "funder_payment_request"
    __table_args__ = (Index("one_open_request_of_payment", "funder_payment_id", unique=True, postgresql_where=text("decision IS NULL")),)

    funder_payment_id: Mapped[int] = mapped_column(ForeignKey("funder_payment.id"))
    kind: Mapped[str]
    cents: Mapped[int | None]
    received_on: Mapped[date | None]
    reference: Mapped[str | None]
    returned_on: Mapped[date | None]
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment_request.id"))

    @property
    def returned(self) -> ReturnDetails | None:
        """What was returned to the funder; None unless the request is about that."""
        if self.kind != PaymentChange.RETURN or self.cents is None or self.returned_on is None or self.reference is None:
            return None
        return ReturnDetails(cents=self.cents, returned_on=self.returned_on, reference=self.reference)

    @property
    def corrected(self) -> PaymentDetails | None:
        """What is right; None unless the request is a correction."""
        if self.cents is None or self.received_on is None or self.reference is None:
            return None
        return PaymentDetails(cents=self.cents, received_on=self.received_on, reference=self.reference)


def create_correction(payment: FunderPayment, right: PaymentDetails, *, actor: str, reason: str) -> FunderPaymentRequest:
    """Create an open request to correct the payment."""
    details = {"cents": right.cents, "received_on": right.received_on, "reference": right.reference}
    return _create(FunderPaymentRequest(kind=PaymentChange.CORRECT, **details), payment, actor=actor, reason=reason)


def create_reversal(payment: FunderPayment, *, actor: str, reason: str) -> FunderPaymentRequest:
    """Create an open request to reverse the payment."""
    return _create(FunderPaymentRequest(kind=PaymentChange.REVERSE), payment, actor=actor, reason=reason)


def create_return(payment: FunderPayment, returned: ReturnDetails, *, actor: str, reason: str) -> FunderPaymentRequest:
    """Create an open request to record that this much of the payment was returned to the funder."""
    details = {"cents": returned.cents, "returned_on": returned.returned_on, "reference": returned.reference}
    return _create(FunderPaymentRequest(kind=PaymentChange.RETURN, **details), payment, actor=actor, reason=reason)


def create_undo(returned: FunderPaymentReturn, payment: FunderPayment, *, actor: str, reason: str) -> FunderPaymentRequest:
    """Create an open request to undo a return that was recorded wrongly."""
    return _create(FunderPaymentRequest(kind=PaymentChange.UNDO_RETURN, undoes_id=returned.request_id), payment, actor=actor, reason=reason)


def _create(request: FunderPaymentRequest, payment: FunderPayment, *, actor: str, reason: str) -> FunderPaymentRequest:
    request.funder_payment_id, request.requested_by, request.reason = payment.id, actor, reason
    db.session.add(request)
    db.session.flush()
    return request


def reversing_request_of(payment: FunderPayment) -> FunderPaymentRequest | None:
    """The request that two people agreed on, by which the payment was reversed; None while it counts."""
    reversal = reversal_of(payment)
    return db.session.get_one(FunderPaymentRequest, reversal.request_id) if reversal else None


def undone_return_of(request: FunderPaymentRequest) -> FunderPaymentReturn | None:
    """The return that the request undoes; None for other requests."""
    if request.undoes_id is None:
        return None
    return db.session.scalars(select(FunderPaymentReturn).where(FunderPaymentReturn.request_id == request.undoes_id)).one()


def list_agreed(payment: FunderPayment) -> list[FunderPaymentRequest]:
    """The requests by which the payment was changed, oldest first."""
    r = FunderPaymentRequest
    return list(db.session.scalars(select(r).where(r.funder_payment_id == payment.id, r.decision == "agreed").order_by(r.id)))


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


def open_count(charity_id: ColumnElement[int]) -> Select[int]:
    """The query of how many of these there are in the charity's campaigns."""
    r = FunderPaymentRequest
    joined = select(func.count()).select_from(r).join(FunderPayment, FunderPayment.id == r.funder_payment_id)
    joined = joined.join(Fund, Fund.id == FunderPayment.fund_id).join(Campaign, Campaign.id == Fund.campaign_id)
    return joined.where(r.decision.is_(None), Campaign.charity_id == charity_id)


def get(request_id: int) -> FunderPaymentRequest | None:
    """The request with this id, or None."""
    return db.session.get(FunderPaymentRequest, request_id)
