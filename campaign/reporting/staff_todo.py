"""What needs a person: counts for the staff dashboard and for the email to staff."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

from campaign.campaigns.campaigns import Campaign
from campaign.edges.services import services
from campaign.funders import payment_requests
from campaign.matching import fund_lifecycle, pledge_requests
from campaign.operations import heartbeats, integrity_checks, job_results
from campaign.outbox import deliveries, messages
from campaign.payments import alerts, card_testing, disputes, hold_watch, quarantine
from campaign.privacy import privacy_requests
from campaign.receipts import charity_confirmations, information_returns, void_requests
from campaign.reporting import totals
from campaign.stripe_sync import inbox, reconciliations


@dataclass(frozen=True, kw_only=True)
class StaffTodo:
    """How many items of each kind need staff. `findings` are those of the last integrity check, `receipts` the reasons why they wait.

    `percent_on_hold` is the part of a fund that unpaid gifts hold, if staff should know; `busy_networks` is the number of unpaid checkouts
    of the busiest network; `card_testing` is 1 while the guard against card testing is on, `unconfirmed` while the charity's details are not
    confirmed and real money moves, `unreachable` is how many of its addresses for donors are not real meanwhile. Information returns are counted
    once: overdue, due soon, or due later.
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
    privacy_overdue: int = 0
    privacy_due_soon: int = 0
    voids: int = 0
    pledges: int = 0
    payments: int = 0
    receipts: list[totals.WaitingReceipts] = field(default_factory=list)

    @property
    def counted(self) -> dict[str, int]:
        """The counts that are not zero, by name."""
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "receipts"}
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
    """Count what needs staff now."""
    last_check = integrity_checks.last_check()
    today = campaign.charity.local(datetime.now(UTC)).date()
    returns, requests = information_returns.count_by_urgency(today), privacy_requests.count_by_urgency(campaign.charity_id, today)
    percent, networks = hold_watch.percent_on_hold(campaign.id), hold_watch.list_busy_networks(campaign.id)
    return StaffTodo(
        findings=len(last_check.findings) if last_check else 0,
        unchecked=int(integrity_checks.silent_since() is not None),
        failing_jobs=len(job_results.by_cause(job_results.list_failing())),
        paused_funds=len(fund_lifecycle.list_paused(campaign.id)),
        percent_on_hold=percent if percent > hold_watch.REPORTED_PERCENT else 0,
        busy_networks=max((network.checkouts for network in networks), default=0),
        card_testing=int(card_testing.current_guard() is not None),
        unconfirmed=int(services().settings.stripe_livemode and campaign.charity.confirmed_at is None),
        unreachable=len(charity_confirmations.unreal_contacts(campaign.charity)) if services().settings.stripe_livemode else 0,
        quarantined=quarantine.count_pending(),
        dead_events=inbox.count_dead(),
        differences=reconciliations.count_open(),
        disputes=disputes.count_unanswered(),
        alerts=alerts.count_open(),
        webhooks_silent=int(heartbeats.webhook_silence() is not None),
        dead_mail=messages.count_dead(),
        returned_mail=deliveries.count_open_bounces(),
        returns_overdue=returns.overdue,
        returns_due_soon=returns.due_soon,
        returns_due=returns.due_later,
        privacy_overdue=requests.overdue,
        privacy_due_soon=requests.due_soon,
        voids=len(void_requests.list_open()),
        pledges=len(pledge_requests.list_open(campaign.id)),
        payments=len(payment_requests.list_open(campaign.id)),
        receipts=totals.receipts_waiting(),
    )
