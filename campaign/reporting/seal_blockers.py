"""What is still open of a campaign, so that it cannot be sealed yet: gifts, Stripe, mail, funders' accounts, and the checks of the books.

The database itself refuses a seal while the campaign is open, a fund is active, match is held or a gift is under way (seal_campaign.sql).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from campaign.campaigns.campaigns import Campaign, CampaignStatus
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.funders.final_accounts import account_of
from campaign.funders.payment_requests import FunderPaymentRequest
from campaign.funders.payments import FunderPayment
from campaign.ledger.entries import LedgerEntry
from campaign.matching import funds
from campaign.matching.funds import Fund, FundStatus
from campaign.matching.pledge_requests import PledgeRequest
from campaign.matching.rematching import PendingRematch
from campaign.operations.integrity_checks import IntegrityCheck
from campaign.outbox import leases
from campaign.outbox.messages import OutboxMessage
from campaign.payments.alerts import StripeAlert
from campaign.payments.deposits import Deposit
from campaign.payments.offline_gifts import OfflineGift
from campaign.payments.quarantine import QuarantinedPayment
from campaign.payments.refunds import RefundRequest
from campaign.payments.reversals import CHANGING_STATUSES, Reversal
from campaign.receipts.gift_imports import GiftImport, GiftImportRow, RowState
from campaign.receipts.receipts import Receipt, ReceiptLine
from campaign.receipts.void_requests import VoidRequest
from campaign.reporting import campaign_summaries, stripe_clearing
from campaign.stripe_sync import reconciliations
from campaign.stripe_sync.balance_transactions import BalanceTransaction
from campaign.stripe_sync.inbox import StripeEvent
from campaign.stripe_sync.payouts import NOT_APPLICABLE, Payout
from campaign.stripe_sync.reconciliations import Reconciliation

# An inquiry of a bank that is closed became no dispute.
_CHANGING = CHANGING_STATUSES - {"warning_closed"}


class BlockerKind(StrEnum):
    """What is open. The value is its name in texts and on the page."""

    OPEN_CAMPAIGN = "open campaign"
    ACTIVE_FUNDS = "active funds"
    GIFTS_UNDER_WAY = "gifts under way"
    MONTHLY_GIFTS = "monthly gifts"
    QUARANTINED = "quarantined"
    REFUNDS = "refunds"
    DISPUTES = "disputes"
    REMATCHING = "rematching"
    IMPORTS = "imports"
    UNDEPOSITED = "undeposited"
    ALERTS = "alerts"
    EVENTS = "events"
    FEES = "fees"
    AT_STRIPE = "at stripe"
    MAIL = "mail"
    VOIDS = "voids"
    TWO_PEOPLE = "two people"
    FUNDER_ACCOUNT = "funder account"
    NOT_RECONCILED = "not reconciled"
    DIFFERENCES = "differences"
    NOT_CHECKED = "not checked"
    FINDINGS = "findings"


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """One thing that is open: how many there are, or how many cents are not where they belong. `fund` is the fund that it is about, if it is one."""

    kind: BlockerKind
    count: int = 0
    cents: int = 0
    fund: Fund | None = None


def blockers_of(campaign: Campaign) -> list[Blocker]:
    """What is open of the campaign, in the order in which staff would end it; empty when it may be sealed."""
    of_campaign, now = funds.funds_of(campaign.id), datetime.now(UTC)
    return [
        *_states(campaign, of_campaign, now),
        *_counted(campaign),
        *_at_stripe(campaign),
        *_accounts(of_campaign, now),
        *_checks(campaign),
    ]


def disputable_until(campaign: Campaign) -> datetime | None:
    """Until when the last card payment may still be disputed: most banks let donors do so for 120 days. None when there is no payment."""
    last = select(func.max(Donation.received_at)).where(Donation.campaign_id == campaign.id, Donation.payment_intent.is_not(None))
    return db.session.scalar(select(last.scalar_subquery() + func.make_interval(0, 0, 0, 120)))


def first_paid_at(campaign: Campaign) -> datetime | None:
    """When the first payment of the campaign at Stripe was made; None when there is none."""
    first = select(func.min(Donation.authorized_at)).where(Donation.campaign_id == campaign.id, Donation.payment_intent.is_not(None))
    return db.session.scalar(first)


def _states(campaign: Campaign, of_campaign: list[Fund], now: datetime) -> Iterator[Blocker]:
    if campaign.status is CampaignStatus.OPEN:
        yield Blocker(kind=BlockerKind.OPEN_CAMPAIGN, count=1)
    for fund in of_campaign:
        if fund.status is not FundStatus.ENDED and not fund.has_ended(now):
            yield Blocker(kind=BlockerKind.ACTIVE_FUNDS, count=1, fund=fund)
    if monthly := campaign_summaries.gifts_under_way(campaign).monthly:
        yield Blocker(kind=BlockerKind.MONTHLY_GIFTS, count=monthly)


def _counted(campaign: Campaign) -> Iterator[Blocker]:
    for kind, query in _QUERIES.items():
        if count := db.session.scalars(query(campaign)).one():
            yield Blocker(kind=kind, count=count)


def _paid_in(campaign: Campaign) -> Select[str | None]:
    """The payments of the campaign's donations that are in the books: others are in quarantine."""
    d = Donation
    return select(d.payment_intent).where(d.campaign_id == campaign.id, d.payment_intent.is_not(None), d.received_at.is_not(None))


def _of(campaign: Campaign, donation_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(Donation.id == donation_id, Donation.campaign_id == campaign.id)


def _gifts_under_way(campaign: Campaign) -> Select[int]:
    d = Donation
    is_open = (d.received_at.is_(None), d.ended_at.is_(None), d.quarantined_at.is_(None))
    return select(func.count()).where(d.campaign_id == campaign.id, *is_open)


def _quarantined(campaign: Campaign) -> Select[int]:
    q = QuarantinedPayment
    return select(func.count()).where(q.decision.is_(None), or_(q.donation_id.is_(None), _of(campaign, q.donation_id.expression)))


def _refunds(campaign: Campaign) -> Select[int]:
    r = RefundRequest
    return select(func.count()).where(r.ended_at.is_(None), _of(campaign, r.donation_id.expression))


def _disputes(campaign: Campaign) -> Select[int]:
    r = Reversal
    is_changing = or_(r.status.in_(_CHANGING), r.reversed_cents != r.posted_cents)
    return select(func.count()).where(is_changing, r.payment_intent.in_(_paid_in(campaign)))


def _rematching(campaign: Campaign) -> Select[int]:
    return select(func.count()).where(PendingRematch.campaign_id == campaign.id)


def _imports(campaign: Campaign) -> Select[int]:
    r, open_states = GiftImportRow, (RowState.WRONG, RowState.DOUBTFUL, RowState.READY, RowState.QUEUED, RowState.UNDOING)
    query = select(func.count()).select_from(r).join(GiftImport, GiftImport.id == r.import_id)
    return query.where(GiftImport.campaign_id == campaign.id, r.state.in_(open_states))


def _undeposited(campaign: Campaign) -> Select[int]:
    g = OfflineGift
    query = select(func.count()).select_from(g).join(Deposit, Deposit.id == g.deposit_id)
    return query.where(Deposit.closed_at.is_(None), _of(campaign, g.donation_id.expression))


def _alerts(campaign: Campaign) -> Select[int]:
    return select(func.count()).where(StripeAlert.closed_at.is_(None), _of(campaign, StripeAlert.donation_id.expression))


def _events(_: Campaign) -> Select[int]:
    """Which campaign an event is about is known when it is handled. What one reports that cannot be, the comparison with Stripe finds."""
    return select(func.count()).select_from(StripeEvent).where(leases.is_pending(StripeEvent))


def _fees(campaign: Campaign) -> Select[int]:
    t = BalanceTransaction
    return select(func.count()).where(t.posted_at.is_(None), t.payment_intent.in_(_paid_in(campaign)))


def _mail(campaign: Campaign) -> Select[int]:
    """Messages that wait to be sent: receipts among them. Those that wait for a donor's address, or could not be delivered, may wait for ever."""
    m = OutboxMessage
    to_funder = exists().where(FunderPayment.id == m.funder_payment_id, FunderPayment.fund_id == Fund.id, Fund.campaign_id == campaign.id)
    is_open = and_(leases.is_pending(m), m.missing_elements.is_(None))
    return select(func.count()).select_from(m).where(is_open, or_(_of(campaign, m.donation_id.expression), to_funder))


def _voids(campaign: Campaign) -> Select[int]:
    v = VoidRequest
    query = select(func.count()).select_from(v).join(Receipt, Receipt.id == v.receipt_id)
    of_campaign = exists().where(ReceiptLine.receipt_id == Receipt.id, _of(campaign, ReceiptLine.donation_id.expression))
    return query.where(v.decision.is_(None), of_campaign)


def _two_people(campaign: Campaign) -> Select[int]:
    r, p = FunderPaymentRequest, PledgeRequest
    of_fund = and_(FunderPayment.id == r.funder_payment_id, FunderPayment.fund_id == Fund.id, Fund.campaign_id == campaign.id)
    payments = select(func.count()).where(r.decision.is_(None), exists().where(of_fund)).scalar_subquery()
    of_ended = exists().where(Fund.id == p.fund_id, Fund.campaign_id == campaign.id, Fund.ended_at.is_(None))
    pledges = select(func.count()).where(p.decision.is_(None), of_ended).scalar_subquery()
    return select(payments + pledges)


_QUERIES: dict[BlockerKind, Callable[[Campaign], Select[int]]] = {
    BlockerKind.GIFTS_UNDER_WAY: _gifts_under_way,
    BlockerKind.QUARANTINED: _quarantined,
    BlockerKind.REFUNDS: _refunds,
    BlockerKind.DISPUTES: _disputes,
    BlockerKind.REMATCHING: _rematching,
    BlockerKind.IMPORTS: _imports,
    BlockerKind.UNDEPOSITED: _undeposited,
    BlockerKind.ALERTS: _alerts,
    BlockerKind.EVENTS: _events,
    BlockerKind.FEES: _fees,
    BlockerKind.MAIL: _mail,
    BlockerKind.VOIDS: _voids,
    BlockerKind.TWO_PEOPLE: _two_people,
}


def _at_stripe(campaign: Campaign) -> Iterator[Blocker]:
    """What payouts bring by themselves. Less than nothing, or what is paid out by hand, is evened by nothing that the books take."""
    cents = stripe_clearing.at_stripe_cents(campaign)
    by_hand = select(Payout.id).where(Payout.reconciliation_status == NOT_APPLICABLE).limit(1)
    if cents > 0 and db.session.scalar(by_hand) is None:
        yield Blocker(kind=BlockerKind.AT_STRIPE, cents=cents)


def _accounts(of_campaign: list[Fund], now: datetime) -> Iterator[Blocker]:
    for fund in of_campaign:
        account = account_of(fund, now=now)
        if fund.has_ended(now) and not account.is_even:
            unequal = account.not_called_cents + account.to_credit_cents + account.open_cents + account.surplus_cents
            yield Blocker(kind=BlockerKind.FUNDER_ACCOUNT, cents=unequal, fund=fund)


def _checks(campaign: Campaign) -> Iterator[Blocker]:
    """All of the campaign is compared with Stripe, and the books are checked, after the last entry, and nothing is open."""
    of_campaign = select(func.max(LedgerEntry.at)).where(LedgerEntry.campaign_id == campaign.id)
    since, posted_at = first_paid_at(campaign), db.session.scalar(of_campaign.where(LedgerEntry.fund_id.is_(None)))
    if since and posted_at:
        r = Reconciliation
        whole = select(r.id).where(r.ended_at.is_not(None), r.started_at >= posted_at, r.since <= since).limit(1)
        if open_differences := reconciliations.count_open():
            yield Blocker(kind=BlockerKind.DIFFERENCES, count=open_differences)
        elif db.session.scalar(whole) is None:
            yield Blocker(kind=BlockerKind.NOT_RECONCILED)
    check = db.session.scalar(select(IntegrityCheck).order_by(IntegrityCheck.id.desc()).limit(1))
    last = db.session.scalar(of_campaign)
    if check and check.findings:
        yield Blocker(kind=BlockerKind.FINDINGS, count=len(check.findings))
    elif check is None or (last and check.at < last):
        yield Blocker(kind=BlockerKind.NOT_CHECKED)
