"""The inbox of Stripe's events: the raw body is kept before anything is made of it, and handled once, in any order (happenings.py)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Index, LargeBinary, Text, bindparam, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, aliased, defer, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from campaign.edges.db import Base, db
from campaign.giving import claims
from campaign.giving.claims import Claim, Claimable

LONGEST_ID = 255


class NotAnEvent(ValueError):
    """The body is signed but is no event that we could keep."""


class StripeEvent(Claimable, Base):
    """One event as it came. `subject` names the payment that it is about: events of one subject are handled in order."""

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


Index("ix_stripe_event_waiting_subject", StripeEvent.subject, StripeEvent.id, postgresql_where=claims.waiting(StripeEvent))
Index("ix_stripe_event_fresh", StripeEvent.id, postgresql_where=claims.waiting(StripeEvent) & (StripeEvent.attempts == literal_column("0")))


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """An event that can be kept: its envelope, read from the body."""

    event_id: str
    type: str
    subject: str
    livemode: bool
    body: bytes


def read_event(body: bytes) -> Incoming:
    """The envelope of a signed body; raises NotAnEvent for anything that is no event of Stripe's."""
    try:
        event = json.loads(body.decode("utf-8"))
        assert isinstance(event, dict) and event.get("object") == "event"
        event_id, kind, livemode, about = event["id"], event["type"], event["livemode"], event["data"]["object"]
        assert isinstance(event_id, str) and isinstance(kind, str) and isinstance(livemode, bool) and isinstance(about, dict)
        assert 0 < len(event_id) <= LONGEST_ID and 0 < len(kind) <= LONGEST_ID
        subject = _subject(about) or event_id
        assert not any("\x00" in text for text in (event_id, kind, subject))
        (event_id + kind + subject).encode()
    except (AssertionError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotAnEvent(str(error)) from None
    return Incoming(event_id=event_id, type=kind, subject=subject[:LONGEST_ID], livemode=livemode, body=body)


def _subject(about: dict[str, Any]) -> str:
    """The donation if the object names one, else the payment, else the object itself."""
    metadata = about.get("metadata")
    named = metadata.get("donation") if isinstance(metadata, dict) else None
    for candidate in (named, about.get("payment_intent"), about.get("id")):
        if isinstance(candidate, str) and candidate:
            return candidate
    return ""


def keep(*incoming: Incoming, source: str, connection: Connection | None = None) -> set[str]:
    """Put the events in the inbox, by the session or by a connection that commits each statement; the ids of those that are new."""
    kept = sorted(
        incoming, key=lambda one: one.event_id
    )  # One order for all, so that two who keep the same ones wait for each other in turn.
    columns: dict[str, Any] = {name: [getattr(one, name) for one in kept] for name in _KEPT}
    return {row.event_id for row in (connection or db.session).execute(_keep, {**columns, "source": source})}


def _keeping() -> ReturningInsert[tuple[str]]:
    """One INSERT for any number of events: this is what stands between Stripe's calls and their answers."""
    table = StripeEvent.__table__
    given = func.unnest(*(bindparam(name, type_=ARRAY(table.c[name].type)) for name in _KEPT)).table_valued(*_KEPT).render_derived()
    rows = select(*(given.c[name] for name in _KEPT), bindparam("source", type_=Text))
    adding = insert(table).from_select([*_KEPT, "source"], rows, include_defaults=False)  # type: ignore[arg-type]  # a declarative class's table is a Table
    return adding.on_conflict_do_nothing(index_elements=["event_id"]).returning(table.c.event_id)


_KEPT = tuple(field.name for field in fields(Incoming))
_keep = _keeping()


def claim(*, limit: int, slow: Sequence[str] = (), slow_limit: int = 0) -> list[Claim]:
    """Take waiting events in order; those of the slow types by themselves, after the others.

    One that failed before is taken alone, so that it cannot take others down with it. An event whose payment has an earlier one waiting is
    left for the next round. Commit before the work.
    """
    is_slow = StripeEvent.type.in_(slow)
    fresh = _is_next & _is_fresh
    return (
        claims.claim(StripeEvent, limit=limit, first=StripeEvent.id, only=fresh & ~is_slow)
        or (slow_limit and claims.claim(StripeEvent, limit=slow_limit, first=StripeEvent.id, only=fresh & is_slow))
        or claims.claim(StripeEvent, limit=1, first=StripeEvent.id, only=_is_next & ~_is_fresh)
    )


# Asked of each event in turn, by the index on subjects: as an anti-join the planner may walk the whole backlog for each.
_first = aliased(StripeEvent)
_is_next = (
    StripeEvent.id
    == select(func.min(_first.id))
    .where(_first.subject == StripeEvent.subject, claims.waiting(_first))
    .correlate(StripeEvent)
    .scalar_subquery()
)
# Written out, so that the database knows its index on fresh events when it sees this.
_is_fresh = StripeEvent.attempts == literal_column("0")


def waiting_events() -> int:
    """How many are still to be handled."""
    return db.session.scalar(select(func.count()).select_from(StripeEvent).where(claims.waiting(StripeEvent))) or 0


def any_waiting(event_ids: Sequence[str]) -> bool:
    """Whether one of these is still to be handled."""
    some = select(StripeEvent.id).where(StripeEvent.event_id.in_(event_ids), claims.waiting(StripeEvent))
    return db.session.scalar(some.limit(1)) is not None


def is_behind() -> bool:
    """Whether an event that nobody has tried yet waits for longer than a second."""
    late = select(StripeEvent.id).where(claims.waiting(StripeEvent), _is_fresh, StripeEvent.not_before < func.now() - timedelta(seconds=1))
    return db.session.scalar(late.limit(1)) is not None


def oldest_dead(*, limit: int) -> list[StripeEvent]:
    """Those that could not be handled, without their bodies."""
    dead = select(StripeEvent).where(StripeEvent.dead_at.is_not(None)).options(defer(StripeEvent.body))
    return list(db.session.scalars(dead.order_by(StripeEvent.id).limit(limit)))


def revive(row: int) -> StripeEvent | None:
    """Have a dead event handled anew; None when it is not dead."""
    return db.session.get(StripeEvent, row, options=[defer(StripeEvent.body)]) if claims.revive(StripeEvent, row) else None


def is_kept(event_id: str) -> bool:
    """Whether the event has come."""
    return db.session.scalar(select(StripeEvent.id).where(StripeEvent.event_id == event_id)) is not None


def stored(event_id: str | None, *, after: int, only_dead: bool, limit: int) -> list[int]:
    """The numbers of kept events that come after one of them: of all, of the dead ones, or of one by its name."""
    rows = select(StripeEvent.id).where(StripeEvent.id > after).order_by(StripeEvent.id).limit(limit)
    if event_id:
        rows = rows.where(StripeEvent.event_id == event_id)
    return list(db.session.scalars(rows.where(StripeEvent.dead_at.is_not(None)) if only_dead else rows))


def take_up_again(rows: Sequence[int]) -> None:
    """Have these handled anew, as if they had come just now."""
    db.session.execute(
        update(StripeEvent)
        .where(StripeEvent.id.in_(rows))
        .values(done_at=None, dead_at=None, attempts=0, fence=StripeEvent.fence + 1, not_before=func.now()),
        execution_options={"synchronize_session": False},
    )


def not_done(rows: Sequence[int]) -> int:
    """How many of these are not handled."""
    return db.session.scalar(select(func.count()).where(StripeEvent.id.in_(rows), StripeEvent.done_at.is_(None))) or 0


def dead_events() -> int:
    """How many could not be handled: staff must look."""
    return db.session.scalar(select(func.count()).where(StripeEvent.dead_at.is_not(None))) or 0
