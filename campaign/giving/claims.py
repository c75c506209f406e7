"""Work as rows: taking some, so that no two workers do the same, and saying how it ended.

An attempt is counted before the work, so that a row whose work kills its worker is given up in the end. The fence is checked at the end,
so that a worker that was away too long changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, and_, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from campaign.edges.db import db

DEAD_AFTER_ATTEMPTS = 8
LEASE_SECONDS = 90
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 3600
GIVEN_UP_AFTER_SECONDS = 3 * 24 * 3600


class Claimable:
    """Columns of a row that is work. It waits while neither `done_at` nor `dead_at` is set."""

    attempts: Mapped[int] = mapped_column(server_default="0", default=0)
    fence: Mapped[int] = mapped_column(server_default="0", default=0)
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    done_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to do one row's work until the lease ends."""

    id: int
    fence: int
    attempts: int


def waiting(model: Any) -> ColumnElement[bool]:
    """Whether a row is still to be done."""
    return and_(model.done_at.is_(None), model.dead_at.is_(None))


def claim(model: type[DeclarativeBase], *, limit: int, first: Any, only: ColumnElement[bool] | None = None) -> list[Claim]:
    """Take up to `limit` rows that are due, those with the least `first` before others. Commit before the work, so that the attempt counts.

    `first` is the column of the model's index on waiting rows: what is done long ago must not be read again.
    """
    m: Any = model
    due = select(m.id).where(waiting(m), m.not_before <= func.now(), m.attempts < DEAD_AFTER_ATTEMPTS)
    if only is not None:
        due = due.where(only)
    due = due.order_by(first).limit(limit).with_for_update(skip_locked=True)
    taken = db.session.execute(
        update(m)
        .where(m.id.in_(due.scalar_subquery()))
        .values(
            attempts=m.attempts + 1,
            fence=m.fence + 1,
            not_before=func.now() + text(f"interval '{LEASE_SECONDS} seconds'"),
        )
        .returning(m.id, m.fence, m.attempts),
        execution_options={"synchronize_session": False},
    )
    return sorted((Claim(id=i, fence=f, attempts=a) for i, f, a in taken), key=lambda c: c.id)


def finish(model: type[DeclarativeBase], claim: Claim, **values: object) -> bool:
    """The work is done; False when somebody else has the row by now, and then nothing is changed."""
    return _end(model, claim, done_at=func.now(), last_error=None, **values)


def finish_all(model: type[DeclarativeBase], claims: Sequence[Claim], outcomes: Mapping[int, str]) -> int:
    """As `finish`, for a batch whose rows have an `outcome`; returns how many were still ours."""
    m: Any = model
    ours = (
        func.unnest(
            cast([c.id for c in claims], ARRAY(BigInteger)),
            cast([c.fence for c in claims], ARRAY(BigInteger)),
            cast([outcomes[c.id] for c in claims], ARRAY(Text)),
        )
        .table_valued("id", "fence", "outcome")
        .render_derived()
    )
    ended = db.session.execute(
        update(m)
        # That it still waits is asked so that no index on what waits is walked for it: a flood would be walked once for each of its rows.
        .where(m.id == ours.c.id, m.fence == ours.c.fence, func.coalesce(m.done_at, m.dead_at).is_(None))
        .values(done_at=func.now(), last_error=None, outcome=ours.c.outcome)
        .returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return len(ended.all())


def postpone(model: type[DeclarativeBase], claim: Claim, *, seconds: int, reason: str) -> bool:
    """Not now, through nobody's fault: the attempt does not count."""
    return _end(model, claim, attempts=claim.attempts - 1, not_before=_in(seconds), last_error=reason)


def delay(model: type[DeclarativeBase], claim: Claim, *, since: Any, reason: str) -> bool:
    """The other side is away: again after as long as the row has waited since that column's moment, an hour at the most.

    True when it is dead now, after days of that.
    """
    m: Any = model
    waited = db.session.scalars(select(func.extract("epoch", func.now() - since)).where(m.id == claim.id)).one()
    if waited > GIVEN_UP_AFTER_SECONDS:
        return fail(model, claim, error=reason, for_good=True)
    postpone(model, claim, seconds=int(min(max(waited, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)), reason=reason)
    return False


def fail(model: type[DeclarativeBase], claim: Claim, *, error: str, for_good: bool = False) -> bool:
    """The work failed: again later, or dead when it cannot succeed or has failed too often. True when it is dead now."""
    if for_good or claim.attempts >= DEAD_AFTER_ATTEMPTS:
        return _end(model, claim, dead_at=func.now(), last_error=error)
    _end(model, claim, not_before=_in(_pause(claim.attempts)), last_error=error)
    return False


def revive(model: type[DeclarativeBase], row: int) -> bool:
    """Have a dead row's work tried anew, as if it had come just now; False when it is not dead."""
    m: Any = model
    revived = db.session.execute(
        update(m)
        .where(m.id == row, m.dead_at.is_not(None))
        .values(dead_at=None, attempts=0, fence=m.fence + 1, not_before=func.now())
        .returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return revived.first() is not None


def bury(model: type[DeclarativeBase]) -> int:
    """Give up what was tried too often by workers that never said how it ended; returns how many rows."""
    m: Any = model
    buried = db.session.execute(
        update(m)
        .where(waiting(m), m.not_before <= func.now(), m.attempts >= DEAD_AFTER_ATTEMPTS)
        .values(dead_at=func.now(), last_error="its workers died")
        .returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return len(buried.all())


def _pause(attempts: int) -> int:
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * (1 << 2 * (attempts - 1)))


def _in(seconds: int) -> ColumnElement[datetime]:
    # Up to a fifth more by chance, so that what failed together does not come back together.
    return func.now() + text(f"interval '1 second' * ({int(seconds)} * (1 + random() / 5))")


def _end(model: type[DeclarativeBase], claim: Claim, **values: object) -> bool:
    m: Any = model
    ended = db.session.execute(
        update(m).where(m.id == claim.id, m.fence == claim.fence, waiting(m)).values(**values).returning(m.id),
        execution_options={"synchronize_session": False},
    )
    return ended.first() is not None
