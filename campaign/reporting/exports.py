"""What staff export whole, by days: ledger entries, payouts and consents to news, each streamed from the database in flat memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Executable, func, select, text

from campaign.campaigns.campaigns import Campaign
from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.donations.news_agreements import NewsAgreement, agreements_of
from campaign.donations.news_withdrawals import NewsWithdrawal, first_withdrawals
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


@dataclass(frozen=True, kw_only=True)
class ExportedConsent:
    """A consent to news, with the agreement that is its proof if it did not come with the form of the donation, and what ended it."""

    donation: Donation
    agreement: NewsAgreement | None
    withdrawal: NewsWithdrawal | None


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


def consents_in(charity: Charity, period: Period) -> Iterator[ExportedConsent]:
    """Yield each donation with which the donor agreed to news in the period, with its proof and the withdrawal that ended it."""
    first, after = period.moments(ZoneInfo(charity.time_zone))
    query = select(Donation).where(Donation.campaign_id.in_(campaigns_of(charity)))
    query = query.where(Donation.news_consent_at >= first, Donation.news_consent_at < after).order_by(Donation.id)
    for rows in _parts(query):
        donations = [donation for (donation,) in rows]
        withdrawals, agreements = first_withdrawals(donations), agreements_of(donations)
        yield from (
            ExportedConsent(donation=donation, agreement=agreements.get(donation.id), withdrawal=withdrawals.get(donation.id))
            for donation in donations
        )


def _parts(query: Executable) -> Iterator[Sequence[Any]]:
    """The rows in parts, of which one at a time is in memory: the session refers to objects weakly."""
    db.session.execute(FIRST_ROWS_AT_ONCE)
    yield from db.session.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}).partitions()
