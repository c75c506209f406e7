"""A sign of life from the workers, in the database, so that it is seen with Redis away."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from campaign.edges.db import Base, db

LATE = timedelta(seconds=25)


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
