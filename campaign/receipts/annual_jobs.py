"""Runs that issue annual receipts. Each receipt is a transaction of its own, so that a run can be interrupted at any point and resumed."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from campaign.campaigns.charities import Charity
from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.edges.services import services
from campaign.outbox import messages, waiting_receipts
from campaign.outbox.message_kinds import MessageKind
from campaign.outbox.messages import NewMessage
from campaign.receipts import annual, completeness
from campaign.receipts.annual import AnnualGroup
from campaign.receipts.receipts import ReceiptIncomplete
from campaign.receipts.render_jobs import issue_context

log = structlog.get_logger()

BATCH_SIZE = 100


@dataclass(kw_only=True)
class AnnualRun:
    """How many receipts were issued, and how many were not because an element is missing."""

    issued: int = 0
    incomplete: int = 0


def issue_for(charity: Charity, year: int) -> AnnualRun:
    """Issue every receipt that is due for the year."""
    run, after = AnnualRun(), 0
    while groups := annual.groups_due(charity, year, limit=BATCH_SIZE, after=after):
        for group in groups:
            after = group.donation_ids[0]
            try:
                run.issued += annual.issue(group, year, issue_context()) is not None
                db.session.commit()
            except ReceiptIncomplete:
                db.session.rollback()
                run.incomplete += 1
                _wait_for_details(group)
    db.session.rollback()
    if run.incomplete:
        log.warning("annual_receipts.incomplete", year=year, receipts=run.incomplete)
    if run.issued or run.incomplete:
        services().waker.wake("mail")
    return run


def _wait_for_details(group: AnnualGroup) -> None:
    """Let the receipt wait where staff see it, and ask the donor, once for each donation, for what it lacks of them."""
    for donation_id in group.donation_ids:
        donation = db.session.get_one(Donation, donation_id)
        if completeness.waits_for_donor(donation):  # The outbox drops a repeated acknowledgement.
            messages.enqueue(NewMessage(MessageKind.ACKNOWLEDGEMENT, donation))
    waiting_receipts.enqueue(db.session.get_one(Donation, group.donation_ids[0]))
    db.session.commit()


def issue_due() -> int:
    """Issue the receipts of each charity's years that are due; returns how many were issued. Called by the schedule."""
    issued = 0
    for charity in db.session.query(Charity):
        issued += sum(issue_for(charity, year).issued for year in annual.years_due(charity, datetime.now(UTC)))
    db.session.rollback()
    return issued
