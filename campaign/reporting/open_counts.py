"""How many items of each kind are open, in few queries: these numbers are on every page of staff."""

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, select

from campaign.campaigns.charities import Charity
from campaign.donations import shared_messages
from campaign.edges.db import db
from campaign.funders import payment_requests
from campaign.matching import pledge_requests
from campaign.operations import integrity_checks
from campaign.outbox import dead_messages, deliveries
from campaign.payments import alerts, card_testing, disputes, quarantine
from campaign.receipts import posted_receipts, void_requests
from campaign.stripe_sync import inbox, reconciliations


def of_service() -> dict[str, Any]:
    """The counts of the whole service by name, since when no check has ended, and the first deadline of a dispute; None where there is none."""
    return _read(_of_service())


def of_charity(charity: Charity) -> dict[str, Any]:
    """The counts of the charity by name."""
    return _read(_of_charity(), charity_id=charity.id)


def _read(query: Select[Any], **parameters: int) -> dict[str, Any]:
    return dict(db.session.execute(query, parameters).mappings().one())


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


@cache
def _of_charity() -> Select[Any]:
    charity_id = bindparam("charity_id", type_=BigInteger)
    return _in_one(
        voids=void_requests.open_count(charity_id),
        pledges=pledge_requests.open_count(charity_id),
        payments=payment_requests.open_count(charity_id),
        messages=shared_messages.waiting_count(charity_id),
        to_post=posted_receipts.to_post_count(charity_id),
    )


def _in_one(*rows: Select[Any, Any], **numbers: Select[Any]) -> Select[Any]:
    """One query of the columns of these queries, which have one row each, and of the numbers by name."""
    columns = [column for row in rows for column in row.subquery().c]
    return select(*columns, *(query.scalar_subquery().label(name) for name, query in numbers.items()))
