"""The gifts of an import as staff see them before they undo it: what undoing does to each, by the rule of undoing one gift."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import func, select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.payments.deposits import Deposit
from campaign.payments.offline_gifts import OfflineGift
from campaign.receipts.gift_imports import GiftImportRow, RowState
from campaign.receipts.receipts import Receipt, ReceiptLine


class Undoing(StrEnum):
    """What undoing the import does to a gift."""

    WITHOUT_TRACE = "without_trace"
    RECEIPT_CANCELLED = "receipt_cancelled"
    IN_DEPOSIT = "in_deposit"
    PARTLY_REFUNDED = "partly_refunded"
    REVERSED = "reversed"


@dataclass(frozen=True, kw_only=True)
class ImportedGift:
    """A recorded gift of an import. `serial` is that of its latest receipt, empty without one."""

    public_id: str
    name: str
    cents: int
    serial: str
    undoing: Undoing


def gifts_to_undo(import_id: int) -> list[ImportedGift]:
    """The recorded gifts of the import, in the order of the file."""
    serial = (
        select(Receipt.serial)
        .join(ReceiptLine, ReceiptLine.receipt_id == Receipt.id)
        .where(ReceiptLine.donation_id == Donation.id)
        .order_by(Receipt.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    recorded = (
        select(Donation, Deposit.closed_at, func.coalesce(serial, ""))
        .join(GiftImportRow, GiftImportRow.donation_id == Donation.id)
        .join(OfflineGift, OfflineGift.donation_id == Donation.id)
        .outerjoin(Deposit, Deposit.id == OfflineGift.deposit_id)
        .where(GiftImportRow.import_id == import_id, GiftImportRow.state == RowState.RECORDED.value)
        .order_by(GiftImportRow.number)
    )
    return [
        ImportedGift(
            public_id=donation.public_id,
            name=donation.full_name,
            cents=donation.amount_cents,
            serial=number,
            undoing=_undoing(donation, is_banked=closed_at is not None, has_receipt=bool(number)),
        )
        for donation, closed_at, number in db.session.execute(recorded, execution_options={"populate_existing": True})
    ]


def _undoing(donation: Donation, *, is_banked: bool, has_receipt: bool) -> Undoing:
    if not donation.net_cents:
        return Undoing.REVERSED
    if donation.net_cents != donation.amount_cents:
        return Undoing.PARTLY_REFUNDED
    if has_receipt:
        return Undoing.RECEIPT_CANCELLED
    return Undoing.IN_DEPOSIT if is_banked else Undoing.WITHOUT_TRACE
