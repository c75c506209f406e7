"""Reconciliation runs: each compares our books with Stripe over a period, and stores every difference found, repaired or open."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Select, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.texts.reconciliation_messages import DifferenceKind, describe_act, describe_difference

# A run that has not ended after this time was killed.
MAX_DURATION = timedelta(hours=1)
# The actor of the daily run.
SCHEDULE = "the schedule"


class DifferenceState(StrEnum):
    """REPAIRED in the same run, or OPEN because no program can repair it."""

    REPAIRED = "repaired"
    OPEN = "open"


class Reconciliation(Base):
    """One run. `compared` is the number of objects by kind; `ended_at` is set after the last comparison."""

    __tablename__ = "reconciliation"

    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str]
    since: Mapped[datetime]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    compared: Mapped[dict[str, Any]]


class ReconciliationFinding(Base):
    """One difference. `sentence` describes it in English; `describe` does so in either language, from `kind` and `detail`."""

    __tablename__ = "reconciliation_finding"

    id: Mapped[int] = mapped_column(primary_key=True)
    reconciliation_id: Mapped[int] = mapped_column(ForeignKey("reconciliation.id"), index=True)
    kind: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[dict[str, Any]]
    state: Mapped[str]
    sentence: Mapped[str]

    def describe(self, language: str) -> str:
        """Describe the difference in one sentence."""
        return describe_difference(DifferenceKind(self.kind), self.object_id, self.detail, language)

    def act(self, language: str) -> str:
        """What staff do about it when it is open."""
        return describe_act(DifferenceKind(self.kind), language)


@dataclass(frozen=True)
class EventToStore:
    """The event that would have reported a difference: its type and its object."""

    type: str
    object: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference in one object; `event` repairs it when stored and handled, None when no event can."""

    kind: DifferenceKind
    object_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    event: EventToStore | None = None

    @property
    def name(self) -> tuple[DifferenceKind, str]:
        """The same difference has the same name in the next comparison."""
        return self.kind, self.object_id


def start(*, since: datetime, actor: str) -> Reconciliation:
    """Start a run."""
    run = Reconciliation(actor=actor, since=since, compared={})
    db.session.add(run)
    db.session.flush()
    return run


def finish(run: Reconciliation, differences: Iterable[tuple[Difference, DifferenceState]], *, compared: Mapping[str, int]) -> None:
    """End the run with its differences and the number of compared objects by kind."""
    for difference, state in differences:
        db.session.add(
            ReconciliationFinding(
                reconciliation_id=run.id,
                kind=difference.kind,
                object_id=difference.object_id,
                detail=dict(difference.detail),
                state=state,
                sentence=describe_difference(difference.kind, difference.object_id, difference.detail, "en"),
            )
        )
    run.ended_at, run.compared = func.now(), dict(compared)
    db.session.flush()


def is_due(*, every: timedelta) -> bool:
    """Whether no run has ended within this period, and none was started in the last hour that may still be running."""
    r = Reconciliation
    is_recent = (r.ended_at.is_not(None) & (r.started_at > func.now() - every)) | (r.started_at > func.now() - MAX_DURATION)
    return db.session.scalar(select(r.id).where(is_recent).limit(1)) is None


def cancel(run: Reconciliation) -> None:
    """Forget a run that Stripe's unavailability ended before it compared anything: another one is due at once."""
    db.session.delete(run)
    db.session.flush()


def list_latest(*, limit: int) -> list[Reconciliation]:
    """The latest runs, newest first."""
    return list(db.session.scalars(select(Reconciliation).order_by(Reconciliation.id.desc()).limit(limit)))


def findings_of(run: Reconciliation) -> list[ReconciliationFinding]:
    """The differences of the run, open ones first."""
    f = ReconciliationFinding
    return list(db.session.scalars(select(f).where(f.reconciliation_id == run.id).order_by(f.state != DifferenceState.OPEN, f.id)))


def count_open() -> int:
    """How many differences the last finished run left open."""
    return db.session.scalar(open_count()) or 0


def open_count() -> Select[int]:
    """The query of how many differences the last finished run left open."""
    last_run = select(func.max(Reconciliation.id)).where(Reconciliation.ended_at.is_not(None)).scalar_subquery()
    f = ReconciliationFinding
    return select(func.count()).where(f.reconciliation_id == last_run, f.state == DifferenceState.OPEN)
