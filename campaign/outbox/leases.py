"""Leases on rows that are work: no two workers process the same row, and every attempt ends as done, retried or dead-lettered.

An attempt is counted before the work starts, so that a row whose work kills its worker reaches the limit of attempts. The lease token is
checked at the end, so that a worker whose lease has expired changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, and_, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from campaign.edges.db import db

MAX_ATTEMPTS = 8
LEASE_SECONDS = 90
FIRST_DELAY_SECONDS = 5
MAX_DELAY_SECONDS = 3600
DEAD_AFTER_SECONDS = 3 * 24 * 3600


class Leasable:
    """Columns of a row that is work. The row is pending while neither `done_at` nor `dead_at` is set."""

    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    lease_token: Mapped[int] = mapped_column(server_default="0", default=0)
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    done_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The exclusive right to process one row until the lease expires."""

    id: int
    lease_token: int
    attempts: int


def is_pending(model: Any) -> ColumnElement[bool]:
    """A condition: the row is neither done nor dead-lettered."""
    return and_(model.done_at.is_(None), model.dead_at.is_(None))


def acquire(model: type[DeclarativeBase], *, limit: int, first: Any, only: ColumnElement[bool] | None = None) -> list[Lease]:
    """Lease up to `limit` due rows in the order of the column `first`. Commit before the work, so that the attempt counts.

    `first` is the column of the model's partial index on pending rows, so that completed rows are never read.
    """
    m: Any = model
    due = select(m.id).where(is_pending(m), m.not_before <= func.now(), m.attempts < MAX_ATTEMPTS)
    if only is not None:
        due = due.where(only)
    due = due.order_by(first).limit(limit).with_for_update(skip_locked=True)
    taken = db.session.execute(
        update(m)
        .where(m.id.in_(due.scalar_subquery()))
        .values(
            attempts=m.attempts + 1,
            lease_token=m.lease_token + 1,
            not_before=func.now() + text(f"interval '{LEASE_SECONDS} seconds'"),
        )
        .returning(m.id, m.lease_token, m.attempts),
        execution_options={"synchronize_session": False},
    )
    return sorted((Lease(id=i, lease_token=token, attempts=attempts) for i, token, attempts in taken), key=lambda lease: lease.id)


def complete(model: type[DeclarativeBase], lease: Lease, **values: object) -> bool:
    """Mark the row as done. Returns False, and changes nothing, when another worker has leased it since."""
    return _end(model, lease, done_at=func.now(), last_error=None, **values)


def complete_all(model: type[DeclarativeBase], held: Sequence[Lease], outcomes: Mapping[int, str]) -> int:
    """Mark a batch as done, each row with its `outcome`. Returns how many were still leased by this worker."""
    m: Any = model
    ours = (
        func.unnest(
            cast([lease.id for lease in held], ARRAY(BigInteger)),
            cast([lease.lease_token for lease in held], ARRAY(BigInteger)),
            cast([outcomes[lease.id] for lease in held], ARRAY(Text)),
        )
        .table_valued("id", "lease_token", "outcome")
        .render_derived()
    )
    ended = db.session.execute(
        update(m)
        # The last condition keeps the planner off the partial index on pending rows, which it would scan once for each row of a backlog.
        .where(m.id == ours.c.id, m.lease_token == ours.c.lease_token, func.coalesce(m.done_at, m.dead_at).is_(None))
        .values(done_at=func.now(), last_error=None, outcome=ours.c.outcome)
        .returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return len(ended.all())


def postpone(model: type[DeclarativeBase], lease: Lease, *, seconds: int, reason: str, **values: object) -> bool:
    """Retry after `seconds`, without counting this attempt."""
    return _end(model, lease, attempts=lease.attempts - 1, not_before=_in(seconds), last_error=reason, **values)


def defer(
    model: type[DeclarativeBase], lease: Lease, *, since: Any, reason: str, max_seconds: int = MAX_DELAY_SECONDS, **values: object
) -> bool:
    """Retry because an outside service is unavailable, after as long as the row has waited since `since`, at most `max_seconds`.

    Returns True when the row has waited for days and is dead-lettered.
    """
    m: Any = model
    waited = db.session.scalars(select(func.extract("epoch", func.now() - since)).where(m.id == lease.id)).one()
    if waited > DEAD_AFTER_SECONDS:
        return fail(model, lease, error=reason, for_good=True, **values)
    postpone(model, lease, seconds=int(min(max(waited, FIRST_DELAY_SECONDS), max_seconds)), reason=reason, **values)
    return False


def fail(model: type[DeclarativeBase], lease: Lease, *, error: str, for_good: bool = False, **values: object) -> bool:
    """Retry later, or dead-letter the row when it cannot succeed or has failed too often. Returns True when it is dead-lettered."""
    if for_good or lease.attempts >= MAX_ATTEMPTS:
        return _end(model, lease, dead_at=func.now(), last_error=error, **values)
    _end(model, lease, not_before=_in(_backoff_seconds(lease.attempts)), last_error=error, **values)
    return False


def requeue(model: type[DeclarativeBase], row: int) -> bool:
    """Retry a dead-lettered row as if it were new. Returns False when it is not dead-lettered."""
    m: Any = model
    requeued = db.session.execute(
        update(m)
        .where(m.id == row, m.dead_at.is_not(None))
        .values(dead_at=None, attempts=0, lease_token=m.lease_token + 1, not_before=func.now())
        .returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return requeued.first() is not None


def dead_letter(model: type[DeclarativeBase]) -> int:
    """Dead-letter rows whose workers died at every attempt. Returns how many rows."""
    m: Any = model
    exhausted = db.session.execute(
        update(m)
        .where(is_pending(m), m.not_before <= func.now(), m.attempts >= MAX_ATTEMPTS)
        .values(dead_at=func.now(), last_error="its workers died")
        .returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return len(exhausted.all())


def _backoff_seconds(attempts: int) -> int:
    return min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * (1 << 2 * (attempts - 1)))


def _in(seconds: int) -> ColumnElement[datetime]:
    # A random fifth more, so that what failed together is not retried together.
    return func.now() + text(f"interval '1 second' * ({int(seconds)} * (1 + random() / 5))")


def _end(model: type[DeclarativeBase], lease: Lease, **values: object) -> bool:
    m: Any = model
    ended = db.session.execute(
        update(m).where(m.id == lease.id, m.lease_token == lease.lease_token, is_pending(m)).values(**values).returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return ended.first() is not None
