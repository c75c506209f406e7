"""The database: the declarative base, the session, and engine options.

Operations use `db.session` and never commit; entry points, `*_actions.py` and `*_jobs.py` do.
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
    """The base of all tables. Integers are 64-bit, moments have a time zone, text has no maximum length."""

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


# Loaded objects stay readable after a commit without a query. Operations that decide about money lock and reload first.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


AUTOCOMMIT = "keeping"


def engine_options(*, pool_size: int = 20) -> dict[str, Any]:
    """Engine options with a timeout on connections, locks, statements and idle transactions.

    No query of a page runs long enough to pay for its compilation (JIT), which PostgreSQL decides on by estimates.
    """
    return {
        "pool_size": pool_size,
        "max_overflow": 10,
        "hide_parameters": True,  # Keeps names and addresses out of errors and logs.
        "pool_timeout": 10,
        "connect_args": {
            "connect_timeout": 3,
            "application_name": "campaign",
            "options": "-c timezone=UTC -c jit=off -c lock_timeout=8s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
        },
    }


def autocommit_options(url: str) -> dict[str, Any]:
    """Engine options for writes of one statement: durable when it returns, without a round trip for BEGIN or COMMIT."""
    options = engine_options(pool_size=2)  # One thread at a time writes for all (group_commit.py).
    return {**options, "url": url, "max_overflow": 0, "isolation_level": "AUTOCOMMIT"}


@event.listens_for(QueuePool, "checkout")
def discard_dead_connection(connection: DBAPIConnection, *_: object) -> None:
    """Invalidate the pool when the database has closed an idle connection, as after a restart.

    An idle connection has nothing to read unless the server closed it. Polling the socket is free; a query at each checkout is not.
    """
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    if poller.poll(0):
        raise InvalidatePoolError


def close_connections() -> None:
    """Close every connection of this app. The next query opens a new one."""
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()
