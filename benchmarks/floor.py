"""The baseline for webhooks: a handler that only verifies the signature and inserts the body with psycopg."""

import hashlib
import hmac
import json
import os
import queue
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

SECRET = os.environ["STRIPE_WEBHOOK_SECRETS"].encode()
URL = os.environ["DATABASE_URL"].replace("+psycopg", "")
_connections: queue.SimpleQueue[psycopg.Connection[Any]] = queue.SimpleQueue()


def _connection() -> psycopg.Connection[Any]:
    try:
        return _connections.get_nowait()
    except queue.Empty:
        return psycopg.connect(URL)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond 200 when the body is signed and stored, otherwise 400."""
    if environ["REQUEST_METHOD"] == "GET":
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    stamp, mac = (part.split("=", 1)[1] for part in environ["HTTP_STRIPE_SIGNATURE"].split(","))
    is_valid = hmac.compare_digest(mac, hmac.new(SECRET, stamp.encode() + b"." + body, hashlib.sha256).hexdigest())
    event = json.loads(body)
    connection = _connection()
    if is_valid:
        connection.execute("INSERT INTO floor_event VALUES (%s, %s) ON CONFLICT DO NOTHING", [event["id"], body])
        connection.commit()
    _connections.put(connection)
    start_response("200 OK" if is_valid else "400 Bad Request", [("Content-Length", "5")])
    return [b"Done\n"]
