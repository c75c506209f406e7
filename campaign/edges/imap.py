"""Reads a mailbox through IMAP (RFC 9051). Whatever keeps a server from answering is one exception, whose text has no secret."""

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

TIMEOUT_SECONDS = 15
PORT, TLS_PORT = 143, 993
_UID = re.compile(rb"\d+")


class MailboxUnavailable(Exception):
    """The server could not be reached, refused the login, or broke off. Try again later."""


class Mailbox:
    """An open mailbox. Each method raises MailboxUnavailable."""

    def __init__(self, server: imaplib.IMAP4) -> None:
        self._server = server

    def unread(self) -> list[str]:
        """The unique ids of the messages that are not marked as read, the earliest first."""
        with _translated_errors("search"):
            (found,) = _ok(self._server.uid("SEARCH", "UNSEEN"))[:1]
        return [uid.decode() for uid in _UID.findall(found if isinstance(found, bytes) else b"")]

    def read(self, uid: str, *, max_bytes: int) -> bytes:
        """The beginning of a message, up to so many bytes; empty if it is gone. It stays unread."""
        with _translated_errors("fetch"):
            answer = _ok(self._server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{max_bytes}>)"))
        return next((part[1] for part in answer if isinstance(part, tuple)), b"")[:max_bytes]

    def mark_as_read(self, uid: str) -> None:
        """Mark the message as read. It stays in the mailbox."""
        with _translated_errors("store"):
            _ok(self._server.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)"))


@contextmanager
def open_mailbox(url: str) -> Iterator[Mailbox]:
    """The mailbox of a URL, as `imaps://user:password@host/INBOX` or `imap://…?tls=starttls`. Raises MailboxUnavailable."""
    server = _connect(url)
    try:
        yield Mailbox(server)
    finally:
        _disconnect(server)


def _connect(url: str) -> imaplib.IMAP4:
    parts = urlsplit(url)
    with _translated_errors("connection"):
        server = _reach(parts)
    try:
        with _translated_errors("login"):
            server.login(_quoted(unquote(parts.username or "")), unquote(parts.password or ""))
        with _translated_errors("folder"):
            _ok(server.select(_quoted(unquote(parts.path).strip("/") or "INBOX")))
    except MailboxUnavailable:
        _disconnect(server)
        raise
    return server


def _reach(parts: SplitResult) -> imaplib.IMAP4:
    host = parts.hostname or ""
    if parts.scheme == "imaps":
        return imaplib.IMAP4_SSL(host, parts.port or TLS_PORT, ssl_context=ssl.create_default_context(), timeout=TIMEOUT_SECONDS)
    server = imaplib.IMAP4(host, parts.port or PORT, timeout=TIMEOUT_SECONDS)
    try:
        if parse_qs(parts.query).get("tls", [""])[0] == "starttls":
            server.starttls(ssl.create_default_context())
    except (OSError, imaplib.IMAP4.error):
        _close(server)
        raise
    return server


def _disconnect(server: imaplib.IMAP4) -> None:
    try:
        server.logout()
    except (OSError, imaplib.IMAP4.error):
        _close(server)


def _close(server: imaplib.IMAP4) -> None:
    with suppress(OSError):
        server.shutdown()


def _quoted(text: str) -> str:
    """A quoted string; the library quotes passwords alone."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    kind, data = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(kind)
    return data


@contextmanager
def _translated_errors(step: str) -> Iterator[None]:
    try:
        yield
    except (OSError, imaplib.IMAP4.error, UnicodeError) as error:
        # Only the kind of the error: a server may repeat what it was sent.
        raise MailboxUnavailable(f"{step}: {type(error).__name__}") from None
