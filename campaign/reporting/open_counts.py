"""How many items of each kind are open, in few queries: these numbers are on every page of staff."""

from datetime import date
from functools import cache, lru_cache, reduce
from typing import Any

from sqlalchemy import FromClause, Select, SelectBase, literal, select, true

from campaign.campaigns import seals
from campaign.campaigns.charities import Charity
from campaign.donations import shared_messages, wall_entries
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


def _read(query: Select[Any]) -> dict[str, Any]:
    return dict(db.session.execute(query).mappings().one())


# Built once: to build them costs more than the database takes to answer them.
@cache
def _of_service() -> Select[Any]:
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
def _of_charity(charity_id: int, today: date) -> Select[Any]:
    charity = literal(charity_id)
    return _in_one(
        information_returns.counts_by_urgency(charity, today),
        privacy_requests.counts_by_urgency(charity, today),
        incidents=incidents.unreported_count(charity),
        voids=void_requests.open_count(charity),
        pledges=pledge_requests.open_count(charity),
        payments=payment_requests.open_count(charity),
        seals=seals.open_count(charity),
        uncalled=calls.uncalled_count(charity),
        messages=shared_messages.waiting_count(charity),
        wall=wall_entries.waiting_count(charity),
        to_post=posted_receipts.receipts_to_post_count(charity),
        ended_papers=posted_receipts.ended_paper_count(),
    )


def _in_one(*rows: SelectBase, **numbers: Select[Any]) -> Select[Any]:
    """One query of the columns of these queries, which have one row each, and of the numbers by name."""
    found: list[FromClause] = [row.subquery() for row in rows]
    columns = [column for row in found for column in row.c]
    counted = [query.scalar_subquery().label(name) for name, query in numbers.items()]
    return select(*columns, *counted).select_from(reduce(lambda one, other: one.join(other, true()), found))
