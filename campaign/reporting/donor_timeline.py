"""What became of one donor, the latest first: gifts and what came back of them, receipts, consents, and what staff and the donor did.

It is read from the books, the receipts and the audit trail; each source has an index by which the latest of one donor are found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, any_, func, or_, select

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.payments import offline_gifts
from campaign.payments.offline_gifts import OfflineReversal
from campaign.receipts.receipts import Receipt, ReceiptEnd, ReceiptLine
from campaign.rules.offline_gifts import OfflineReversalKind
from campaign.staff.audit import AuditEntry
from campaign.texts.donation_timeline import TimelineKind

LINES_SHOWN = 30
# What staff only opened or sent out, which changed nothing of the donor.
NOT_SHOWN = ("exported", "sent an export")
KIND_OF_MOVE = {
    Move.DONATION: TimelineKind.PAID,
    Move.REFUND: TimelineKind.REFUNDED,
    Move.DISPUTE: TimelineKind.LOST,
    Move.REINSTATEMENT: TimelineKind.REINSTATED,
    Move.OFFLINE_REVERSAL: TimelineKind.BOUNCED,
}


@dataclass(frozen=True, kw_only=True)
class GiftLine:
    """Money of a gift came or went."""

    at: datetime
    kind: TimelineKind
    cents: int
    public_id: str


@dataclass(frozen=True, kw_only=True)
class ReceiptIssued:
    """A receipt was issued; `replaced` is the serial number of the one that it replaces."""

    at: datetime
    charity_id: int
    serial: str
    cents: int
    replaced: str


@dataclass(frozen=True, kw_only=True)
class ReceiptEnded:
    """A receipt ended, for this reason (`EndReason`)."""

    at: datetime
    charity_id: int
    serial: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """The donor agreed to news, with this gift."""

    at: datetime
    public_id: str


@dataclass(frozen=True, kw_only=True)
class Acted:
    """Somebody did something about the donor or one of their gifts."""

    at: datetime
    entry: AuditEntry


Line = GiftLine | ReceiptIssued | ReceiptEnded | Agreed | Acted


def latest_lines(donor_ids: Sequence[int]) -> tuple[list[Line], bool]:
    """The latest lines, the latest first, and whether there are earlier ones."""
    sources: tuple[list[Line], ...] = (
        [*_gift_lines(donor_ids)],
        [*_receipts_issued(donor_ids)],
        [*_receipts_ended(donor_ids)],
        [*_consents(donor_ids)],
        [*_acts(donor_ids)],
    )
    lines = sorted((line for source in sources for line in source), key=lambda line: line.at, reverse=True)
    return lines[:LINES_SHOWN], len(lines) > LINES_SHOWN


def _gift_lines(donor_ids: Sequence[int]) -> list[GiftLine]:
    e = LedgerEntry
    query = select(e, Donation.public_id, Donation.id).join(Donation, Donation.id == e.donation_id)
    query = query.where(Donation.donor_id.in_(donor_ids), e.kind.in_(list(KIND_OF_MOVE))).order_by(e.id.desc()).limit(LINES_SHOWN + 1)
    rows = db.session.execute(query).all()
    bounced = {donation_id for entry, _, donation_id in rows if entry.kind == Move.OFFLINE_REVERSAL}
    mistakes = select(OfflineReversal).where(OfflineReversal.donation_id.in_(bounced), OfflineReversal.kind == OfflineReversalKind.MISTAKE)
    mistaken = {offline_gifts.reference_of(reversal) for reversal in db.session.scalars(mistakes)} if bounced else set()
    return [
        GiftLine(
            at=entry.at,
            kind=TimelineKind.MISTAKEN if entry.reference in mistaken else KIND_OF_MOVE[Move(entry.kind)],
            cents=entry.cents,
            public_id=public_id,
        )
        for entry, public_id, _ in rows
    ]


def _receipts_issued(donor_ids: Sequence[int]) -> list[ReceiptIssued]:
    found = db.session.scalars(
        select(Receipt).where(Receipt.id.in_(_receipt_ids(donor_ids))).order_by(Receipt.id.desc()).limit(LINES_SHOWN + 1)
    )
    return [
        ReceiptIssued(
            at=one.issued_at,
            charity_id=one.charity_id,
            serial=one.serial,
            cents=one.cents,
            replaced=one.content.get("replaces") or "",
        )
        for one in found
    ]


def _receipts_ended(donor_ids: Sequence[int]) -> list[ReceiptEnded]:
    query = select(ReceiptEnd.at, Receipt.charity_id, Receipt.serial, ReceiptEnd.reason).join(Receipt, Receipt.id == ReceiptEnd.receipt_id)
    query = query.where(ReceiptEnd.receipt_id.in_(_receipt_ids(donor_ids))).order_by(ReceiptEnd.at.desc()).limit(LINES_SHOWN + 1)
    return [ReceiptEnded(at=at, charity_id=of, serial=serial, reason=reason) for at, of, serial, reason in db.session.execute(query)]


def _receipt_ids(donor_ids: Sequence[int]) -> Select[int]:
    return select(ReceiptLine.receipt_id).join(Donation, Donation.id == ReceiptLine.donation_id).where(Donation.donor_id.in_(donor_ids))


def _consents(donor_ids: Sequence[int]) -> list[Agreed]:
    d = Donation
    query = select(d.news_consent_at, func.min(d.public_id)).where(d.donor_id.in_(donor_ids), d.news_consent_at.is_not(None))
    rows = db.session.execute(query.group_by(d.news_consent_at).order_by(d.news_consent_at.desc()).limit(LINES_SHOWN + 1))
    return [Agreed(at=at, public_id=public_id) for at, public_id in rows if at]


def _acts(donor_ids: Sequence[int]) -> list[Acted]:
    # As an array: an index finds the entries of each gift, where a join would read the whole trail.
    gifts = func.array(select(Donation.public_id).where(Donation.donor_id.in_(donor_ids)).scalar_subquery())
    names = [f"donor {donor_id}" for donor_id in donor_ids]
    found = select(AuditEntry).where(or_(AuditEntry.subject == any_(gifts), AuditEntry.subject.in_(names)))
    latest = found.where(AuditEntry.action.not_in(NOT_SHOWN)).order_by(AuditEntry.id.desc()).limit(LINES_SHOWN + 1)
    return [Acted(at=entry.at, entry=entry) for entry in db.session.scalars(latest)]
