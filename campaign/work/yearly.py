"""The receipts of a year, issued one transaction each, so that a run of thousands can be broken off anywhere and taken up again."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.giving import yearly_receipts
from campaign.giving.charities import Charity
from campaign.giving.receipts import CannotIssue
from campaign.work.documents import issuing

log = structlog.get_logger()

GROUPS_AT_ONCE = 100


@dataclass(kw_only=True)
class Run:
    """How many receipts were issued, and the lacks of those that could not be."""

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
            except CannotIssue as error:
                db.session.rollback()
                run.lacking += 1
                log.warning("yearly_receipt.waits", donation=after, lacking=error.lacking)
    db.session.rollback()
    if run.issued:
        outside().waker.wake("mail")
    return run


def issue_due() -> int:
    """What the schedule does: each charity's last year that is over, from January on."""
    issued = 0
    for charity in db.session.query(Charity):
        year = yearly_receipts.year_that_is_due(charity, datetime.now(UTC))
        issued += issue_for(charity, year).issued
    db.session.rollback()
    return issued
