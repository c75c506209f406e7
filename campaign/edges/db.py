"""The database: our own declarative base, the session, and how it is opened.

Verbs use `db.session` and never commit; `commit` stands at the doors.
"""

import select
from datetime import datetime
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, MetaData, QueuePool, Text, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase, registry


class Base(DeclarativeBase):
    """All tables. Sums are 64-bit whole cents, moments carry their zone, text has no length of its own."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "%(table_name)s_%(column_0_N_name)s_is_unique",
                "ck": "%(constraint_name)s",
                "fk": "%(table_name)s_%(column_0_N_name)s_exists",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={int: BigInteger, str: Text, datetime: DateTime(timezone=True), dict[str, Any]: JSONB},
    )


# What was read stays readable after a commit, without asking again: whoever decides about money locks and reads anew first.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


KEEPING = "keeping"


def engine_options(*, pool_size: int = 20) -> dict[str, Any]:
    """Bounded waits: a lock, a statement or an idle transaction never holds the service for longer than this."""
    return {
        "pool_size": pool_size,
        "max_overflow": 10,
        "hide_parameters": True,  # Names and addresses stay out of errors, and so out of logs.
        "pool_timeout": 10,
        "connect_args": {
            "connect_timeout": 3,
            "application_name": "campaign",
            "options": "-c timezone=UTC -c lock_timeout=8s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
        },
    }


def keeping_options(url: str) -> dict[str, Any]:
    """For what is kept by one statement: durable when it returns, without a transaction around it or a question before it."""
    options = engine_options(pool_size=2)  # One thread at a time keeps for all who wait (together.py).
    return {**options, "url": url, "max_overflow": 0, "isolation_level": "AUTOCOMMIT"}


@event.listens_for(QueuePool, "checkout")
def refuse_dead(connection: DBAPIConnection, *_: object) -> None:
    """A connection that lies in the pool has nothing to say: one that does was ended by the database, as after a restart.

    Then all that were opened before are looked at no more. Asking the database each time would cost as much as a small question.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        raise InvalidatePoolError


def hang_up() -> None:
    """Close every connection of this app; whoever asks next opens a new one."""
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()
