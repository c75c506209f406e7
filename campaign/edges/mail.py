"""Handing a mail to an SMTP server, and saying plainly how that ended."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    mime_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message in the reader's language, text and HTML saying the same."""

    message_id: str
    at: datetime
    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    language: str
    subject: str
    text: str
    html: str
    attachments: Sequence[Attachment] = ()


class MailRefused(Exception):
    """The server will never take this message (a 5xx answer): staff must look."""


class MailDelayed(Exception):
    """The server could not be reached or asked us to come back: it has nothing, try again later."""


class MailUnknown(Exception):
    """The connection broke while the message was being handed over: the server may have it, or not."""


class _Server(smtplib.SMTP):
    """Remembers whether the message itself was on its way when something went wrong."""

    is_handing_over = False

    def data(self, message: Any) -> tuple[int, bytes]:
        self.is_handing_over = True
        answer = super().data(message)
        self.is_handing_over = False
        return answer


class _TlsServer(smtplib.SMTP_SSL, _Server):
    """The same by TLS from the first byte."""


def compose(mail: Message) -> EmailMessage:
    """The message itself. The same mail makes the same bytes: boundaries come from the Message-ID, the date from the books."""
    message = EmailMessage()
    message["Message-ID"] = mail.message_id
    message["Date"] = format_datetime(mail.at)
    message["From"] = _address(mail.sender_name, mail.sender)
    message["To"] = _address(mail.recipient_name, mail.recipient)
    message["Subject"] = mail.subject
    message["Content-Language"] = mail.language
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    for attachment in mail.attachments:
        kind, _, subtype = attachment.mime_type.partition("/")
        message.add_attachment(attachment.content, maintype=kind, subtype=subtype, filename=attachment.name)
    mark = mail.message_id.strip("<>").partition("@")[0]
    for number, part in enumerate(p for p in message.walk() if p.is_multipart()):
        part.set_boundary(f"={mark}={number}=")
    return message


def digest(message: EmailMessage) -> bytes:
    """SHA-256 of the message's bytes."""
    return sha256(message.as_bytes()).digest()


def send(mail_url: str, message: EmailMessage) -> None:
    """Hand the message over; raises MailRefused, MailDelayed or MailUnknown."""
    try:
        server = _connection(mail_url)
    except (OSError, smtplib.SMTPException) as error:
        raise MailDelayed(f"no connection: {type(error).__name__}") from None
    try:
        server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code = max(answer[0] for answer in error.recipients.values())
        raise (MailRefused if code >= 500 else MailDelayed)(f"recipient refused: {code}") from None
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise (MailRefused if error.smtp_code >= 500 else MailDelayed)(f"{type(error).__name__} {error.smtp_code}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailRefused(str(error)) from None
    except (OSError, smtplib.SMTPException) as error:
        raise (MailUnknown if server.is_handing_over else MailDelayed)(type(error).__name__) from None
    finally:
        _leave(server)


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; how that is answered says nothing about the mail."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def _connection(mail_url: str) -> _Server:
    url = urlsplit(mail_url)
    tls = parse_qs(url.query).get("tls", [""])[0]
    host, port = url.hostname or "localhost", url.port
    if url.scheme == "smtps" or tls in {"implicit", "ssl", "tls"}:
        server: _Server = _TlsServer(host, port or 465, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
    else:
        server = _Server(host, port or 25, timeout=TIMEOUT_SECONDS)
    try:
        if tls == "starttls":
            server.starttls(context=ssl.create_default_context())
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
    except (OSError, smtplib.SMTPException):
        server.close()
        raise
    return server


def _address(name: str, address: str) -> Address:
    plain = parseaddr(address)[1] or address
    local, _, domain = plain.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)
