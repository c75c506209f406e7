"""The audit trail: one row for each action of staff or operators, written in the transaction of the action and never changed."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Index, exists, func, select
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db

# In the detail of entries whose subject another charity may have too.
OF_CHARITY = "of_charity"


class AuditEntry(Base):
    """One action. `actor` is a staff e-mail address or a name such as `command line` or `Stripe`; `subject` names the object."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]

    @property
    def charity_id(self) -> int | None:
        """The charity whose object the subject is; None for what is of no charity, or was recorded before that was."""
        found: int | None = self.detail.get(OF_CHARITY)
        return found


Index("ix_audit_entry_subject", AuditEntry.subject, AuditEntry.id)


def record(actor: str, action: str, subject: str, **detail: object) -> AuditEntry:
    """Insert an audit entry; `detail` is stored as JSON, with `of_charity`, an id, where several charities may have a subject of this name."""
    entry = AuditEntry(actor=actor, action=action, subject=subject, detail=detail)
    db.session.add(entry)
    return entry


def has_entry(action: str, subject: str) -> bool:
    """Whether this was ever done."""
    return db.session.scalar(select(exists().where(AuditEntry.action == action, AuditEntry.subject == subject))) is True


def entries_about(subject: str, actions: Collection[str]) -> list[AuditEntry]:
    """What was done to the object by one of these actions, the latest first."""
    found = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.action.in_(actions))
    return list(db.session.scalars(found.order_by(AuditEntry.id.desc())))
