"""A mailbox for development: receives every email by SMTP, stores it, and shows it with its attachments in the browser."""

import email
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Blueprint, Response, abort, current_app, jsonify, render_template

bp = Blueprint("mailbox", __name__)

MAX_MESSAGE_BYTES = 25 * 1024 * 1024


class Mailbox:
    """All emails that were received."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS mail (id INTEGER PRIMARY KEY, recipients TEXT, raw BLOB, at TEXT DEFAULT CURRENT_TIMESTAMP)"
        )
        self._lock = threading.Lock()

    def store(self, recipients: list[str], raw: bytes) -> None:
        """Store an email."""
        with self._lock:
            self._db.execute("INSERT INTO mail (recipients, raw) VALUES (?, ?)", (json.dumps(recipients), raw))

    def newest(self, limit: int = 100) -> Iterator[tuple[int, list[str], EmailMessage, str]]:
        """Number, recipients, message and time (UTC) of the newest emails, newest first."""
        with self._lock:
            rows = self._db.execute("SELECT id, recipients, raw, at FROM mail ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        for number, recipients, raw, at in rows:
            yield number, json.loads(recipients), _parse(raw), at

    def clear(self) -> None:
        """Delete all emails."""
        with self._lock:
            self._db.execute("DELETE FROM mail")

    def raw(self, number: int) -> bytes | None:
        """The source of an email, None when there is none of this number."""
        with self._lock:
            row = self._db.execute("SELECT raw FROM mail WHERE id = ?", (number,)).fetchone()
        return row[0] if row else None


class Receiver:
    """Stores what the SMTP server receives."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Store the message."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        self._mailbox.store(list(envelope.rcpt_tos), content)
        return "250 Stored"


def listen(mailbox: Mailbox, port: int) -> None:
    """Start an SMTP server on this port."""
    Controller(Receiver(mailbox), hostname="127.0.0.1", port=port, data_size_limit=MAX_MESSAGE_BYTES).start()


def _parse(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _mailbox() -> Mailbox:
    found = current_app.extensions["mailbox"]
    assert isinstance(found, Mailbox)
    return found


def _message(number: int) -> EmailMessage:
    raw = _mailbox().raw(number)
    if raw is None:
        abort(404)
    return _parse(raw)


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""


def _attachments(message: EmailMessage) -> list[Any]:
    return list(message.iter_attachments())


def _summary(number: int, recipients: list[str], message: EmailMessage, at: str) -> dict[str, Any]:
    return {
        "id": number,
        "to": recipients,
        "from": str(message["From"]),
        "subject": str(message["Subject"]),
        "message_id": str(message["Message-ID"]),
        "at": at,
        "attachments": [a.get_filename() for a in _attachments(message)],
        "text": _body(message, "plain"),
    }


@bp.get("/")
def home() -> str:
    """All emails."""
    return render_template("mailbox.html", mails=[_summary(*mail) for mail in _mailbox().newest()])


@bp.get("/mails.json")
def as_data() -> Response:
    """All emails, as JSON for scripts."""
    return jsonify([_summary(*mail) for mail in _mailbox().newest()])


@bp.get("/mails/<int:number>")
def show(number: int) -> str:
    """One email: HTML, text and attachments."""
    message = _message(number)
    files = [(i, a.get_filename(), len(a.get_content())) for i, a in enumerate(_attachments(message))]
    return render_template(
        "mail.html", number=number, mail=_summary(number, [str(message["To"])], message, str(message["Date"])), files=files
    )


@bp.get("/mails/<int:number>/html")
def html(number: int) -> Response:
    """The HTML part, with a policy that lets it run and load nothing."""
    response = Response(_body(_message(number), "html"), mimetype="text/html")
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox allow-popups"
    return response


@bp.get("/mails/<int:number>/raw")
def raw(number: int) -> Response:
    """The source of the email."""
    found = _mailbox().raw(number)
    if found is None:
        abort(404)
    return Response(found, mimetype="text/plain")


@bp.get("/mails/<int:number>/attachments/<int:which>")
def attachment(number: int, which: int) -> Response:
    """One attached file."""
    files = _attachments(_message(number))
    if which >= len(files):
        abort(404)
    name = re.sub(r'[\r\n"\\]', "_", files[which].get_filename() or "file")
    response = Response(files[which].get_content(), mimetype=files[which].get_content_type())
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    return response
