"""What needs a person: counts for the staff dashboard and for the email to staff."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

from campaign.campaigns.campaigns import Campaign, campaigns_of
from campaign.campaigns.charities import Charity, list_charities
from campaign.donations import shared_messages
from campaign.edges.services import services
from campaign.funders import payment_requests
from campaign.matching import fund_lifecycle, pledge_requests
from campaign.operations import heartbeats, integrity_checks, job_results
from campaign.outbox import deliveries, messages
from campaign.payments import alerts, card_testing, disputes, hold_watch, quarantine
from campaign.privacy import incidents, privacy_requests
from campaign.receipts import charity_confirmations, information_returns, posted_receipts, void_requests
from campaign.reporting import totals
from campaign.stripe_sync import inbox, reconciliations

# Of the whole service, whichever charity is asked about.
SHARED = frozenset(
    {
        *("findings", "unchecked", "failing_jobs", "card_testing", "quarantined", "dead_events", "differences", "disputes", "alerts"),
        *("webhooks_silent", "dead_mail", "returned_mail"),
    }
)


@dataclass(frozen=True, kw_only=True)
class StaffTodo:
    """How many items of each kind need staff. `findings` are those of the last integrity check, `receipts` the reasons why they wait.

    `percent_on_hold` is the part of a fund that unpaid gifts hold, if staff should know; `busy_networks` is the number of unpaid checkouts
    of the busiest network; `card_testing` is 1 while the guard against card testing is on, `unconfirmed` while the charity's details are not
    confirmed and real money moves, `unreachable` is how many of its addresses for donors are not real meanwhile. Information returns are counted
    once: overdue, due soon, or due later. `campaigns` says of which campaign a count is that belongs to one, by the slug.
    """

    findings: int = 0
    unchecked: int = 0
    failing_jobs: int = 0
    paused_funds: int = 0
    percent_on_hold: int = 0
    busy_networks: int = 0
    card_testing: int = 0
    unconfirmed: int = 0
    unreachable: int = 0
    quarantined: int = 0
    dead_events: int = 0
    differences: int = 0
    disputes: int = 0
    alerts: int = 0
    webhooks_silent: int = 0
    dead_mail: int = 0
    returned_mail: int = 0
    returns_overdue: int = 0
    returns_due_soon: int = 0
    returns_due: int = 0
    to_post: int = 0
    privacy_overdue: int = 0
    privacy_due_soon: int = 0
    incidents: int = 0
    voids: int = 0
    pledges: int = 0
    payments: int = 0
    messages: int = 0
    receipts: list[totals.WaitingReceipts] = field(default_factory=list)
    campaigns: dict[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> dict[str, int]:
        """The counts that are not zero, by name."""
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"receipts", "campaigns"}}
        waiting = sum(waiting.count for waiting in self.receipts)
        return {name: count for name, count in {**counts, "receipts": waiting}.items() if count}

    @property
    def is_urgent(self) -> bool:
        """Whether donations or matching are affected until somebody acts."""
        return bool(self.findings or self.failing_jobs or self.paused_funds or self.dead_events or self.has_suspicious_holds)

    @property
    def has_suspicious_holds(self) -> bool:
        """Whether somebody may be holding the match without meaning to pay."""
        return bool(self.percent_on_hold or self.busy_networks)


def todo_of(campaign: Campaign) -> StaffTodo:
    """Count what needs staff of the campaign's charity now, in all its campaigns."""
    return _count([campaign.charity])


def todo_of_all() -> StaffTodo:
    """Count what needs staff now, of all charities."""
    return _count(list_charities())


def _count(charities: Sequence[Charity]) -> StaffTodo:
    last_check, is_live = integrity_checks.last_check(), services().settings.stripe_livemode
    of = [campaign for charity in charities for campaign in campaigns_of(charity)]
    today = {charity.id: charity.local(datetime.now(UTC)).date() for charity in charities}
    returns = [information_returns.count_by_urgency(charity, today[charity.id]) for charity in charities]
    requests = [privacy_requests.count_by_urgency(charity.id, today[charity.id]) for charity in charities]
    percents = {campaign.slug: hold_watch.percent_on_hold(campaign.id) for campaign in of}
    networks = {
        campaign.slug: max((network.checkouts for network in hold_watch.list_busy_networks(campaign.id)), default=0) for campaign in of
    }
    percent = max(percents.values(), default=0)
    return StaffTodo(
        findings=len(last_check.findings) if last_check else 0,
        unchecked=int(integrity_checks.silent_since() is not None),
        failing_jobs=len(job_results.by_cause(job_results.list_failing())),
        paused_funds=sum(len(fund_lifecycle.list_paused(campaign.id)) for campaign in of),
        percent_on_hold=percent if percent > hold_watch.REPORTED_PERCENT else 0,
        busy_networks=max(networks.values(), default=0),
        card_testing=int(card_testing.current_guard() is not None),
        unconfirmed=int(is_live and any(charity.confirmed_at is None for charity in charities)),
        unreachable=sum(len(charity_confirmations.unreal_contacts(charity)) for charity in charities) if is_live else 0,
        quarantined=quarantine.count_pending(),
        dead_events=inbox.count_dead(),
        differences=reconciliations.count_open(),
        disputes=disputes.count_unanswered(),
        alerts=alerts.count_open(),
        webhooks_silent=int(heartbeats.webhook_silence() is not None),
        dead_mail=messages.count_dead(),
        returned_mail=deliveries.count_open_bounces(),
        returns_overdue=sum(one.overdue for one in returns),
        returns_due_soon=sum(one.due_soon for one in returns),
        returns_due=sum(one.due_later for one in returns),
        privacy_overdue=sum(one.overdue for one in requests),
        privacy_due_soon=sum(one.due_soon for one in requests),
        incidents=sum(incidents.count_unreported(charity.id) for charity in charities),
        to_post=sum(posted_receipts.count_to_post(charity) for charity in charities),
        voids=sum(len(void_requests.list_open(charity)) for charity in charities),
        pledges=sum(len(pledge_requests.list_open(campaign.id)) for campaign in of),
        payments=sum(len(payment_requests.list_open(campaign.id)) for campaign in of),
        messages=sum(shared_messages.count_waiting(campaign) for campaign in of),
        receipts=[waiting for charity in charities for waiting in totals.receipts_waiting(charity)],
        campaigns={
            name: max(counts, key=counts.__getitem__)
            for name, counts in (("percent_on_hold", percents), ("busy_networks", networks))
            if counts
        },
    )
