"""What staff check before they close a month: each with what is found, and whether a month may be closed without saying why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.funders import payment_requests
from campaign.operations import integrity_checks
from campaign.payments import disputes, quarantine
from campaign.reporting import months, totals
from campaign.reporting.gifts_received import campaigns_of
from campaign.reporting.months import MonthFigures
from campaign.rules.fiscal_years import Period
from campaign.stripe_sync import cursors, inbox, reconciliations
from campaign.stripe_sync.cursors import StripeList
from campaign.stripe_sync.payouts import NOT_APPLICABLE, Payout
from campaign.stripe_sync.reconciliations import Reconciliation


class MonthCheck(StrEnum):
    """What is checked."""

    STRIPE_READ = "stripe_read"
    RECONCILED = "reconciled"
    DIFFERENCES = "differences"
    BOOKS = "books"
    TIES = "ties"
    PAYOUTS_TIED = "payouts_tied"
    PAYOUTS_BACK = "payouts_back"
    PAYOUTS_BY_HAND = "payouts_by_hand"
    QUARANTINE = "quarantine"
    DISPUTES = "disputes"
    DEBITS = "debits"
    EVENTS = "events"
    RECEIPTS = "receipts"
    PAYMENT_REQUESTS = "payment_requests"


# A month is closed with one of these open only with a reason.
STOPPING = frozenset(
    {
        *(MonthCheck.STRIPE_READ, MonthCheck.RECONCILED, MonthCheck.DIFFERENCES, MonthCheck.BOOKS),
        *(MonthCheck.TIES, MonthCheck.PAYOUTS_TIED),
    }
)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One check; `count` is what is open of it."""

    check: MonthCheck
    count: int

    @property
    def stops(self) -> bool:
        """Whether the month is closed only with a reason."""
        return bool(self.count) and self.check in STOPPING


def check_month(charity: Charity, month: Period, figures: MonthFigures) -> list[Checked]:
    """All checks of the month, as things are now."""
    return [Checked(check=check, count=count) for check, count in _counts(charity, month, figures)]


def _counts(charity: Charity, month: Period, figures: MonthFigures) -> Iterator[tuple[MonthCheck, int]]:
    _, after = month.moments(ZoneInfo(charity.time_zone))
    payouts = months.payouts_of(charity, month)
    last_check = integrity_checks.last_check()
    yield MonthCheck.STRIPE_READ, int(not _is_read_until(after))
    yield MonthCheck.RECONCILED, int(not _is_reconciled_since(after))
    yield MonthCheck.DIFFERENCES, reconciliations.count_open()
    yield MonthCheck.BOOKS, len(last_check.findings) if last_check else 1
    yield MonthCheck.TIES, int(any(account.difference_cents for account in (figures.stripe, figures.undeposited)))
    yield MonthCheck.PAYOUTS_TIED, sum(not _is_by_hand(p) and p.transactions_read_at is None for p in payouts)
    yield MonthCheck.PAYOUTS_BACK, sum(p.status in ("failed", "canceled") for p in payouts)
    yield MonthCheck.PAYOUTS_BY_HAND, sum(_is_by_hand(p) for p in payouts)
    yield MonthCheck.QUARANTINE, quarantine.count_pending()
    yield MonthCheck.DISPUTES, disputes.count_unanswered()
    yield MonthCheck.DEBITS, count_debits_under_way(charity)
    yield MonthCheck.EVENTS, inbox.count_dead()
    yield MonthCheck.RECEIPTS, sum(waiting.count for waiting in totals.receipts_waiting(charity))
    yield MonthCheck.PAYMENT_REQUESTS, sum(len(payment_requests.list_open(campaign_id)) for campaign_id in _campaign_ids(charity))


def _is_by_hand(payout: Payout) -> bool:
    return payout.reconciliation_status == NOT_APPLICABLE


def _is_read_until(moment: datetime) -> bool:
    """Whether Stripe's list of what moved the balance is read to this moment."""
    read_until = cursors.read_until(StripeList.BALANCE, livemode=services().settings.stripe_livemode)
    return read_until is not None and read_until >= moment


def _is_reconciled_since(moment: datetime) -> bool:
    """Whether a comparison with Stripe that was started after this moment has ended."""
    r = Reconciliation
    return db.session.scalar(select(r.id).where(r.started_at >= moment, r.ended_at.is_not(None)).limit(1)) is not None


def count_debits_under_way(charity: Charity) -> int:
    """How many bank debits are not received yet, and may still be."""
    d = Donation
    is_open = d.received_at.is_(None) & d.ended_at.is_(None) & d.quarantined_at.is_(None) & d.processing_at.is_not(None)
    return db.session.scalar(select(func.count()).where(d.campaign_id.in_(campaigns_of(charity)), is_open)) or 0


def _campaign_ids(charity: Charity) -> list[int]:
    return list(db.session.scalars(campaigns_of(charity)))
