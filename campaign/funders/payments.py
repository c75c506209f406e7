"""Payments received from funders. Each is an entry in its fund's ledger chain and gets an official receipt for the received amount.

A pledge gets no receipt, nor does a payment of a registered charity (policy.md, section 4). A payment that was recorded wrongly is reversed, and
corrected by another one, by two people (payment_changes.py). Money that went back to the funder is another fact: the payment stays, less its
returns. All that records, reverses or returns payments locks the fund first, then the funder.
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, UniqueConstraint, cast, exists, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.edges.db import Base, db
from campaign.funders.funders import Funder
from campaign.ledger.entries import Entry, post_entries
from campaign.ledger.moves import Move
from campaign.matching.funds import Fund
from campaign.outbox import messages
from campaign.outbox.message_kinds import MessageKind
from campaign.rules.funder_payments import PaymentDetails, ReturnDetails
from campaign.texts.action_errors import ActionError, ActionRefused


class FunderPayment(Base):
    """A payment received from a funder. `reference` is that of the transfer or cheque, unique among the payments of a fund that are not reversed.

    `replaces_id` is the payment that this one corrects.
    """

    __tablename__ = "funder_payment"
    __table_args__ = (
        UniqueConstraint("replaces_id", name="payment_is_replaced_once"),
        Index("ix_funder_payment_fund_id_reference", "fund_id", "reference"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    fund_id: Mapped[int] = mapped_column(ForeignKey("fund.id"))
    cents: Mapped[int]
    received_on: Mapped[date]
    reference: Mapped[str]
    livemode: Mapped[bool]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("funder_payment.id"))

    @property
    def details(self) -> PaymentDetails:
        """What was written down of it."""
        return PaymentDetails(cents=self.cents, received_on=self.received_on, reference=self.reference)


class FunderPaymentReversal(Base):
    """A payment that was recorded wrongly and is no longer counted as received, and the request that two people agreed on.

    A request of before returns were rows of their own may name the day on which all of the money was returned.
    """

    __tablename__ = "funder_payment_reversal"
    __table_args__ = (UniqueConstraint("request_id", name="request_reverses_once"),)

    funder_payment_id: Mapped[int] = mapped_column(ForeignKey("funder_payment.id"), primary_key=True, autoincrement=False)
    request_id: Mapped[int] = mapped_column(ForeignKey("funder_payment_request.id"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class FunderPaymentReturn(Base):
    """Money of a payment that was returned to the funder, and the request that two people agreed on. It counts until it is undone."""

    __tablename__ = "funder_payment_return"
    __table_args__ = (UniqueConstraint("request_id", name="request_returns_once"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    funder_payment_id: Mapped[int] = mapped_column(ForeignKey("funder_payment.id"), index=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("funder_payment_request.id"))
    cents: Mapped[int]
    returned_on: Mapped[date]
    reference: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def details(self) -> ReturnDetails:
        """What was written down of it."""
        return ReturnDetails(cents=self.cents, returned_on=self.returned_on, reference=self.reference)


class UndonePaymentReturn(Base):
    """A return that was recorded wrongly, and the request that two people agreed on: the money never went back."""

    __tablename__ = "undone_payment_return"
    __table_args__ = (UniqueConstraint("request_id", name="request_undoes_once"),)

    return_id: Mapped[int] = mapped_column(ForeignKey("funder_payment_return.id"), primary_key=True, autoincrement=False)
    request_id: Mapped[int] = mapped_column(ForeignKey("funder_payment_request.id"))
    at: Mapped[datetime] = mapped_column(server_default=func.now())


def is_counted() -> ColumnElement[bool]:
    """A condition: the payment is not reversed."""
    return ~exists().where(FunderPaymentReversal.funder_payment_id == FunderPayment.id)


def is_in_effect() -> ColumnElement[bool]:
    """A condition on a `FunderPaymentReturn`: it is not undone."""
    return ~exists().where(UndonePaymentReturn.return_id == FunderPaymentReturn.id)


def returned_in_query(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """What was returned of a `FunderPayment` of the query, in cents; of the returns for which these conditions hold."""
    r = FunderPaymentReturn
    summed = select(func.coalesce(func.sum(r.cents), 0)).where(r.funder_payment_id == FunderPayment.id, is_in_effect(), *conditions)
    return cast(summed.correlate(FunderPayment).scalar_subquery(), BigInteger)


def lock_fund(fund: Fund) -> None:
    """Lock the fund, so that its payments are recorded and reversed one after the other."""
    db.session.refresh(fund, with_for_update={"key_share": True})


def lock_funder(payment: FunderPayment) -> Funder:
    """The funder, locked while receipts of their payments are issued or ended: a payment is append-only, and the service cannot lock it."""
    funder = funder_of(payment)
    db.session.refresh(funder, with_for_update={"key_share": True})
    return funder


def record_payment(fund: Fund, cents: int, *, received_on: date, reference: str, livemode: bool, actor: str) -> FunderPayment:
    """Record a received payment, post it, and enqueue the thanks with the receipt.

    Raises ActionRefused for a reference that is recorded already, and when more would be received than is pledged.
    """
    lock_fund(fund)
    check_recordable(fund, cents, reference)
    payment = FunderPayment(
        fund_id=fund.id, cents=cents, received_on=received_on, reference=reference, livemode=livemode, recorded_by=actor
    )
    post_payment(payment, fund)
    messages.enqueue_notice(MessageKind.FUNDER_PAYMENT, str(payment.id), funder_payment_id=payment.id)
    return payment


def check_recordable(fund: Fund, cents: int, reference: str, *, instead_of: FunderPayment | None = None) -> None:
    """Raise ActionRefused unless a payment of this amount and reference may be recorded, in place of another one if so.

    References that differ in capital letters alone are the same.
    """
    others, is_same = FunderPayment.id != (instead_of.id if instead_of else 0), func.lower(FunderPayment.reference) == reference.lower()
    same = select(FunderPayment.id).where(FunderPayment.fund_id == fund.id, is_same, others, is_counted()).limit(1)
    if db.session.scalar(same) is not None:
        raise ActionRefused(ActionError.PAYMENT_IS_RECORDED)
    check_within_pledge(fund, cents - (instead_of.cents if instead_of else 0))


def check_within_pledge(fund: Fund, more_cents: int) -> None:
    """Raise ActionRefused when more would be received than is pledged, if this came in addition."""
    if received_cents(fund) + more_cents > fund.pledged_cents:
        raise ActionRefused(ActionError.PAYMENT_BEYOND_PLEDGE)


def has_same_amount(fund: Fund, cents: int, received_on: date, *, instead_of: FunderPayment | None = None) -> bool:
    """Whether another payment of this amount and day is recorded, for any fund of the funder."""
    p = FunderPayment
    of_funder = select(Fund.id).where(Fund.funder_id == fund.funder_id)
    same = select(p.id).where(p.fund_id.in_(of_funder), p.cents == cents, p.received_on == received_on, is_counted())
    return db.session.scalar(same.where(p.id != (instead_of.id if instead_of else 0)).limit(1)) is not None


def post_payment(payment: FunderPayment, fund: Fund) -> None:
    """Insert the payment and post it."""
    db.session.add(payment)
    db.session.flush()
    _post(Move.RECEIVE, fund, payment.cents, f"{payment.id}", cause=payment.reference)


def post_reversal(payment: FunderPayment, fund: Fund, *, request_id: int) -> None:
    """Reverse the payment as an agreed request says. Its receipt has ended before. The database refuses anything else."""
    db.session.add(FunderPaymentReversal(funder_payment_id=payment.id, request_id=request_id))
    db.session.flush()
    _post(Move.RECEIVE_REVERSAL, fund, payment.cents, f"{payment.id}", cause=f"request:{request_id}")


def post_return(payment: FunderPayment, details: ReturnDetails, fund: Fund, *, request_id: int) -> FunderPaymentReturn:
    """Return this much of the payment to the funder, as for `post_reversal`."""
    values = {"cents": details.cents, "returned_on": details.returned_on, "reference": details.reference}
    returned = FunderPaymentReturn(funder_payment_id=payment.id, request_id=request_id, **values)
    db.session.add(returned)
    db.session.flush()
    _post(Move.RECEIVE_REVERSAL, fund, details.cents, f"{payment.id}:{returned.id}", cause=f"request:{request_id}")
    return returned


def post_undo(returned: FunderPaymentReturn, fund: Fund, *, request_id: int) -> None:
    """Undo a return that was recorded wrongly, as for `post_reversal`."""
    db.session.add(UndonePaymentReturn(return_id=returned.id, request_id=request_id))
    db.session.flush()
    _post(Move.RECEIVE, fund, returned.cents, f"{returned.funder_payment_id}:{returned.id}", cause=f"request:{request_id}")


def _post(kind: Move, fund: Fund, cents: int, name: str, *, cause: str) -> None:
    source, target = ("funder", "received") if kind is Move.RECEIVE else ("received", "funder")
    of_fund = {"campaign_id": fund.campaign_id, "fund_id": fund.id}
    post_entries(Entry(kind=kind, source=source, target=target, cents=cents, reference=f"{kind}:{name}", cause=cause, **of_fund))


def received_cents(fund: Fund) -> int:
    """The sum of the payments received for the fund, in cents, without those that were reversed, less what was returned to the funder."""
    retained = FunderPayment.cents - returned_in_query()
    received = select(func.coalesce(func.sum(retained), 0)).where(FunderPayment.fund_id == fund.id, is_counted())
    return int(db.session.scalars(received).one())


def retained_cents(payment: FunderPayment) -> int:
    """What the charity retains of the payment, in cents: nothing once it is reversed."""
    retained = select(FunderPayment.cents - returned_in_query()).where(FunderPayment.id == payment.id, is_counted())
    return int(db.session.scalar(retained) or 0)


def returns_of(payment: FunderPayment) -> list[FunderPaymentReturn]:
    """What was returned of the payment, in the order of its days, undone returns included."""
    r = FunderPaymentReturn
    return list(db.session.scalars(select(r).where(r.funder_payment_id == payment.id).order_by(r.returned_on, r.id)))


def undo_of(returned: FunderPaymentReturn) -> UndonePaymentReturn | None:
    """The undoing of a return that was recorded wrongly, or None while it counts."""
    return db.session.get(UndonePaymentReturn, returned.id, populate_existing=True)


def payments_of(fund: Fund) -> list[FunderPayment]:
    """The payments recorded for the fund, reversed ones included, oldest first."""
    return list(db.session.scalars(select(FunderPayment).where(FunderPayment.fund_id == fund.id).order_by(FunderPayment.id)))


def find_payment(fund: Fund, reference: str) -> FunderPayment | None:
    """The payment of the fund with this reference that is not reversed."""
    of_reference = (FunderPayment.fund_id == fund.id, FunderPayment.reference == reference)
    return db.session.scalar(select(FunderPayment).where(*of_reference, is_counted()))


def reversal_of(payment: FunderPayment) -> FunderPaymentReversal | None:
    """The reversal of the payment, or None."""
    return db.session.get(FunderPaymentReversal, payment.id, populate_existing=True)


def correction_of(payment: FunderPayment) -> FunderPayment | None:
    """The payment that corrects this one, or None."""
    return db.session.scalar(select(FunderPayment).where(FunderPayment.replaces_id == payment.id))


def fund_of(payment: FunderPayment) -> Fund:
    """The fund that was paid."""
    return db.session.get_one(Fund, payment.fund_id)


def funder_of(payment: FunderPayment) -> Funder:
    """The funder who paid."""
    return db.session.get_one(Funder, fund_of(payment).funder_id)


def charity_of(payment: FunderPayment) -> Charity:
    """The charity that was paid."""
    return campaign_of(payment).charity


def campaign_of(payment: FunderPayment) -> Campaign:
    """The campaign whose fund was paid."""
    return db.session.get_one(Campaign, fund_of(payment).campaign_id)
