"""Offline gifts as staff list them: the latest with their match, all of them, and those of one deposit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.matching.holds import matches_of
from campaign.payments.deposits import Deposit
from campaign.payments.offline_gifts import GiftState, OfflineGift, OfflineReversal
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.rules.offline_gifts import OfflineMethod, OfflineReversalKind

ROWS_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class ListedGift:
    """One offline gift. `deposit` and `serial` are of its deposit and its latest receipt, if it has one; `fell_through` is why it was no gift after all."""

    donation: Donation
    method: OfflineMethod
    reference: str
    recorded_by: str
    deposit: Deposit | None
    serial: str
    matched_cents: int
    fell_through: OfflineReversalKind | None

    @property
    def state(self) -> GiftState:
        """What staff may do with it, as far as this list has read."""
        if not self.donation.net_cents:
            return GiftState.REVERSED
        is_banked = self.deposit is not None and self.deposit.closed_at is not None
        is_whole = self.donation.net_cents == self.donation.amount_cents
        return GiftState.COUNTS if is_banked or self.serial or not is_whole else GiftState.UNDOABLE


def latest_gifts(charity: Charity, *, before: int | None, limit: int) -> list[ListedGift]:
    """The offline gifts of the charity that were recorded last, those with a donation id below `before` if there is one."""
    query = _of_charity(charity).limit(limit)
    return _read(query if before is None else query.where(OfflineGift.donation_id < before))


def whole_list(charity: Charity) -> Iterator[ListedGift]:
    """Yield every offline gift of the charity, those recorded last first, streamed from the database in one snapshot."""
    for rows in db.session.execute(_of_charity(charity), execution_options={"yield_per": ROWS_AT_ONCE}).partitions():
        yield from _listed(rows)


def gifts_of_deposit(deposit: Deposit) -> list[ListedGift]:
    """The gifts in the deposit, in the order in which they were recorded."""
    return _read(_query().where(OfflineGift.deposit_id == deposit.id).order_by(OfflineGift.donation_id))


def _of_charity(charity: Charity) -> Select[Any]:
    of_charity = Donation.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == charity.id))
    return _query().where(of_charity).order_by(OfflineGift.donation_id.desc())


def _query() -> Select[Any]:
    serial = (
        select(Receipt.serial)
        .join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id)
        .where(ReceiptLine.donation_id == OfflineGift.donation_id)
        .order_by(Receipt.id.desc())
        .limit(1)
    )
    r = OfflineReversal
    fell_through = select(r.kind).where(r.donation_id == OfflineGift.donation_id, r.kind != OfflineReversalKind.REFUNDED.value)
    return (
        select(Donation, OfflineGift, Deposit, func.coalesce(serial.scalar_subquery(), ""), fell_through.scalar_subquery())
        .join(OfflineGift, OfflineGift.donation_id == Donation.id)
        .outerjoin(Deposit, Deposit.id == OfflineGift.deposit_id)
    )


def _read(query: Select[Any]) -> list[ListedGift]:
    return _listed(db.session.execute(query, execution_options={"populate_existing": True}).all())


def _listed(rows: Sequence[Any]) -> list[ListedGift]:
    matches = matches_of([donation.id for donation, *_ in rows])
    return [
        ListedGift(
            donation=donation,
            method=OfflineMethod(gift.method),
            reference=gift.reference,
            recorded_by=gift.recorded_by,
            deposit=deposit,
            serial=serial,
            matched_cents=matches[donation.id].matched_cents if donation.id in matches else 0,
            fell_through=OfflineReversalKind(kind) if kind else None,
        )
        for donation, gift, deposit, serial, kind in rows
    ]
