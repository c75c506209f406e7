"""Annual receipts: one receipt for all donations of a year, for donors who chose it.

The donations without a receipt are read from the books, so an interrupted run resumes where it stopped, and a repeated run issues nothing.
A receipt covers the donations of one donor under one name and address; donations under another name or address get their own. Those in the name
of an organization, whose declaration is missing, wait for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations import declarations
from campaign.donations.donations import RECEIPT_FIELDS, Donation, lock_donations
from campaign.donations.donors import ANNUAL, Donor
from campaign.edges.db import db
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage, enqueue
from campaign.payments.offline_gifts import RECEIPT_DELAY_SECONDS, OfflineGift
from campaign.receipts import awaited, receipts, reported_reversals
from campaign.receipts.contents import IssueContext
from campaign.receipts.lifecycle import receiptable
from campaign.receipts.receipts import Receipt

# Month and day. Stripe may report a payment of the last days of a year a few days later.
FIRST_ISSUE_DAY = (1, 8)
MAX_GROUPS_OF_DONOR = 100


@dataclass(frozen=True, kw_only=True)
class AnnualGroup:
    """Donations of a year for which one receipt is due, by id, in ascending order."""

    donation_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AnnualPreview:
    """Donations of a donor to a charity in a year that have no receipt, and would be on one receipt for the year, by id, in ascending order."""

    charity: Charity
    year: int
    donation_ids: tuple[int, ...]


def year_that_is_due(charity: Charity, now: datetime) -> int:
    """The last year whose receipts may be issued: the previous year, from January 8 in the charity's time zone."""
    local = charity.local(now)
    return local.year - 1 if (local.month, local.day) >= FIRST_ISSUE_DAY else local.year - 2


def years_due(charity: Charity, now: datetime) -> list[int]:
    """The years up to the last one that is due which have donations without a receipt: some of earlier years may have been reinstated since."""
    year = func.extract("year", func.timezone(charity.time_zone, Donation.received_at))
    before = datetime(year_that_is_due(charity, now) + 1, 1, 1, tzinfo=ZoneInfo(charity.time_zone))
    found = select(year).distinct().join(Donor, Donor.id == Donation.donor_id).where(*_are_due(charity), Donation.received_at < before)
    return sorted(int(one) for one in db.session.scalars(found))


def groups_due(charity: Charity, year: int, *, limit: int, after: int = 0, donor_id: int | None = None) -> list[AnnualGroup]:
    """Groups without a receipt for this year, of all donors or one, ordered by first donation id, starting after the donation id `after`."""
    zone, d = ZoneInfo(charity.time_zone), Donation
    first, is_declared = func.min(d.id), declarations.is_declared_in_query()
    query = (
        select(func.array_agg(aggregate_order_by(d.id, d.id)))
        .join(Donor, Donor.id == d.donor_id)
        .where(
            *_are_due(charity),
            d.received_at >= datetime(year, 1, 1, tzinfo=zone),
            d.received_at < datetime(year + 1, 1, 1, tzinfo=zone),
            true() if donor_id is None else d.donor_id == donor_id,
        )
        .group_by(*_ON_ONE_RECEIPT, is_declared)
        .having(first > after, ~func.bool_or(_was_just_recorded()))
        .order_by(first)
        .limit(limit)
    )
    return [AnnualGroup(donation_ids=tuple(ids)) for ids in db.session.scalars(query)]


def list_previews(donor_id: int) -> list[AnnualPreview]:
    """What would be on the donor's receipts for the year so far, whichever receipts they prefer, the latest year first."""
    year = func.extract("year", func.timezone(Charity.time_zone, Donation.received_at))
    ids, is_declared = func.array_agg(aggregate_order_by(Donation.id, Donation.id)), declarations.is_declared_in_query()
    query = (
        select(Charity, year, ids)
        .select_from(Donation)
        .join(Campaign, Campaign.id == Donation.campaign_id)
        .join(Charity, Charity.id == Campaign.charity_id)
        .where(Donation.donor_id == donor_id, Donation.net_cents > 0, Donation.received_at.is_not(None), awaited.has_no_receipt())
        .group_by(Charity.id, year, *_ON_ONE_RECEIPT, is_declared)
        .order_by(year.desc(), func.min(Donation.id))
        .limit(MAX_GROUPS_OF_DONOR)
    )
    return [AnnualPreview(charity=charity, year=int(of), donation_ids=tuple(found)) for charity, of, found in db.session.execute(query)]


_ON_ONE_RECEIPT = (Donation.donor_id, Donation.livemode, Donation.currency, *(getattr(Donation, field) for field in RECEIPT_FIELDS))


def _are_due(charity: Charity) -> tuple[ColumnElement[bool], ...]:
    """Conditions on donations, joined with their donors: they wait for an annual receipt."""
    of_charity = Donation.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == charity.id))
    return Donor.receipt_preference == ANNUAL, of_charity, Donation.net_cents > 0, awaited.has_no_receipt()


def _was_just_recorded() -> ColumnElement[bool]:
    """Whether staff recorded the donation so lately that they can undo it without a trace: the whole receipt waits, so that the year has one."""
    is_offline = exists().where(OfflineGift.donation_id == Donation.id)
    return and_(is_offline, Donation.started_at > func.now() - timedelta(seconds=RECEIPT_DELAY_SECONDS))


def issue(group: AnnualGroup, year: int, context: IssueContext) -> Receipt | None:
    """Issue the group's receipt and enqueue its e-mail; None when it was issued meanwhile or everything was returned.

    Raises ReceiptIncomplete.
    """
    locked = lock_donations(list(group.donation_ids))
    items = [item for item in map(receiptable, _without_receipt(locked)) if item.cents]
    if not items:
        return None
    receipt = receipts.issue(items, context, received_in=year)
    for item in items:
        reported_reversals.record_left_out(item.donation, receipted_cents=item.cents)
    enqueue(NewMessage(MessageKind.ANNUAL_RECEIPT, items[-1].donation, str(receipt.id), receipt_id=receipt.id))
    return receipt


def issue_overdue(donation: Donation, context: IssueContext) -> Receipt | None:
    """Issue the annual receipt that the donation should be on, once its year is due; None when none is due. Raises ReceiptIncomplete."""
    charity = donation.campaign.charity
    year = charity.local(donation.received_at or context.now).year
    if year > year_that_is_due(charity, context.now):
        return None
    groups = groups_due(charity, year, limit=MAX_GROUPS_OF_DONOR, donor_id=donation.donor_id)
    group = next((group for group in groups if donation.id in group.donation_ids), None)
    return issue(group, year, context) if group else None


def _without_receipt(donations: Sequence[Donation]) -> list[Donation]:
    return [d for d in donations if receipts.receipt_of(d.id) is None]
