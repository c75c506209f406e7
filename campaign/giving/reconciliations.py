"""A reconciliation: our books and Stripe's compared over a period, with each difference, repaired or open, as a row with its sentence."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.rules.differences import Kind, say

# Who asks for the daily one.
SCHEDULE = "the schedule"


class State(StrEnum):
    """Of a difference: it was repaired in the same run, or is open: no machine could repair it."""

    REPAIRED = "repaired"
    OPEN = "open"


class Reconciliation(Base):
    """One run. `compared` says how many objects of each kind; it has ended when all that could be repaired was visible."""

    __tablename__ = "reconciliation"

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str]
    since: Mapped[datetime]
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    compared: Mapped[dict[str, Any]]


class ReconciliationFinding(Base):
    """One difference. `sentence` is in English; from `kind` and `detail` it is said in either language."""

    __tablename__ = "reconciliation_finding"

    id: Mapped[int] = mapped_column(primary_key=True)
    reconciliation_id: Mapped[int] = mapped_column(ForeignKey("reconciliation.id"), index=True)
    kind: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[dict[str, Any]]
    state: Mapped[str]
    sentence: Mapped[str]

    def in_words(self, language: str) -> str:
        """The sentence in a language."""
        return say(Kind(self.kind), self.object_id, self.detail, language)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What one comparison found about one object; `event` is what would have told us, as its type and object."""

    kind: Kind
    object_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    event: tuple[str, dict[str, Any]] | None = None

    @property
    def name(self) -> tuple[Kind, str]:
        """The same difference has the same name in the next comparison."""
        return self.kind, self.object_id


def begin(*, since: datetime, actor: str) -> Reconciliation:
    """A run that begins now."""
    run = Reconciliation(actor=actor, since=since, compared={})
    db.session.add(run)
    db.session.flush()
    return run


def end(run: Reconciliation, differences: Iterable[tuple[Difference, State]], *, compared: Mapping[str, int]) -> None:
    """What was found, and what became of it."""
    for difference, state in differences:
        db.session.add(
            ReconciliationFinding(
                reconciliation_id=run.id,
                kind=difference.kind,
                object_id=difference.object_id,
                detail=dict(difference.detail),
                state=state,
                sentence=say(difference.kind, difference.object_id, difference.detail, "en"),
            )
        )
    run.ended_at, run.compared = func.now(), dict(compared)
    db.session.flush()


def is_due(*, every: timedelta) -> bool:
    """Whether none has begun for so long."""
    return db.session.scalar(select(Reconciliation.id).where(Reconciliation.began_at > func.now() - every).limit(1)) is None


def latest(*, limit: int) -> list[Reconciliation]:
    """Runs, the newest first."""
    return list(db.session.scalars(select(Reconciliation).order_by(Reconciliation.id.desc()).limit(limit)))


def findings_of(run: Reconciliation) -> list[ReconciliationFinding]:
    """Its differences, open ones first."""
    f = ReconciliationFinding
    return list(db.session.scalars(select(f).where(f.reconciliation_id == run.id).order_by(f.state != State.OPEN, f.id)))


def open_differences() -> int:
    """How many the last run that ended has left open."""
    last = select(func.max(Reconciliation.id)).where(Reconciliation.ended_at.is_not(None)).scalar_subquery()
    f = ReconciliationFinding
    return db.session.scalar(select(func.count()).where(f.reconciliation_id == last, f.state == State.OPEN)) or 0
