"""Reads rows of one database snapshot, so that all checks see the same moment."""

from collections.abc import Iterator

from sqlalchemy import Connection, text


def rows(snapshot: Connection, sql: str) -> Iterator[tuple[object, ...]]:
    """Yield each row of the query as a plain tuple."""
    for row in snapshot.execute(text(sql)):
        yield tuple(row)
