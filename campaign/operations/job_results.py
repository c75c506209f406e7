"""How the scheduled jobs fare: each job's last success, and since when and why it fails. A job that keeps failing is reported to staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, aliased, mapped_column

from campaign.edges.db import Base, db

# One failure may be a coincidence; two in a row are reported.
REPORTED_FAILURES = 2
MAX_ERROR_LENGTH = 300


class FailureReason(StrEnum):
    """Why a job failed: Stripe was unavailable, rejected the API key or a request; our clock is wrong; the mailbox of bounces was unavailable; or an error of our own."""

    STRIPE_UNAVAILABLE = "stripe unavailable"
    KEY_REFUSED = "key refused"
    STRIPE_REFUSED = "stripe refused"
    CLOCK = "clock"
    MAILBOX = "mailbox"
    ERROR = "error"


# Jobs that fail for one of these fail together.
SHARED_REASONS = {FailureReason.KEY_REFUSED, FailureReason.STRIPE_UNAVAILABLE, FailureReason.CLOCK}


class JobResult(Base):
    """The results of one job. `failures` counts the failures since the last success; `reason` and `error` are those of the last one."""

    __tablename__ = "job_result"

    name: Mapped[str] = mapped_column(primary_key=True)
    succeeded_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    reason: Mapped[str | None]
    error: Mapped[str | None]


@dataclass(frozen=True, kw_only=True)
class FailingJob:
    """A job that fails, since when, and the error of the last time."""

    name: str
    since: datetime
    failures: int
    reason: FailureReason
    error: str


def record_success(name: str) -> datetime | None:
    """The job succeeded now. Returns since when it had been failing, None if it had not."""
    row = insert(JobResult).values(name=name, succeeded_at=func.now())
    cleared = {"succeeded_at": func.now(), "failing_since": None, "failures": 0, "reason": None, "error": None}
    before = aliased(JobResult)  # A subquery reads what was committed before this statement.
    failing_since = select(before.failing_since).where(before.name == name).scalar_subquery()
    return db.session.scalar(row.on_conflict_do_update(index_elements=[JobResult.name], set_=cleared).returning(failing_since))


def record_recovery(name: str) -> None:
    """The job succeeded now, if it was failing; cheaper than `record_success` for what happens often."""
    failing = update(JobResult).where(JobResult.name == name, JobResult.failures > 0)
    cleared = failing.values(succeeded_at=func.now(), failing_since=None, failures=0, reason=None, error=None)
    db.session.execute(cleared, execution_options={"synchronize_session": False})


def record_failure(name: str, reason: FailureReason, error: str) -> FailingJob:
    """The job failed now. Returns since when it fails, and how often it has failed."""
    row = insert(JobResult).values(name=name, failing_since=func.now(), failures=1, reason=reason, error=error[:MAX_ERROR_LENGTH])
    changed = {
        "failing_since": func.coalesce(JobResult.failing_since, func.now()),
        "failures": JobResult.failures + 1,
        "reason": row.excluded.reason,
        "error": row.excluded.error,
    }
    updated = row.on_conflict_do_update(index_elements=[JobResult.name], set_=changed).returning(JobResult)
    return _failing(db.session.scalars(updated, execution_options={"populate_existing": True}).one())


def list_key_refused() -> list[str]:
    """The names of what last failed because Stripe refused the key."""
    refused = select(JobResult.name).where(JobResult.failures > 0, JobResult.reason == FailureReason.KEY_REFUSED)
    return list(db.session.scalars(refused.order_by(JobResult.name)))


def list_failing() -> list[FailingJob]:
    """Jobs that keep failing; after the first failure already when the reason is a rejected key, a silent Stripe or a wrong clock."""
    return [_failing(row) for row in db.session.scalars(select(JobResult).where(_is_reported()).order_by(JobResult.name))]


def by_cause(failing: Sequence[FailingJob]) -> list[list[FailingJob]]:
    """The jobs that fail for one and the same cause outside, such as a refused key, together; each other job by itself."""
    causes: dict[str, list[FailingJob]] = {}
    for job in failing:
        causes.setdefault(job.reason if job.reason in SHARED_REASONS else job.name, []).append(job)
    return list(causes.values())


def _is_reported() -> ColumnElement[bool]:
    at_once = JobResult.reason.in_(list(SHARED_REASONS))
    return (JobResult.failures >= REPORTED_FAILURES) | ((JobResult.failures > 0) & at_once)


def _failing(row: JobResult) -> FailingJob:
    assert row.failing_since is not None
    since, reason = row.failing_since, FailureReason(row.reason or FailureReason.ERROR)
    return FailingJob(name=row.name, since=since, failures=row.failures, reason=reason, error=row.error or "")
