"""Brings information returns up to date where no message does: an earlier version left money that went back unreported.

The schedule runs it, so that each upgrade and each lost message ends with the returns that the books call for.
"""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from campaign.donations.donations import Donation
from campaign.edges.db import db
from campaign.receipts import lifecycle, unreported_returns
from campaign.receipts.render_jobs import issue_context

log = structlog.get_logger()

BATCH_SIZE = 1000


def report_unreported() -> int:
    """Report what information returns do not report yet, each donation in a transaction of its own. Returns how many donations there were."""
    found = unreported_returns.list_unreported(limit=BATCH_SIZE)
    db.session.rollback()
    for donation_id in found:
        try:
            donation = db.session.get_one(Donation, donation_id)
            lifecycle.report_returned(lifecycle.lock_sharing_donations(donation), issue_context())
            db.session.commit()
        except SQLAlchemyError as error:  # One that is refused holds up no other; the check of the books names it.
            db.session.rollback()
            log.exception("information_return.refused", donation=donation_id, exc_info=error)
    if found:
        log.warning("information_return.unreported", donations=len(found))
    return len(found)
