"""I16: each document of a receipt has the hash that was stored with it. Reading them takes longer than all else, so it is done beside it."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

# How many connections read at the same time. One alone waits for the disk more than it reads.
READERS = 2
MAX_SECONDS = 600
# The hash is computed here: PostgreSQL without OpenSSL needs four times as long.
_ANY = "SELECT EXISTS (SELECT FROM receipt_document d WHERE {condition})"
_DOCUMENTS = """
    SELECT r.serial, d.kind, d.sha256, d.pdf FROM receipt_document d JOIN receipt r ON r.id = d.receipt_id
    WHERE ({condition}) AND (d.pdf <> '' OR d.rendered_at > now() - interval '6 years') AND d.receipt_id % {readers} = {reader}
    """


@contextmanager
def read_documents(engine: Engine, snapshot: Connection, condition: str) -> Iterator[list[str]]:
    """Read the documents of the snapshot that meet the condition during the block. The list has the findings after it."""
    if not snapshot.scalar(text(_ANY.format(condition=condition))):
        yield []
        return
    name = str(snapshot.scalar(text("SELECT pg_export_snapshot()")))
    findings: list[str] = []
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(_find_unequal, engine, name, condition, reader) for reader in range(READERS)]
        yield findings
        for reader in readers:
            findings += reader.result()


def _find_unequal(engine: Engine, snapshot_name: str, condition: str, reader: int) -> list[str]:
    query = _DOCUMENTS.format(condition=condition, readers=READERS, reader=reader)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as snapshot:
        snapshot.execute(text(f"SET TRANSACTION SNAPSHOT '{snapshot_name}'"))
        snapshot.execute(text(f"SET LOCAL statement_timeout = '{MAX_SECONDS}s'"))
        return [
            f"I16: the {kind} document of receipt {serial} does not have the stored hash."
            for serial, kind, stored, pdf in _large_rows(snapshot, query)
            if hashlib.sha256(pdf).digest() != stored
        ]


def _large_rows(snapshot: Connection, query: str) -> Iterator[tuple[str, str, bytes, bytes]]:
    """Yield each row while the next ones are on their way, so that rows of any number and size take little memory."""
    connection = snapshot.connection.driver_connection
    assert connection
    with connection.cursor(binary=True) as cursor:
        yield from cursor.stream(query)
