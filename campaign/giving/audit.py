"""Who did what: one row for each act of staff or operator, written in the transaction of the act and never changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db


class AuditEntry(Base):
    """One act. `actor` is an e-mail address of staff or `command line`; `subject` names what was acted on."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    act: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]


def record(actor: str, act: str, subject: str, **detail: object) -> None:
    """Write the act down."""
    db.session.add(AuditEntry(actor=actor, act=act, subject=subject, detail=detail))
