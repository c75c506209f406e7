"""The list of donors for staff: everybody with a gift that was received, the latest donor first, with sums of their gifts.

Donors who were merged into another one are not in it: their gifts are the other one's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, any_, exists, false, func, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from campaign.campaigns.campaigns import Campaign
from campaign.donations import news_withdrawals
from campaign.donations.donations import Donation
from campaign.donations.donors import ANNUAL, PER_DONATION, Donor, is_current
from campaign.edges.db import db
from campaign.matching.holds import DonationMatch
from campaign.recurring.recurring_gifts import RecurringGift
from campaign.reporting import keyset_pages, search_terms
from campaign.reporting.exports import FIRST_ROWS_AT_ONCE
from campaign.reporting.keyset_pages import FIRST_PAGE, KeysetPage, Position
from campaign.rules.fiscal_years import Period

PAGE_SIZE = 50
ROWS_AT_ONCE = 500


class Trait(StrEnum):
    """What donors can be filtered by beside their gifts."""

    ANNUAL = ANNUAL
    PER_DONATION = PER_DONATION
    WITHOUT_EMAIL = "without_email"
    MONTHLY = "monthly"
    NEWS = "news"


@dataclass(frozen=True, kw_only=True)
class DonorFilters:
    """Who is listed; an empty value filters nothing. With days, which are in the charity’s zone and inclusive, sums are those of these days."""

    q: str = ""
    language: str = "en"
    trait: Trait | None = None
    charity_id: int = 0
    first_on: date | None = None
    last_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class ListedDonor:
    """A donor, their latest received gift, and the number and sums in cents of the gifts that the days of the filter have.

    `net_cents` is without what was returned. `is_monthly` says that a monthly gift goes on.
    """

    donor: Donor
    latest: Donation
    gifts: int
    gross_cents: int
    net_cents: int
    matched_cents: int
    first_at: datetime
    last_at: datetime
    is_monthly: bool


def list_page(filters: DonorFilters, zone: ZoneInfo, at: Position = FIRST_PAGE) -> KeysetPage[ListedDonor]:
    """One page of the list."""
    page = keyset_pages.page_of(_donors(filters, zone), Donor.id, lambda donor: donor.id, at, size=PAGE_SIZE)
    return page.with_rows(list(_listed(page.rows, filters, zone)))


def whole_list(filters: DonorFilters, zone: ZoneInfo) -> Iterator[ListedDonor]:
    """Yield every row, streamed from the database in one snapshot."""
    db.session.execute(FIRST_ROWS_AT_ONCE)
    query = _donors(filters, zone).order_by(Donor.id.desc())
    for donors in db.session.scalars(query, execution_options={"yield_per": ROWS_AT_ONCE}).partitions():
        yield from _listed(donors, filters, zone)


def _donors(filters: DonorFilters, zone: ZoneInfo) -> Select[Donor]:
    gift = select(true()).where(Donation.donor_id == Donor.id, *_are_received(filters, zone))
    # Nearly every donor has a gift, so the donors are walked, newest first, and each is asked; gifts of some days may be found by their moments.
    has_gift = exists(gift) if filters.first_on or filters.last_on else gift.limit(1).correlate(Donor).scalar_subquery()
    query = select(Donor).where(is_current(), has_gift)
    if filters.trait:
        query = query.where(_has_trait(filters.trait))
    return query.where(_is_found(filters)) if filters.q else query


def _are_received(filters: DonorFilters, zone: ZoneInfo) -> Iterator[ColumnElement[bool]]:
    moment = Donation.received_at
    yield moment.is_not(None)
    if filters.charity_id:
        yield Donation.campaign_id.in_(select(Campaign.id).where(Campaign.charity_id == filters.charity_id))
    if filters.first_on:
        yield moment >= Period(first_on=filters.first_on, last_on=filters.first_on).moments(zone)[0]
    if filters.last_on:
        yield moment < Period(first_on=filters.last_on, last_on=filters.last_on).moments(zone)[1]


def _has_trait(trait: Trait) -> ColumnElement[bool]:
    match trait:
        case Trait.ANNUAL | Trait.PER_DONATION:
            return Donor.receipt_preference == trait.value
        case Trait.WITHOUT_EMAIL:
            return Donor.email.is_(None)
        case Trait.MONTHLY:
            return Donor.id.in_(_monthly_donors())
        case Trait.NEWS:
            return exists().where(Donation.donor_id == Donor.id, news_withdrawals.is_consent_in_force())


def _monthly_donors() -> Select[int]:
    return select(Donation.donor_id).join(RecurringGift, RecurringGift.donation_id == Donation.id).where(RecurringGift.ended_at.is_(None))


def _is_found(filters: DonorFilters) -> ColumnElement[bool]:
    """By their own address, or by a gift with these words, this id or this receipt. The ids come first, so that few found are read by them."""
    condition = search_terms.is_of_person(filters.q, filters.language)
    own = Donor.email == filters.q.casefold()
    if condition is None:
        return own if "@" in filters.q else false()
    found = select(Donation.donor_id).where(condition).distinct()
    return or_(own, Donor.id == any_(func.array(found.scalar_subquery())))


def _listed(donors: Sequence[Donor], filters: DonorFilters, zone: ZoneInfo) -> Iterator[ListedDonor]:
    ids = [donor.id for donor in donors]
    d, conditions = Donation, [Donation.donor_id.in_(ids), *_are_received(filters, zone)]
    matched = select(func.sum(DonationMatch.matched_cents)).where(DonationMatch.donation_id == d.id).correlate(d).scalar_subquery()
    sums = [func.sum(column) for column in (d.amount_cents, d.net_cents, matched)]
    query = select(d.donor_id, func.count(), *sums, func.min(d.received_at), func.max(d.received_at))
    rows = {row[0]: row for row in db.session.execute(query.where(*conditions).group_by(d.donor_id))}
    latest, monthly = latest_gifts(ids), set(db.session.scalars(_monthly_donors().where(Donation.donor_id.in_(ids))))
    for donor in donors:
        _, count, gross, net, match, first_at, last_at = rows[donor.id]
        assert first_at and last_at
        yield ListedDonor(
            donor=donor,
            latest=latest[donor.id],
            gifts=count,
            gross_cents=int(gross),
            net_cents=int(net),
            matched_cents=int(match or 0),
            first_at=first_at,
            last_at=last_at,
            is_monthly=donor.id in monthly,
        )


def latest_gifts(donor_ids: Sequence[int]) -> dict[int, Donation]:
    """The latest gift of each of these donors, a received one if they have any: it says what they are called now."""
    d = Donation
    order = (d.donor_id, d.received_at.desc().nulls_last(), d.id.desc())
    found = select(d).ext(distinct_on(d.donor_id)).where(d.donor_id.in_(donor_ids)).order_by(*order)
    return {gift.donor_id: gift for gift in db.session.scalars(found)}
