"""Messages that will not be tried again unless staff act."""

from sqlalchemy import Select, func, select

from campaign.edges.db import db
from campaign.outbox.messages import OutboxMessage


def list_dead(*, limit: int) -> list[OutboxMessage]:
    """Messages that will not be tried again, the latest first."""
    dead = select(OutboxMessage).where(OutboxMessage.dead_at.is_not(None))
    return list(db.session.scalars(dead.order_by(OutboxMessage.dead_at.desc()).limit(limit)))


def count_dead() -> int:
    """The number of messages that will not be tried again without staff."""
    return db.session.scalar(dead_count()) or 0


def dead_count() -> Select[int]:
    """The query of how many messages will not be tried again without staff."""
    return select(func.count()).where(OutboxMessage.dead_at.is_not(None))
