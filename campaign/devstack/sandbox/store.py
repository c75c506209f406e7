"""The state of the sandbox in one SQLite file, so that it survives a restart."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Doc = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS object (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, kind TEXT, created INTEGER, doc TEXT);
CREATE INDEX IF NOT EXISTS object_by_kind ON object (kind, seq);
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, request TEXT, status INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS delivery (event TEXT PRIMARY KEY, attempts INTEGER DEFAULT 0, due REAL, done REAL, last TEXT);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due) WHERE done IS NULL;
CREATE TABLE IF NOT EXISTS switch (name TEXT PRIMARY KEY, value TEXT);
"""


class Store:
    """Objects as JSON by their id, stored responses, deliveries and switches. Serializes all access."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)
        self._lock = threading.RLock()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction. A nested one joins the outer transaction."""
        with self._lock:
            nested = self._db.in_transaction
            if not nested:
                self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if not nested:
                    self._db.execute("ROLLBACK")
                raise
            if not nested:
                self._db.execute("COMMIT")

    def clear(self) -> None:
        """Delete everything, as in a new account."""
        with self.transaction():
            for table in ("object", "answer", "delivery", "switch"):
                self._db.execute(f"DELETE FROM {table}")  # one of four

    def clear_events(self) -> None:
        """Delete the events, as Stripe does after thirty days."""
        with self.transaction():
            self._db.execute("DELETE FROM object WHERE kind = 'event'")

    def put(self, doc: Doc) -> Doc:
        """Insert or update an object."""
        with self._lock:
            self._db.execute(
                "INSERT INTO object (id, kind, created, doc) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
                (doc["id"], doc["object"], doc.get("created", int(time.time())), json.dumps(doc, ensure_ascii=False)),
            )
        return doc

    def get(self, object_id: str, kind: str | None = None) -> Doc | None:
        """The object with this id; None when there is none, or when it is of another kind."""
        with self._lock:
            row = self._db.execute("SELECT kind, doc FROM object WHERE id = ?", (object_id,)).fetchone()
        return json.loads(row[1]) if row and kind in {None, row[0]} else None

    def newest(self, kind: str, *, limit: int, after: str | None = None, since: int = 0) -> list[Doc]:
        """Objects of a kind, newest first, that follow the object `after` in this order and were created at or after `since`."""
        with self._lock:
            below = self._db.execute("SELECT seq FROM object WHERE id = ?", (after,)).fetchone() if after else None
            rows = self._db.execute(
                "SELECT doc FROM object WHERE kind = ? AND seq < ? AND created >= ? ORDER BY seq DESC LIMIT ?",
                (kind, below[0] if below else 1 << 62, since, limit),
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def response(self, key: str) -> tuple[str, int, str] | None:
        """Request, status and body stored under an idempotency key."""
        with self._lock:
            row = self._db.execute("SELECT request, status, body FROM answer WHERE key = ?", (key,)).fetchone()
        return (row[0], row[1], row[2]) if row else None

    def store_response(self, key: str, request: str, status: int, body: str) -> None:
        """Store a response under its idempotency key, unless the key has one."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?)", (key, request, status, body))

    def enqueue_delivery(self, event_id: str, *, late: float = 0) -> None:
        """Queue an event for the webhook, due in `late` seconds."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO delivery (event, due) VALUES (?, ?)", (event_id, time.time() + late))

    def requeue_delivery(self, event_id: str) -> None:
        """Make a queued or sent event due now."""
        with self._lock:
            self._db.execute("UPDATE delivery SET done = NULL, due = 0 WHERE event = ?", (event_id,))

    def due_deliveries(self, limit: int, *, order: str = "oldest") -> list[tuple[str, int]]:
        """Events that are due, with the number of attempts so far; in order `oldest`, `newest` or `random`."""
        by = {"oldest": "due, rowid", "newest": "due DESC, rowid DESC", "random": "random()"}[order]
        with self._lock:
            return self._db.execute(
                f"SELECT event, attempts FROM delivery WHERE done IS NULL AND due <= ? ORDER BY {by} LIMIT ?",  # one of three
                (time.time(), limit),
            ).fetchall()

    def mark_delivered(self, event_id: str, *, last: str) -> None:
        """Record the last attempt: the webhook accepted the event, or attempts are exhausted."""
        with self._lock:
            self._db.execute(
                "UPDATE delivery SET done = ?, last = ?, attempts = attempts + 1 WHERE event = ?", (time.time(), last, event_id)
            )

    def retry_later(self, event_id: str, *, last: str, delay: float) -> None:
        """Record a failed attempt and retry in `delay` seconds."""
        with self._lock:
            self._db.execute(
                "UPDATE delivery SET attempts = attempts + 1, due = ?, last = ? WHERE event = ?", (time.time() + delay, last, event_id)
            )

    def undelivered(self) -> set[str]:
        """The events that the webhook endpoint was sent and has not accepted, or not yet."""
        with self._lock:
            return {
                row[0]
                for row in self._db.execute("SELECT event FROM delivery WHERE attempts > 0 AND last NOT LIKE '2%' AND last NOT LIKE 'no%'")
            }

    def deliveries(self, limit: int) -> list[tuple[str, int, float | None, str | None]]:
        """Event id, attempts, completion time and last result of the latest events."""
        with self._lock:
            return self._db.execute("SELECT event, attempts, done, last FROM delivery ORDER BY rowid DESC LIMIT ?", (limit,)).fetchall()

    def switch(self, name: str, default: str) -> str:
        """A setting of the control page."""
        with self._lock:
            row = self._db.execute("SELECT value FROM switch WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else default

    def set_switch(self, name: str, value: str) -> None:
        """Change a setting of the control page."""
        with self._lock:
            self._db.execute("INSERT INTO switch VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value))
