"""Signs that the service works: heartbeats of workers, stored in the database and so independent of Redis, and Stripe's webhooks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.donations.donations import Donation
from campaign.edges.db import Base, db
from campaign.stripe_sync.inbox import StripeEvent

WORKER_TIMEOUT = timedelta(seconds=25)
# Stripe sends the event of an ended checkout within seconds; after minutes without one, webhooks do not arrive.
WEBHOOK_TIMEOUT = timedelta(minutes=10)
EVENTS_EXAMINED, CHECKOUTS_EXAMINED = 1000, 200


class Heartbeat(Base):
    """The last heartbeat by name."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


def beat(name: str) -> None:
    """Record a heartbeat."""
    db.session.execute(insert(Heartbeat).values(name=name).on_conflict_do_update(index_elements=[Heartbeat.name], set_={"at": func.now()}))


def is_worker_alive() -> bool:
    """Whether there was a heartbeat within the last 25 seconds."""
    return db.session.scalar(select(func.count()).where(Heartbeat.at > func.now() - WORKER_TIMEOUT)) != 0


@dataclass(frozen=True, kw_only=True)
class Silence:
    """`checkouts` have ended without a webhook after `since`, the last webhook; None when the examined events have none."""

    since: datetime | None
    checkouts: int


def webhook_silence() -> Silence | None:
    """The silence of Stripe's webhooks; None when they arrive. Examines only the latest events and checkouts, to bound the cost."""
    since, count = db.session.execute(_ended_since_webhook()).one()
    return Silence(since=since, checkouts=count) if count else None


@cache
def _ended_since_webhook() -> Select[datetime, int]:
    """The query of when the last webhook came, and how many checkouts that began since have ended."""
    latest = select(StripeEvent.source, StripeEvent.received_at).order_by(StripeEvent.id.desc()).limit(EVENTS_EXAMINED).subquery()
    received_at = select(func.max(latest.c.received_at)).where(latest.c.source == "webhook").scalar_subquery()
    d = select(Donation).order_by(Donation.id.desc()).limit(CHECKOUTS_EXAMINED).subquery()
    has_ended = func.least(d.c.received_at, d.c.checkout_expires_at) < func.now() - WEBHOOK_TIMEOUT
    is_later = or_(received_at.is_(None), d.c.started_at > received_at)
    return select(received_at, select(func.count()).where(d.c.checkout_id.is_not(None), has_ended, is_later).scalar_subquery())
