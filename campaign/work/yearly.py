"""The receipts of a year, issued one transaction each, so that a run of thousands can be broken off anywhere and taken up again."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import outbox, yearly_receipts
from campaign.giving.charities import Charity
from campaign.giving.donations import Donation
from campaign.giving.outbox import Owed
from campaign.giving.receipts import CannotIssue
from campaign.work import composing
from campaign.work.documents import issuing

log = structlog.get_logger()

GROUPS_AT_ONCE = 100


@dataclass(kw_only=True)
class Run:
    """How many receipts were issued, and how many wait for a name or an address."""

    issued: int = 0
    lacking: int = 0


def issue_for(charity: Charity, year: int) -> Run:
    """All receipts that are due for the year."""
    run, after = Run(), 0
    while groups := yearly_receipts.groups_due(charity, year, limit=GROUPS_AT_ONCE, after=after):
        for group in groups:
            after = group.donation_ids[0]
            try:
                run.issued += yearly_receipts.issue(group, year, issuing()) is not None
                db.session.commit()
            except CannotIssue:
                db.session.rollback()
                run.lacking += 1
                _ask_for_address(after)
    db.session.rollback()
    if run.lacking:
        log.warning("yearly_receipts.wait", year=year, receipts=run.lacking)
    if run.issued or run.lacking:
        outside().waker.wake("mail")
    return run


def _ask_for_address(donation_id: int) -> None:
    """The donor is asked once for what the receipt lacks, if it is theirs to give."""
    donation = db.session.get_one(Donation, donation_id)
    if composing.lacks_details(donation):
        outbox.owe(Owed("acknowledgement", donation))
    db.session.commit()


def issue_due() -> int:
    """What the schedule does: each charity's last year that is over, from January on."""
    issued = 0
    for charity in db.session.query(Charity):
        year = yearly_receipts.year_that_is_due(charity, datetime.now(UTC))
        issued += issue_for(charity, year).issued
    db.session.rollback()
    return issued
