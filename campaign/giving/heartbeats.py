"""Signs of life: of the workers, in the database, so that it is seen with Redis away; and of Stripe's webhooks."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db
from campaign.giving.donations import Donation
from campaign.giving.stripe_events import StripeEvent

LATE = timedelta(seconds=25)
# A checkout that has ended is told of within seconds; when no word of several minutes' worth came, none is coming.
WEBHOOK_LATE = timedelta(minutes=10)
EVENTS_LOOKED_AT, CHECKOUTS_LOOKED_AT = 1000, 200


class Heartbeat(Base):
    """The last moment at which a worker was seen."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())


def beat(name: str) -> None:
    """This worker lives."""
    db.session.execute(insert(Heartbeat).values(name=name).on_conflict_do_update(index_elements=[Heartbeat.name], set_={"at": func.now()}))


def is_recent() -> bool:
    """Whether any worker was seen of late."""
    return db.session.scalar(select(func.count()).where(Heartbeat.at > func.now() - LATE)) != 0


@dataclass(frozen=True, kw_only=True)
class Silence:
    """No webhook came although checkouts have ended: since when, None for never within what is looked at, and how many ended in that time."""

    since: datetime | None
    checkouts: int


def webhooks_silent() -> Silence | None:
    """Whether Stripe's own list had to tell us what webhooks should have told. The last events and checkouts are looked at, whatever their number."""
    latest = select(StripeEvent.source, StripeEvent.received_at).order_by(StripeEvent.id.desc()).limit(EVENTS_LOOKED_AT).subquery()
    heard_at = db.session.scalar(select(func.max(latest.c.received_at)).where(latest.c.source == "webhook"))
    d = select(Donation).order_by(Donation.id.desc()).limit(CHECKOUTS_LOOKED_AT).subquery()
    over = func.least(d.c.paid_at, d.c.checkout_expires_at)
    ended = select(func.count()).where(d.c.checkout_id.is_not(None), over < func.now() - WEBHOOK_LATE)
    if heard_at is not None:
        ended = ended.where(d.c.begun_at > heard_at)
    count = db.session.scalar(ended) or 0
    return Silence(since=heard_at, checkouts=count) if count else None
