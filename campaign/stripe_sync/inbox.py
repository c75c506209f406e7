"""The inbox of Stripe's events. The body is stored before it is interpreted, and each event is handled once (dispatch.py).

A Checkout Session has the link to the donor's page: its token is not stored.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Index, LargeBinary, Select, Text, bindparam, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, aliased, defer, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from campaign.edges.db import Base, db
from campaign.edges.links import TOKEN_PATHS, without_tokens
from campaign.outbox import leases
from campaign.outbox.leases import Leasable, Lease

MAX_ID_LENGTH = 255
# How the error of an event begins that waits because our key may not read its object.
KEY_REFUSED = "Stripe refuses the key"


class InvalidEvent(ValueError):
    """The body is not an event that can be stored."""


class StripeEvent(Leasable, Base):
    """One event as received. `subject` identifies its donation, payment or object: events of one subject are handled in order.

    `body_sha256` is that of the body as received, once the people in it are erased (privacy/retention_jobs.py): what is left cannot be handled again.
    """

    __tablename__ = "stripe_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    subject: Mapped[str]
    livemode: Mapped[bool]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    outcome: Mapped[str | None]
    body_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)


Index("ix_stripe_event_with_body", StripeEvent.id, postgresql_where=StripeEvent.body_sha256.is_(None))
Index("ix_stripe_event_dead", StripeEvent.id, postgresql_where=StripeEvent.dead_at.is_not(None))
Index("ix_stripe_event_waiting_subject", StripeEvent.subject, StripeEvent.id, postgresql_where=leases.is_pending(StripeEvent))
Index(
    "ix_stripe_event_fresh", StripeEvent.id, postgresql_where=leases.is_pending(StripeEvent) & (StripeEvent.attempts == literal_column("0"))
)


@dataclass(frozen=True, kw_only=True)
class IncomingEvent:
    """An event that can be stored: its envelope, read from the body."""

    event_id: str
    type: str
    subject: str
    livemode: bool
    body: bytes


def parse_event(body: bytes) -> IncomingEvent:
    """Read the envelope of an event. Raises InvalidEvent for a body that is not a Stripe event."""
    try:
        event = json.loads(body.decode("utf-8"))
        assert isinstance(event, dict) and event.get("object") == "event"
        event_id, event_type, livemode, data = event["id"], event["type"], event["livemode"], event["data"]["object"]
        assert isinstance(event_id, str) and isinstance(event_type, str) and isinstance(livemode, bool) and isinstance(data, dict)
        assert 0 < len(event_id) <= MAX_ID_LENGTH and 0 < len(event_type) <= MAX_ID_LENGTH
        subject = _subject(data) or event_id
        assert not any("\x00" in text for text in (event_id, event_type, subject))
        (event_id + event_type + subject).encode()
    except (AssertionError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(str(error)) from None
    return IncomingEvent(event_id=event_id, type=event_type, subject=subject[:MAX_ID_LENGTH], livemode=livemode, body=_without_links(body))


def _without_links(body: bytes) -> bytes:
    """The body without the tokens of links in it; the same bytes where there are none."""
    if not any(part in body for part in TOKEN_PATHS):  # Most events have none, and the webhook's response waits for this.
        return body
    return without_tokens(body.decode()).encode()


def _subject(data: dict[str, Any]) -> str:
    """The donation if the object names one, else its payment, else the object itself."""
    metadata = data.get("metadata")
    donation = metadata.get("donation") if isinstance(metadata, dict) else None
    for candidate in (donation, data.get("payment_intent"), data.get("id")):
        if isinstance(candidate, str) and candidate:
            return candidate
    return ""


def store_events(*incoming: IncomingEvent, source: str, connection: Connection | None = None) -> set[str]:
    """Store the events through the session, or through a connection in autocommit mode. Returns the ids of those that are new."""
    # Always in the same order, so that two transactions that store the same events cannot deadlock.
    events = sorted(incoming, key=lambda event: event.event_id)
    columns: dict[str, Any] = {name: [getattr(event, name) for event in events] for name in _COLUMNS}
    return {row.event_id for row in (connection or db.session).execute(_insert, {**columns, "source": source})}


def _insert_statement() -> ReturningInsert[tuple[str]]:
    """One INSERT for any number of events, compiled once: the webhook's response waits for it."""
    table = StripeEvent.__table__
    values = func.unnest(*(bindparam(name, type_=ARRAY(table.c[name].type)) for name in _COLUMNS)).table_valued(*_COLUMNS).render_derived()
    rows = select(*(values.c[name] for name in _COLUMNS), bindparam("source", type_=Text))
    statement = insert(table).from_select([*_COLUMNS, "source"], rows, include_defaults=False)  # type: ignore[arg-type]  # it is a Table
    return statement.on_conflict_do_nothing(index_elements=["event_id"]).returning(table.c.event_id)


_COLUMNS = tuple(field.name for field in fields(IncomingEvent))
_insert = _insert_statement()


def lease_events(*, limit: int, slow: Sequence[str] = (), slow_limit: int = 0) -> list[Lease]:
    """Lease pending events in order; those of the `slow` types separately, after the others.

    An event that failed before is leased alone, so that it cannot make others fail. An event whose subject has an earlier pending event is
    left for the next call. Commit before the work.
    """
    is_slow = StripeEvent.type.in_(slow)
    fresh = _is_next & _is_fresh
    return (
        leases.acquire(StripeEvent, limit=limit, first=StripeEvent.id, only=fresh & ~is_slow)
        or (slow_limit and leases.acquire(StripeEvent, limit=slow_limit, first=StripeEvent.id, only=fresh & is_slow))
        or leases.acquire(StripeEvent, limit=1, first=StripeEvent.id, only=_is_next & ~_is_fresh)
    )


# A subquery for each event, answered by the index on subjects: as an anti-join, the planner may scan the whole backlog for each event.
_first = aliased(StripeEvent)
_is_next = (
    StripeEvent.id
    == select(func.min(_first.id))
    .where(_first.subject == StripeEvent.subject, leases.is_pending(_first))
    .correlate(StripeEvent)
    .scalar_subquery()
)
# A literal, so that the planner recognizes the partial index on fresh events.
_is_fresh = StripeEvent.attempts == literal_column("0")


def count_pending() -> int:
    """How many events are pending."""
    return db.session.scalar(select(func.count()).select_from(StripeEvent).where(leases.is_pending(StripeEvent))) or 0


def any_pending(event_ids: Sequence[str]) -> bool:
    """Whether at least one of these events is pending."""
    pending = select(StripeEvent.id).where(StripeEvent.event_id.in_(event_ids), leases.is_pending(StripeEvent))
    return db.session.scalar(pending.limit(1)) is not None


def is_behind() -> bool:
    """Whether an event that no worker has tried yet has been pending for more than a second."""
    late = select(StripeEvent.id).where(
        leases.is_pending(StripeEvent), _is_fresh, StripeEvent.not_before < func.now() - timedelta(seconds=1)
    )
    return db.session.scalar(late.limit(1)) is not None


def key_refusal() -> str | None:
    """Why an event is pending whose object our key may not read; None when there is none."""
    waiting = select(StripeEvent.last_error).where(leases.is_pending(StripeEvent), StripeEvent.last_error.startswith(KEY_REFUSED))
    return db.session.scalar(waiting.limit(1))


def list_dead(*, limit: int) -> list[StripeEvent]:
    """Dead-lettered events, oldest first, without their bodies."""
    dead = select(StripeEvent).where(StripeEvent.dead_at.is_not(None)).options(defer(StripeEvent.body))
    return list(db.session.scalars(dead.order_by(StripeEvent.id).limit(limit)))


def requeue(row: int) -> StripeEvent | None:
    """Requeue a dead-lettered event. Returns None when it is not dead-lettered."""
    return db.session.get(StripeEvent, row, options=[defer(StripeEvent.body)]) if leases.requeue(StripeEvent, row) else None


def is_stored(event_id: str) -> bool:
    """Whether the event is in the inbox."""
    return db.session.scalar(select(StripeEvent.id).where(StripeEvent.event_id == event_id)) is not None


def list_stored(event_id: str | None, *, after: int, only_dead: bool, limit: int) -> list[int]:
    """Row numbers of stored events after the row `after`: of all events, of dead-lettered ones, or of the one with this id at Stripe.

    Those whose body is erased are not among them.
    """
    rows = select(StripeEvent.id).where(StripeEvent.id > after, StripeEvent.body_sha256.is_(None)).order_by(StripeEvent.id).limit(limit)
    if event_id:
        rows = rows.where(StripeEvent.event_id == event_id)
    return list(db.session.scalars(rows.where(StripeEvent.dead_at.is_not(None)) if only_dead else rows))


def requeue_all(rows: Sequence[int]) -> None:
    """Requeue these events, as if they had just been received."""
    db.session.execute(
        update(StripeEvent)
        .where(StripeEvent.id.in_(rows))
        .values(done_at=None, dead_at=None, attempts=0, lease_token=StripeEvent.lease_token + 1, not_before=func.now()),
        execution_options={"synchronize_session": False},
    )


def count_unhandled(rows: Sequence[int]) -> int:
    """How many of these events are not handled."""
    return db.session.scalar(select(func.count()).where(StripeEvent.id.in_(rows), StripeEvent.done_at.is_(None))) or 0


def is_erased(event_id: str) -> bool:
    """Whether the body of the event is erased, so that it cannot be handled again."""
    erased = select(StripeEvent.id).where(StripeEvent.event_id == event_id, StripeEvent.body_sha256.is_not(None))
    return db.session.scalar(erased) is not None


def count_dead() -> int:
    """How many events are dead-lettered and need staff."""
    return db.session.scalar(dead_count()) or 0


def dead_count() -> Select[int]:
    """The query of how many events are dead-lettered."""
    return select(func.count()).where(StripeEvent.dead_at.is_not(None))
