"""Deposits: the cheques and the cash that somebody takes to the bank together, with the slip that says so.

A charity has at most one open deposit, which takes in what is recorded; the next one is opened when it is closed. Once closed it never changes:
a trigger lets no gift join or leave it. A cheque or cash is in no deposit only if it was reversed as a whole before it was taken to the bank.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.payments.offline_gifts import OfflineGift

# By this name a closed month has the number of the last deposit, beside the ends of the ledger's chains.
CHAIN_OF_DEPOSITS = "deposits"


class Deposit(Base):
    """One deposit, by its number for the charity. When it is closed, `gifts` and `cents` are what was taken to the bank."""

    __tablename__ = "deposit"
    __table_args__ = (
        UniqueConstraint("charity_id", "number"),
        Index("one_open_deposit", "charity_id", unique=True, postgresql_where=text("closed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    charity_id: Mapped[int] = mapped_column(ForeignKey("charity.id"))
    number: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deposited_on: Mapped[date | None]
    bank_account: Mapped[str] = mapped_column(server_default="", default="")
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    gifts: Mapped[int | None]
    cents: Mapped[int | None]


@dataclass(frozen=True, kw_only=True)
class DepositSlip:
    """When a deposit was taken to which account, as its slip says. The day is in the charity's time zone."""

    deposited_on: date
    bank_account: str


def get_or_open(charity_id: int) -> Deposit:
    """The open deposit of the charity, opened if there is none. It is locked against closing until the commit."""
    number = select(func.coalesce(func.max(Deposit.number), 0) + 1).where(Deposit.charity_id == charity_id).scalar_subquery()
    while (deposit := _lock_open(charity_id)) is None:
        db.session.execute(insert(Deposit).values(charity_id=charity_id, number=number).on_conflict_do_nothing())
    return deposit


def _lock_open(charity_id: int) -> Deposit | None:
    query = select(Deposit).where(Deposit.charity_id == charity_id, Deposit.closed_at.is_(None)).with_for_update(read=True)
    return db.session.scalar(query, execution_options={"populate_existing": True})


def lock_of_gift(donation_id: int) -> tuple[OfflineGift, Deposit | None]:
    """The offline gift as it is now and its deposit, which is locked against closing until the commit."""
    gift = db.session.get_one(OfflineGift, donation_id, populate_existing=True)
    while (deposit_id := gift.deposit_id) is not None:
        deposit = db.session.get_one(Deposit, deposit_id, with_for_update={"read": True}, populate_existing=True)
        gift = db.session.get_one(OfflineGift, donation_id, populate_existing=True)
        if gift.deposit_id == deposit_id:
            return gift, deposit
    return gift, None


def lock(deposit_id: int) -> Deposit:
    """Lock the deposit, and return it as it is now. No gift joins or leaves it until the commit."""
    return db.session.get_one(Deposit, deposit_id, with_for_update=True, populate_existing=True)


def close(deposit: Deposit, slip: DepositSlip, *, left_out: Collection[int], actor: str) -> Deposit | None:
    """Close a locked deposit. The gifts that are left out go to the next one, which is returned if there are any."""
    following = None
    if left_out:
        _move(deposit, None, left_out)
    gifts, cents = totals_of(deposit.id)
    deposit.deposited_on, deposit.bank_account = slip.deposited_on, slip.bank_account
    deposit.gifts, deposit.cents, deposit.closed_by, deposit.closed_at = gifts, cents, actor, func.now()
    db.session.flush()
    if left_out:
        following = get_or_open(deposit.charity_id)
        _move(None, following, left_out)
    return following


def _move(source: Deposit | None, target: Deposit | None, donation_ids: Collection[int]) -> None:
    is_in_it = OfflineGift.deposit_id == source.id if source else OfflineGift.deposit_id.is_(None)
    moved = update(OfflineGift).where(OfflineGift.donation_id.in_(sorted(donation_ids)), is_in_it)
    db.session.execute(moved.values(deposit_id=target.id if target else None), execution_options={"synchronize_session": False})


def totals_of(deposit_id: int) -> tuple[int, int]:
    """How many gifts are in the deposit, and how many cents they are: what was paid, whatever was returned later."""
    from_donation = select(func.count(), func.coalesce(func.sum(OfflineGift.cents_in_query()), 0)).where(
        OfflineGift.deposit_id == deposit_id
    )
    gifts, cents = db.session.execute(from_donation).one()
    return gifts, int(cents)


def undeposited_cents(charity_id: int) -> int:
    """What the cheques and the cash in the charity's open deposit are, in cents."""
    deposit = open_deposit(charity_id)
    return totals_of(deposit.id)[1] if deposit else 0


def last_received_at(donation_ids: Collection[int]) -> datetime | None:
    """The moment at which the last of these gifts was received."""
    return db.session.scalar(select(func.max(Donation.received_at)).where(Donation.id.in_(sorted(donation_ids))))


def donation_ids_of(deposit_id: int) -> list[int]:
    """The ids of the gifts in the deposit, in the order in which they were recorded."""
    return list(
        db.session.scalars(select(OfflineGift.donation_id).where(OfflineGift.deposit_id == deposit_id).order_by(OfflineGift.donation_id))
    )


def deposit_of(donation_id: int) -> Deposit | None:
    """The deposit that an offline gift is in, if there is one."""
    return db.session.scalar(
        select(Deposit).join(OfflineGift, OfflineGift.deposit_id == Deposit.id).where(OfflineGift.donation_id == donation_id)
    )


def open_deposit(charity_id: int) -> Deposit | None:
    """The open deposit of the charity, if there is one."""
    return db.session.scalar(select(Deposit).where(Deposit.charity_id == charity_id, Deposit.closed_at.is_(None)))


def deposit_by_number(charity_id: int, number: int) -> Deposit | None:
    """The charity's deposit with this number, if there is one."""
    return db.session.scalar(select(Deposit).where(Deposit.charity_id == charity_id, Deposit.number == number))


def list_deposits(charity_id: int, *, before: int | None, limit: int) -> list[Deposit]:
    """The charity's deposits, the latest first, those with a number below `before` if there is one."""
    found = select(Deposit).where(Deposit.charity_id == charity_id)
    if before is not None:
        found = found.where(Deposit.number < before)
    return list(db.session.scalars(found.order_by(Deposit.number.desc()).limit(limit)))


def last_bank_account(charity_id: int) -> str:
    """The account of the deposit that was closed last; empty when none was."""
    closed = select(Deposit.bank_account).where(Deposit.charity_id == charity_id, Deposit.closed_at.is_not(None))
    return db.session.scalar(closed.order_by(Deposit.number.desc()).limit(1)) or ""
