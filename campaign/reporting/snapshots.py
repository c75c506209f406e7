"""Rows of one snapshot of the database, for checks that must all see the same moment."""

from collections.abc import Iterator

from sqlalchemy import Connection, text


def rows(snapshot: Connection, sql: str) -> Iterator[tuple[object, ...]]:
    """Each row of the query, as a plain tuple."""
    for row in snapshot.execute(text(sql)):
        yield tuple(row)
