"""How many items of each kind are open, in few queries: these numbers are on every page of staff."""

from datetime import date
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Select, SelectBase, TextClause, literal, select, text
from sqlalchemy.dialects import postgresql

from campaign.campaigns.charities import Charity
from campaign.donations import shared_messages
from campaign.edges.db import db
from campaign.funders import calls, payment_requests
from campaign.matching import pledge_requests
from campaign.operations import integrity_checks
from campaign.outbox import dead_messages, deliveries
from campaign.payments import alerts, card_testing, disputes, quarantine
from campaign.privacy import incidents, privacy_requests
from campaign.receipts import information_returns, posted_receipts, void_requests
from campaign.stripe_sync import inbox, reconciliations


def of_service() -> dict[str, Any]:
    """The counts of the whole service by name, since when no check has ended, and the first deadline of a dispute; None where there is none."""
    return _read(_of_service())


def of_charity(charity: Charity, *, today: date) -> dict[str, Any]:
    """The counts of the charity by name, on this day in its time zone."""
    counts = _read(_of_charity(charity.id, today))
    if counts.pop("ended_papers"):
        counts["to_post"] += posted_receipts.count_notices_to_post(charity)
    return counts


def _read(query: TextClause) -> dict[str, Any]:
    return dict(db.session.execute(query).mappings().one())


# Built once, and without parameters: to build them, and to plan them, costs more than the database takes to answer them. A prepared statement
# without parameters is planned once a connection.
@cache
def _of_service() -> TextClause:
    return _in_one(
        disputes.unanswered(),
        quarantined=quarantine.pending_count(),
        dead_events=inbox.dead_count(),
        differences=reconciliations.open_count(),
        alerts=alerts.open_count(),
        dead_mail=dead_messages.dead_count(),
        returned_mail=deliveries.open_bounce_count(),
        card_testing=card_testing.guard_count(),
        unchecked_since=integrity_checks.start_of_silence(),
    )


@lru_cache(maxsize=64)
def _of_charity(charity: int, today: date) -> TextClause:
    charity_id = literal(charity)
    return _in_one(
        information_returns.counts_by_urgency(charity_id, today),
        privacy_requests.counts_by_urgency(charity_id, today),
        incidents=incidents.unreported_count(charity_id),
        voids=void_requests.open_count(charity_id),
        pledges=pledge_requests.open_count(charity_id),
        payments=payment_requests.open_count(charity_id),
        uncalled=calls.uncalled_count(charity_id),
        messages=shared_messages.waiting_count(charity_id),
        to_post=posted_receipts.to_post_count(charity_id),
        ended_papers=posted_receipts.ended_paper_count(),
    )


def _in_one(*rows: SelectBase, **numbers: Select[Any]) -> TextClause:
    """One query of the columns of these queries, which have one row each, and of the numbers by name."""
    columns = [column for row in rows for column in row.subquery().c]
    query = select(*columns, *(query.scalar_subquery().label(name) for name, query in numbers.items()))
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    sql = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return text(sql.replace(":", r"\:"))
