"""Takes a funder's statement, and ends the transaction before anything is rendered or sent: no fund stays locked meanwhile."""

from datetime import datetime

from campaign.edges.db import db
from campaign.matching.funds import Fund
from campaign.reporting import funder_statement
from campaign.reporting.funder_statement import Statement


def take_statement(fund: Fund, *, before: datetime | None = None) -> Statement:
    """The fund before the moment, by default now. Commits. Raises FutureMoment."""
    end = funder_statement.lock_end(fund, before=before)
    db.session.commit()
    statement = funder_statement.build_statement(fund, end)
    db.session.commit()
    return statement
