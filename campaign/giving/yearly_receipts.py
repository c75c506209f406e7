"""One receipt for all gifts of a year: for donors who wish it, and monthly donors most of all.

Which gifts wait for theirs is read from the books, so that a run that was broken off goes on where it was, and a second one finds nothing.
The gifts on one receipt are of one donor under one name and address; the donor's other names get receipts of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from campaign.edges.db import db
from campaign.giving import receipts
from campaign.giving.campaigns import Campaign
from campaign.giving.charities import Charity
from campaign.giving.donations import PERSON_FIELDS, Donation, lock_donations
from campaign.giving.donors import YEARLY, Donor
from campaign.giving.outbox import Owed, owe
from campaign.giving.receipting import kept
from campaign.giving.receipts import Because, Issuing, Receipt, ReceiptEnd, ReceiptGift

# What was paid in the last days of a year may be heard of a few days later.
BEGINS_ON = (1, 8)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Gifts of a year that one receipt is due for, by id."""

    donation_ids: tuple[int, ...]


def year_that_is_due(charity: Charity, now: datetime) -> int:
    """The last year whose receipts may go out by now: the year before, from the eighth of January on."""
    local = charity.local(now)
    return local.year - 1 if (local.month, local.day) >= BEGINS_ON else local.year - 2


def groups_due(charity: Charity, year: int, *, limit: int, after: int = 0) -> list[Group]:
    """What waits for its receipt of this year, by the first gift of each, those after the gift `after`."""
    zone, d = ZoneInfo(charity.time_zone), Donation
    has_one = exists().where(ReceiptGift.donation_id == d.id, ReceiptGift.is_current)
    was_voided = exists().where(
        ReceiptGift.donation_id == d.id, ReceiptEnd.receipt_id == ReceiptGift.receipt_id, ReceiptEnd.because == Because.VOID
    )
    first = func.min(d.id)
    query = (
        select(func.array_agg(aggregate_order_by(d.id, d.id)))
        .join(Donor, Donor.id == d.donor_id)
        .where(
            Donor.receipts == YEARLY,
            d.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == charity.id)),
            d.paid_at >= datetime(year, 1, 1, tzinfo=zone),
            d.paid_at < datetime(year + 1, 1, 1, tzinfo=zone),
            d.net_cents > 0,
            ~has_one,
            ~was_voided,
        )
        .group_by(d.donor_id, d.livemode, d.currency, *(getattr(d, field) for field in PERSON_FIELDS))
        .having(first > after)
        .order_by(first)
        .limit(limit)
    )
    return [Group(donation_ids=tuple(ids)) for ids in db.session.scalars(query)]


def issue(group: Group, year: int, how: Issuing) -> Receipt | None:
    """The receipt for these gifts, with its mail owed; None when others were quicker, or nothing is left of them. Raises CannotIssue."""
    locked = lock_donations(list(group.donation_ids))
    open_gifts = [k for k in map(kept, _without_receipt(locked)) if k.cents]
    if not open_gifts:
        return None
    receipt = receipts.issue(open_gifts, how, received_in=year)
    owe(Owed("yearly_receipt", open_gifts[-1].donation, str(receipt.id)))
    return receipt


def _without_receipt(donations: Sequence[Donation]) -> list[Donation]:
    return [d for d in donations if receipts.receipt_of(d.id) is None]
