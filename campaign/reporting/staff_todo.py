"""What needs a person: counts for the staff dashboard and for the email to staff."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from campaign.campaigns.campaigns import Campaign, list_campaigns
from campaign.campaigns.charities import Charity, list_charities
from campaign.edges.services import services
from campaign.funders import call_documents, calls
from campaign.funders.calls import FundCall
from campaign.matching import fund_lifecycle
from campaign.matching.funds import Fund
from campaign.operations import heartbeats, integrity_checks, job_results
from campaign.operations.integrity_checks import IntegrityCheck
from campaign.operations.job_results import FailingJob
from campaign.payments import hold_watch
from campaign.receipts import charity_confirmations
from campaign.reporting import open_counts, totals

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
    once: overdue, due soon, or due later. `campaigns` says of which campaign a count is that belongs to one, by the slug. `failing` are the jobs
    by cause, `paused` the funds with since when and why, `dispute_until` is when the first dispute must be answered.
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
    seals: int = 0
    calls_overdue: int = 0
    calls_to_post: int = 0
    uncalled: int = 0
    messages: int = 0
    wall: int = 0
    receipts: list[totals.WaitingReceipts] = field(default_factory=list)
    campaigns: dict[str, str] = field(default_factory=dict)
    last_check: IntegrityCheck | None = None
    failing: list[list[FailingJob]] = field(default_factory=list)
    paused: list[tuple[Fund, datetime, str]] = field(default_factory=list)
    dispute_until: datetime | None = None
    overdue_calls: list[tuple[FundCall, Fund, int]] = field(default_factory=list)
    posted_calls: list[FundCall] = field(default_factory=list)

    @property
    def counted(self) -> dict[str, int]:
        """The counts that are not zero, by name."""
        counts = {f.name: count for f in fields(self) if isinstance(count := getattr(self, f.name), int)}
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
    is_live, of_service = services().settings.stripe_livemode, open_counts.of_service()
    ids = {charity.id for charity in charities}
    of = [campaign for campaign in list_campaigns() if campaign.charity_id in ids]
    last_check, failing = integrity_checks.last_check(), job_results.by_cause(job_results.list_failing())
    overdue = [found for charity in charities for found in calls.list_overdue(charity, today=charity.local(datetime.now(UTC)).date())]
    to_post = [call for charity in charities for call in call_documents.list_to_post(charity)]
    paused = [found for campaign in of for found in fund_lifecycle.list_paused(campaign.id)]
    return StaffTodo(
        findings=len(last_check.findings) if last_check else 0,
        unchecked=int(of_service.pop("unchecked_since") is not None),
        failing_jobs=len(failing),
        paused_funds=len(paused),
        unconfirmed=int(is_live and any(charity.confirmed_at is None for charity in charities)),
        unreachable=sum(len(charity_confirmations.unreal_contacts(charity)) for charity in charities) if is_live else 0,
        webhooks_silent=int(heartbeats.webhook_silence() is not None),
        receipts=[waiting for charity in charities for waiting in totals.receipts_waiting(charity)],
        last_check=last_check,
        failing=failing,
        paused=paused,
        calls_overdue=len(overdue),
        overdue_calls=overdue,
        calls_to_post=len(to_post),
        posted_calls=to_post,
        **of_service,
        **_sums(charities),
        **_on_hold(of),
    )


def _sums(charities: Sequence[Charity]) -> dict[str, Any]:
    """What is counted by charity."""
    sums = Counter[str]()
    for charity in charities:
        sums.update(open_counts.of_charity(charity, today=charity.local(datetime.now(UTC)).date()))
    return dict(sums)


def _on_hold(campaigns: Sequence[Campaign]) -> dict[str, Any]:
    """What unpaid checkouts hold, and of which campaign each number is."""
    percents = {campaign.slug: hold_watch.percent_on_hold(campaign.id) for campaign in campaigns}
    networks = {
        campaign.slug: max((network.checkouts for network in hold_watch.list_busy_networks(campaign.id)), default=0)
        for campaign in campaigns
    }
    percent, numbers = max(percents.values(), default=0), {"percent_on_hold": percents, "busy_networks": networks}
    return {
        "percent_on_hold": percent if percent > hold_watch.REPORTED_PERCENT else 0,
        "busy_networks": max(networks.values(), default=0),
        "campaigns": {name: max(counts, key=counts.__getitem__) for name, counts in numbers.items() if counts},
    }
