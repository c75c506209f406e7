"""What lies at Stripe and what waits to be taken to the bank, by the books, and that the journal ties to both. It only reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, select

from campaign.campaigns.campaigns import CampaignTotals
from campaign.campaigns.charities import Charity
from campaign.edges.db import db
from campaign.ledger.entries import LedgerEntry
from campaign.ledger.moves import Move
from campaign.payments import deposits
from campaign.reporting.gifts_received import campaigns_of
from campaign.reporting.journal import MoveSum, add_up, change_of, sums_of
from campaign.reporting.journal_days import ALWAYS, dated_entries, entries_of_undeposited
from campaign.reporting.journal_postings import MoneyMove
from campaign.rules.fiscal_years import Period
from campaign.rules.journal import Purpose


@dataclass(frozen=True, kw_only=True)
class AccountBalances:
    """An account by the books at the beginning and the end of a period, and what the lines of the period change it by, in cents.

    The closing is the balance of now less all lines after the period. `difference_cents` is zero unless the journal leaves something out.
    """

    change_cents: int
    closing_cents: int
    difference_cents: int

    @property
    def opening_cents(self) -> int:
        """The balance at the beginning."""
        return self.closing_cents - self.change_cents


def stripe_balance(charity: Charity) -> int:
    """What lies at Stripe for the charity now, by the running totals of its campaigns and its payouts, in cents."""
    e, t = LedgerEntry, CampaignTotals
    left = select(func.coalesce(func.sum(t.donated_cents - t.offline_cents + t.covered_fee_cents - t.fee_cents), 0))
    signed = case((e.kind == Move.PAYOUT, e.cents), else_=-e.cents)
    sent = select(func.coalesce(func.sum(signed), 0)).where(e.kind.in_([Move.PAYOUT, Move.PAYOUT_REVERSAL]))
    campaigns = campaigns_of(charity)
    return int(
        db.session.scalars(left.where(t.campaign_id.in_(campaigns))).one()
        - db.session.scalars(sent.where(e.campaign_id.in_(campaigns))).one()
    )


def stripe_balances(charity: Charity, period: Period, sums: Mapping[MoneyMove, MoveSum]) -> AccountBalances:
    """Tie the sums of the period to the balance at Stripe.

    The difference is what entries that were posted since the period began move the balance by, less what their lines do. The nightly check reads
    older ones.
    """
    since, _ = period.moments(ZoneInfo(charity.time_zone))
    return AccountBalances(
        change_cents=change_of(Purpose.STRIPE, sums),
        closing_cents=stripe_balance(charity) - change_of(Purpose.STRIPE, sums_of(charity, _after(period))),
        difference_cents=_posted_since(charity, since)
        - change_of(Purpose.STRIPE, add_up(dated_entries(charity, ALWAYS, posted_since=since))),
    )


def undeposited_balances(charity: Charity, period: Period, sums: Mapping[MoneyMove, MoveSum]) -> AccountBalances:
    """Tie the sums of the period to the cheques and the cash in the open deposit, which all lines together must come to."""
    now, account = deposits.undeposited_cents(charity.id), Purpose.UNDEPOSITED
    return AccountBalances(
        change_cents=change_of(account, sums),
        closing_cents=now - change_of(account, add_up(entries_of_undeposited(charity, _after(period)))),
        difference_cents=now - change_of(account, add_up(entries_of_undeposited(charity, ALWAYS))),
    )


def _after(period: Period) -> Period:
    return Period(first_on=period.last_on + timedelta(days=1), last_on=ALWAYS.last_on)


def _posted_since(charity: Charity, since: datetime) -> int:
    """What entries that were posted since this moment move the balance at Stripe by, by their accounts alone."""
    e = LedgerEntry
    signed = case((e.to_account == "stripe", e.cents), (e.from_account == "stripe", -e.cents), else_=0)
    query = select(func.coalesce(func.sum(signed), 0)).where(e.campaign_id.in_(campaigns_of(charity)), e.at >= since)
    return int(db.session.scalars(query).one())
