"""Alerts: what happened at Stripe that changes no books by itself but that staff should know. Staff close them.

There is one of each kind for an object. It is raised again when there is more to say of it: another status, another sum.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, Select, UniqueConstraint, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.staff import audit

# Who closed an alert that is no longer so.
WITHDRAWN = "withdrawn"


class AlertKind(StrEnum):
    """What staff should know.

    NOT_TAKEN: an invoice is paid at Stripe in whole or in part without money that Stripe took. LOSS_BEYOND_CHARGE: disputes took more than
    the donor was charged. UNKNOWN_STATUS: Stripe reports a status that we do not know. DISPUTED_AGREEMENT: a dispute ends a monthly gift.
    FAILED_AFTER_SUCCESS: Stripe reports that a payment failed that it had reported as succeeded. AFTER_SEAL: money moved at Stripe that the books
    of a sealed campaign do not take any more.
    """

    NOT_TAKEN = "not_taken"
    LOSS_BEYOND_CHARGE = "loss_beyond_charge"
    UNKNOWN_STATUS = "unknown_status"
    DISPUTED_AGREEMENT = "disputed_agreement"
    FAILED_AFTER_SUCCESS = "failed_after_success"
    AFTER_SEAL = "after_seal"


class StripeAlert(Base):
    """One alert about an object at Stripe. `detail` holds what its sentence says (texts/stripe_alerts.py)."""

    __tablename__ = "stripe_alert"
    __table_args__ = (UniqueConstraint("kind", "object_id", name="one_alert_of_a_kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    object_id: Mapped[str]
    donation_id: Mapped[int | None] = mapped_column(ForeignKey("donation.id"), index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    raised_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]


Index("ix_stripe_alert_open", StripeAlert.id, postgresql_where=StripeAlert.closed_at.is_(None))


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alert to raise: the object at Stripe, the donation that it is about, and the values of its sentence."""

    kind: AlertKind
    object_id: str
    donation_id: int | None
    detail: dict[str, Any]


def raise_alert(alert: Alert) -> None:
    """Store the alert, or raise it again, unless it was raised with the same details."""
    row = insert(StripeAlert).values(**vars(alert))
    again = {"detail": row.excluded.detail, "raised_at": func.now(), "closed_at": None, "closed_by": None}
    changed = StripeAlert.detail.is_distinct_from(row.excluded.detail)
    db.session.execute(row.on_conflict_do_update(constraint="one_alert_of_a_kind", set_=again, where=changed))


def remove_alert(kind: AlertKind, object_id: str) -> None:
    """Close the alert of this kind about the object, if it is open: what it says is no longer so."""
    open_alert = update(StripeAlert).where(StripeAlert.kind == kind, StripeAlert.object_id == object_id, StripeAlert.closed_at.is_(None))
    withdrawn = open_alert.values(closed_at=func.now(), closed_by=WITHDRAWN, detail=text("'{}'"))
    db.session.execute(withdrawn, execution_options={"synchronize_session": False})


def list_open(*, limit: int) -> list[StripeAlert]:
    """Alerts that no one has closed, newest first."""
    alerts = select(StripeAlert).where(StripeAlert.closed_at.is_(None)).order_by(StripeAlert.id.desc())
    return list(db.session.scalars(alerts.limit(limit)))


def count_open() -> int:
    """How many alerts no one has closed."""
    return db.session.scalar(open_count()) or 0


def open_count() -> Select[int]:
    """The query of how many alerts no one has closed."""
    return select(func.count()).where(StripeAlert.closed_at.is_(None))


def close(alert_id: int, *, actor: str) -> bool:
    """Close the alert. Returns False when it is closed already, or unknown."""
    alert = db.session.get(StripeAlert, alert_id, with_for_update=True, populate_existing=True)
    if alert is None or alert.closed_at is not None:
        return False
    alert.closed_at, alert.closed_by = func.now(), actor
    audit.record(actor, f"alert closed: {alert.kind}", alert.object_id)
    db.session.flush()
    return True
