"""Sends what is read from the database by way of a file, which a thread fills ahead of the client.

The transaction lasts as long as the reading, and reads one snapshot: a client that takes an hour holds nothing open in the database, and is not
cut off when a session has been idle in a transaction for too long.
"""

import os
import tempfile
from collections.abc import Iterator
from contextvars import copy_context
from threading import Condition, Thread

from campaign.edges.db import db

CHUNK_BYTES = 64 * 1024


def read_ahead(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the bytes of the pieces, which are read in the context and with the session of the request. Raises what reading them raises.

    Nothing else may use the session until the last byte. A client that goes ends the reading.
    """
    with tempfile.TemporaryFile(prefix="export-", buffering=0) as file:
        spool = _Spool(file.fileno())
        reader = Thread(target=copy_context().run, args=(spool.fill, pieces), name="read-ahead")
        reader.start()
        try:
            yield from spool.chunks()
        finally:
            spool.is_abandoned = True
            reader.join()


class _Spool:
    """A file that one thread writes and another reads as it grows."""

    def __init__(self, file: int) -> None:
        self._file, self._size, self._is_complete = file, 0, False
        self._changed = Condition()
        self._error: Exception | None = None
        self.is_abandoned = False

    def fill(self, pieces: Iterator[bytes]) -> None:
        """Write the pieces, then end the transaction."""
        try:
            self._write(pieces)
        except Exception as error:  # The other thread raises it.
            self._error = error
        finally:
            with self._changed:
                self._is_complete = True
                self._changed.notify()

    def _write(self, pieces: Iterator[bytes]) -> None:
        db.session.rollback()
        try:
            db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            for piece in pieces:
                if self.is_abandoned:
                    return
                os.pwrite(self._file, piece, self._size)
                with self._changed:
                    self._size += len(piece)
                    self._changed.notify()
        finally:
            db.session.rollback()

    def chunks(self) -> Iterator[bytes]:
        """Yield what is written, as soon as it is."""
        at = 0
        while True:
            with self._changed:
                while self._size == at and not self._is_complete:
                    self._changed.wait()
            if chunk := os.pread(self._file, CHUNK_BYTES, at):
                at += len(chunk)
                yield chunk
            elif self._error:
                raise self._error
            elif at == self._size:
                return
