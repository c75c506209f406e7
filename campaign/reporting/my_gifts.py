"""What donors see on the page of all their gifts: gifts in pages, the latest first, official receipts, and messages that a funder may read.

Each reader asks a number of queries that does not depend on the number of gifts. `donor_ids` are those of one person (donor_merges.ids_of_person).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_

from campaign.campaigns.campaigns import Campaign
from campaign.donations.donations import Donation, is_public_id
from campaign.donations.shared_messages import SharedMessage
from campaign.donations.wall_entries import WallEntry
from campaign.edges.db import db
from campaign.matching.holds import NO_MATCH, matches_of
from campaign.payments.status import ShownState, shown_states_of
from campaign.receipts import receipts
from campaign.receipts.receipts import Receipt, ReceiptLine, Status

PAGE_SIZE = 25
UNPAID_SHOWN = 10
MESSAGES_SHOWN = 25


@dataclass(frozen=True, kw_only=True)
class OwnGift:
    """A gift with what pages show as its state, its match in cents, and its valid receipt."""

    donation: Donation
    state: ShownState
    matched_cents: int
    receipt: Receipt | None


@dataclass(frozen=True, kw_only=True)
class GiftsPage:
    """Gifts, the latest first, and the public ids that the neighbouring pages continue from; empty where there is none."""

    rows: list[OwnGift]
    newer: str
    older: str


def campaigns_of(donor_ids: Sequence[int]) -> list[Campaign]:
    """The campaigns that the donor gave to or began to, the first one first."""
    own = select(Donation.campaign_id).where(Donation.donor_id.in_(donor_ids))
    return list(db.session.scalars(select(Campaign).where(Campaign.id.in_(own)).order_by(Campaign.id)))


def gifts_page(donor_ids: Sequence[int], *, before: str = "", after: str = "") -> GiftsPage:
    """The gifts that were paid, are being paid, or that staff examine; older than the one with the public id `before`, or newer than `after`."""
    own = select(Donation).where(Donation.donor_id.in_(donor_ids), ~_is_unpaid())
    moment = func.coalesce(Donation.received_at, Donation.started_at)
    key, at = tuple_(moment, Donation.id), _position_of(donor_ids, after or before)
    if after and at:
        query = own.where(key > tuple_(*at)).order_by(moment, Donation.id)
    else:
        query = (own.where(key < tuple_(*at)) if at else own).order_by(moment.desc(), Donation.id.desc())
    found = list(db.session.scalars(query.limit(PAGE_SIZE + 1)))
    if not found and at:
        return gifts_page(donor_ids)
    has_more, shown = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if after and at:
        shown.reverse()
    has_newer, has_older = (has_more, True) if after and at else (at is not None, has_more)
    return GiftsPage(
        rows=_own_gifts(shown),
        newer=shown[0].public_id if has_newer else "",
        older=shown[-1].public_id if has_older else "",
    )


def unpaid_gifts(donor_ids: Sequence[int]) -> list[OwnGift]:
    """The latest gifts that were begun and not paid, or not yet."""
    query = select(Donation).where(Donation.donor_id.in_(donor_ids), _is_unpaid()).order_by(Donation.id.desc())
    return _own_gifts(list(db.session.scalars(query.limit(UNPAID_SHOWN))))


def find_own_gift(donor_ids: Sequence[int], public_id: str) -> Donation | None:
    """The donor's gift with this public id."""
    if not is_public_id(public_id):
        return None
    return db.session.scalar(select(Donation).where(Donation.donor_id.in_(donor_ids), Donation.public_id == public_id))


def find_own_receipt(donor_ids: Sequence[int], code: str) -> Receipt | None:
    """The receipt of the donor's gifts with this verification code, unless its name is erased and nothing can be shown of it."""
    own = select(Receipt).where(Receipt.check_code == code, Receipt.id.in_(_receipt_ids(donor_ids)))
    found = db.session.scalar(own)
    return found if found is not None and is_readable(found) else None


def is_readable(receipt: Receipt) -> bool:
    """Whether its name is still there: it is erased once tax law does not ask for it any more."""
    return bool(receipt.content["donor_name"])


def statuses_of(own_receipts: Sequence[Receipt]) -> dict[int, Status]:
    """Whether each of these receipts is valid, by its id."""
    ends = receipts.ends_of([receipt.id for receipt in own_receipts])
    return {one.id: Status(ends[one.id].ended_as) if one.id in ends else Status.VALID for one in own_receipts}


def shared_messages_of(donor_ids: Sequence[int]) -> list[Donation]:
    """The latest gifts whose message a funder may read, as the donor has agreed."""
    shared = select(Donation).join(SharedMessage, SharedMessage.donation_id == Donation.id)
    own = shared.where(Donation.donor_id.in_(donor_ids), SharedMessage.withdrawn_at.is_(None), Donation.message != "")
    return list(db.session.scalars(own.order_by(Donation.id.desc()).limit(MESSAGES_SHOWN)))


def shown_gifts_of(donor_ids: Sequence[int]) -> list[Donation]:
    """The latest gifts of which everybody may see something, as the donor has agreed."""
    agreed = select(Donation).join(WallEntry, WallEntry.donation_id == Donation.id)
    own = agreed.where(Donation.donor_id.in_(donor_ids), WallEntry.withdrawn_at.is_(None), Donation.received_at.is_not(None))
    return list(db.session.scalars(own.order_by(Donation.id.desc()).limit(MESSAGES_SHOWN)))


def _is_unpaid() -> ColumnElement[bool]:
    """The condition that nothing was paid for a donation, and that no payment is under way as far as is recorded."""
    is_under_way = and_(Donation.ended_at.is_(None), or_(Donation.is_debit, Donation.unverified_at.is_not(None)))
    return and_(Donation.received_at.is_(None), Donation.quarantined_at.is_(None), ~is_under_way)


def _position_of(donor_ids: Sequence[int], public_id: str) -> tuple[object, int] | None:
    donation = find_own_gift(donor_ids, public_id) if public_id else None
    return (donation.received_at or donation.started_at, donation.id) if donation else None


def _own_gifts(donations: Sequence[Donation]) -> list[OwnGift]:
    ids = [donation.id for donation in donations]
    states, matches, valid = shown_states_of(donations), matches_of(ids), _valid_receipts(ids)
    return [
        OwnGift(
            donation=donation,
            state=states[donation.id],
            matched_cents=matches.get(donation.id, NO_MATCH).matched_cents,
            receipt=valid.get(donation.id),
        )
        for donation in donations
    ]


def _valid_receipts(donation_ids: Sequence[int]) -> dict[int, Receipt]:
    lines = select(ReceiptLine.donation_id, Receipt).join(Receipt, Receipt.id == ReceiptLine.receipt_id).where(ReceiptLine.is_current)
    rows = db.session.execute(lines.where(ReceiptLine.donation_id.in_(donation_ids)))
    return {donation_id: receipt for donation_id, receipt in rows if donation_id}


def _receipt_ids(donor_ids: Sequence[int]) -> Select[int]:
    own = select(ReceiptLine.receipt_id).join(Donation, Donation.id == ReceiptLine.donation_id)
    return own.where(Donation.donor_id.in_(donor_ids))
