"""For how long what is stored about people stays, as the charity has set it, and what was erased last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.rules.retention import PERIODS, Retained
from campaign.staff import audit


class RetentionRule(Base):
    """One kind of data: the period in days if the charity has set one, when it was last gone through and erased from, how many rows then and in all."""

    __tablename__ = "retention_rule"

    kind: Mapped[str] = mapped_column(primary_key=True)
    days: Mapped[int | None]
    run_at: Mapped[datetime | None]
    erased_at: Mapped[datetime | None]
    erased: Mapped[int] = mapped_column(server_default="0", default=0)
    total: Mapped[int] = mapped_column(server_default="0", default=0)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """A kind of data with its period in days, 0 for the books, whose period is the law's, and what was erased of it."""

    kind: Retained
    days: int
    run_at: datetime | None
    erased_at: datetime | None
    erased: int
    total: int


def list_rules() -> list[Retention]:
    """All kinds, with what was erased of them."""
    rows = {row.kind: row for row in db.session.scalars(select(RetentionRule), execution_options={"populate_existing": True})}
    return [_retention(kind, rows.get(kind)) for kind in Retained]


def _retention(kind: Retained, row: RetentionRule | None) -> Retention:
    default = PERIODS[kind].default if kind in PERIODS else 0
    if row is None:
        return Retention(kind=kind, days=default, run_at=None, erased_at=None, erased=0, total=0)
    return Retention(kind=kind, days=row.days or default, run_at=row.run_at, erased_at=row.erased_at, erased=row.erased, total=row.total)


def days_of(kind: Retained) -> int:
    """The period of a kind in days."""
    return db.session.scalar(select(RetentionRule.days).where(RetentionRule.kind == kind)) or PERIODS[kind].default


def set_days(kind: Retained, days: int, *, actor: str) -> bool:
    """Set a period, with its audit row; returns whether it has changed. The caller commits."""
    before = days_of(kind)
    if before == days:
        return False
    row = insert(RetentionRule).values(kind=kind, days=days)
    db.session.execute(row.on_conflict_do_update(index_elements=["kind"], set_={"days": days}))
    audit.record(actor, "changed a period of retention", f"retention {kind}", before=before, after=days)
    return True


def record_run(kind: Retained, erased: int) -> None:
    """Record that all that is due of a kind was erased. The caller commits."""
    added = {"erased": erased, "total": erased, "erased_at": func.now()} if erased else {}
    row = insert(RetentionRule).values(kind=kind, run_at=func.now(), **added)
    changed: dict[str, Any] = {**added, "run_at": func.now()}
    if erased:
        changed["total"] = RetentionRule.total + erased
    db.session.execute(row.on_conflict_do_update(index_elements=["kind"], set_=changed))
