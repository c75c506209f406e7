"""What no machine will mend by itself, and staff must look at: for their first page, and for the mail that tells them."""

from dataclasses import dataclass, field, fields

from campaign.giving import (
    books_checks,
    fund_changes,
    heartbeats,
    mails,
    outbox,
    quarantine,
    reconciliations,
    returned_gifts,
    stripe_events,
    void_requests,
)
from campaign.giving.campaigns import Campaign
from campaign.reporting import totals


@dataclass(frozen=True, kw_only=True)
class Needs:
    """How many of each need a person; `findings` are those of the books' last check, `receipts` the reasons why receipts wait."""

    findings: int = 0
    paused_funds: int = 0
    quarantined: int = 0
    dead_events: int = 0
    differences: int = 0
    webhooks_silent: int = 0
    dead_mail: int = 0
    returned_mail: int = 0
    returns_due: int = 0
    voids: int = 0
    receipts: list[tuple[str, int]] = field(default_factory=list)

    @property
    def counted(self) -> dict[str, int]:
        """Those there are any of, by name."""
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "receipts"}
        waiting = sum(count for _, count in self.receipts)
        return {name: count for name, count in {**counts, "receipts": waiting}.items() if count}

    @property
    def is_urgent(self) -> bool:
        """Whether donors or the match suffer until somebody acts."""
        return bool(self.findings or self.paused_funds or self.dead_events)


def of_campaign(campaign: Campaign) -> Needs:
    """As of now."""
    last_check = books_checks.last()
    return Needs(
        findings=len(last_check.findings) if last_check else 0,
        paused_funds=len(fund_changes.paused(campaign.id)),
        quarantined=quarantine.count_undecided(),
        dead_events=stripe_events.dead_events(),
        differences=reconciliations.open_differences(),
        webhooks_silent=int(heartbeats.webhooks_silent() is not None),
        dead_mail=outbox.dead_items(),
        returned_mail=mails.count_open_bounces(),
        returns_due=returned_gifts.count_open(),
        voids=len(void_requests.open_requests()),
        receipts=totals.receipts_waiting(),
    )
