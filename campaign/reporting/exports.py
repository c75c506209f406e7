"""What staff export whole, by days: donors, ledger entries, payouts and consents to news, each streamed from the database in flat memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Executable, Select, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.donations.donors import Donor
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.matching.funds import Fund
from campaign.reporting.gifts_received import campaigns_of
from campaign.rules.fiscal_years import Period
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.payouts import Payout

ROWS_AT_ONCE = 1000
# Until the end of the transaction, plans of streamed queries are those that give their first rows soonest.
FIRST_ROWS_AT_ONCE = text("SET LOCAL cursor_tuple_fraction = 0.0001")


@dataclass(frozen=True, kw_only=True)
class ExportedDonor:
    """A donor with a gift in the period: the name and address of the latest of all their gifts, and sums in cents of those in the period."""

    donor: Donor
    latest: Donation
    gifts: int
    gross_cents: int
    net_cents: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class ExportedEntry:
    """A ledger entry, with the slugs of its campaign and fund and the public id of its donation, empty where it has none."""

    entry: LedgerEntry
    campaign: str
    fund: str
    donation: str


@dataclass(frozen=True, kw_only=True)
class ExportedPayout:
    """A payout with the balance transactions that it paid out, their sum before fees and their fees in cents."""

    payout: Payout
    transactions: int
    gross_cents: int
    fee_cents: int


def donors_with_gifts(charity: Charity, period: Period) -> Iterator[ExportedDonor]:
    """Yield each donor with a gift that was received in the period. Donors are read in parts, each with the gifts of these donors alone."""
    last_id = 0
    while donors := list(db.session.scalars(select(Donor).where(Donor.id > last_id).order_by(Donor.id).limit(ROWS_AT_ONCE))):
        last_id, by_id = donors[-1].id, {donor.id: donor for donor in donors}
        sums = db.session.execute(_sums_of_donors(charity, period, list(by_id))).all()
        latest_ids = db.session.scalars(_latest_of_donors([row.donor_id for row in sums])).all()
        latest = {gift.donor_id: gift for gift in db.session.scalars(select(Donation).where(Donation.id.in_(latest_ids)))}
        for row in sums:
            yield ExportedDonor(
                donor=by_id[row.donor_id],
                latest=latest[row.donor_id],
                gifts=row.gifts,
                gross_cents=int(row.gross),
                net_cents=int(row.net),
                first_at=row.first_at,
                last_at=row.last_at,
            )


def _sums_of_donors(charity: Charity, period: Period, donor_ids: list[int]) -> Select[Any]:
    d = Donation
    # By their donors: an index on the moment would find all gifts of the period for each part.
    columns = (d.donor_id, d.campaign_id, d.amount_cents, d.net_cents, d.received_at)
    gifts = select(*columns).where(d.donor_id.in_(donor_ids), d.received_at.is_not(None)).cte("gifts")
    of_donor = gifts.prefix_with("MATERIALIZED", dialect="postgresql").c
    sums = (
        func.count().label("gifts"),
        func.sum(of_donor.amount_cents).label("gross"),
        func.sum(of_donor.net_cents).label("net"),
        func.min(of_donor.received_at).label("first_at"),
        func.max(of_donor.received_at).label("last_at"),
    )
    first, after = period.moments(ZoneInfo(charity.time_zone))
    query = select(of_donor.donor_id, *sums).where(of_donor.campaign_id.in_(campaigns_of(charity)))
    query = query.where(of_donor.received_at >= first, of_donor.received_at < after)
    return query.group_by(of_donor.donor_id).order_by(of_donor.donor_id)


def _latest_of_donors(donor_ids: list[int]) -> Select[int]:
    d = Donation
    gifts = select(d.id).where(d.donor_id.in_(donor_ids), d.received_at.is_not(None))
    return gifts.ext(distinct_on(d.donor_id)).order_by(d.donor_id, d.received_at.desc(), d.id.desc())


def entries_in(charity: Charity, period: Period) -> Iterator[ExportedEntry]:
    """Yield each ledger entry that was posted in the period."""
    first, after = period.moments(ZoneInfo(charity.time_zone))
    e = LedgerEntry
    query = (
        select(e, Campaign.slug.label("campaign"), Fund.slug.label("fund"), Donation.public_id)
        .join(Campaign, Campaign.id == e.campaign_id)
        .outerjoin(Fund, Fund.id == e.fund_id)
        .outerjoin(Donation, Donation.id == e.donation_id)
        .where(e.campaign_id.in_(campaigns_of(charity)), e.at >= first, e.at < after)
        .order_by(e.id)
    )
    for rows in _parts(query):
        for entry, campaign, fund, donation in rows:
            yield ExportedEntry(entry=entry, campaign=campaign, fund=fund or "", donation=donation or "")


def payouts_in(charity: Charity, period: Period) -> Iterator[ExportedPayout]:
    """Yield each payout that arrives in the period."""
    first, after = period.moments(ZoneInfo(charity.time_zone))
    t = BalanceTransaction
    paid_out = (
        select(
            func.count().label("transactions"),
            func.coalesce(func.sum(t.cents), 0).label("gross"),
            func.coalesce(func.sum(t.fee_cents), 0).label("fees"),
        )
        .where(t.payout == Payout.stripe_id, t.type != "payout")
        .lateral()
    )
    query = select(Payout, paid_out).join(paid_out, paid_out.c.transactions >= 0)
    query = query.where(Payout.arrives_at >= first, Payout.arrives_at < after).order_by(Payout.arrives_at, Payout.id)
    for rows in _parts(query):
        for payout, transactions, gross, fees in rows:
            yield ExportedPayout(payout=payout, transactions=transactions, gross_cents=int(gross), fee_cents=int(fees))


def consents_in(charity: Charity, period: Period) -> Iterator[Donation]:
    """Yield each donation with which the donor agreed to news in the period."""
    first, after = period.moments(ZoneInfo(charity.time_zone))
    query = select(Donation).where(Donation.campaign_id.in_(campaigns_of(charity)))
    query = query.where(Donation.news_consent_at >= first, Donation.news_consent_at < after).order_by(Donation.id)
    for rows in _parts(query):
        yield from (donation for (donation,) in rows)


def _parts(query: Executable) -> Iterator[Sequence[Any]]:
    """The rows in parts, of which one at a time is in memory: the session refers to objects weakly."""
    db.session.execute(FIRST_ROWS_AT_ONCE)
    yield from db.session.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}).partitions()
