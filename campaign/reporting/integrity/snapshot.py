"""Reads rows of one database snapshot, so that all checks see the same moment."""

from collections.abc import Iterator

from sqlalchemy import Connection, text


def rows(snapshot: Connection, sql: str) -> Iterator[tuple[object, ...]]:
    """Yield each row of the query as a plain tuple."""
    for row in snapshot.execute(text(sql)):
        yield tuple(row)


def large_rows(snapshot: Connection, sql: str) -> Iterator[tuple[object, ...]]:
    """Yield each row while the next ones are on their way, so that rows of any number and size take little memory.

    The query has no parameters. No other query may run on the snapshot until the last row is read.
    """
    connection = snapshot.connection.driver_connection
    assert connection
    with connection.cursor(binary=True) as cursor:
        yield from cursor.stream(sql)
