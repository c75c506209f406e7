"""Sends email through an SMTP server. Each outcome but success is one of three exceptions."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT_SECONDS = 15
# Relays such as Amazon SES replace the Message-ID; they keep this field, so that a returned message can still be recognized.
OUR_ID = "Campaign-Message-ID"
MAX_ENVELOPE_ID = 100


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file attached to an email."""

    name: str
    mime_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class OutgoingEmail:
    """One email in the recipient's language; text and HTML have the same content.

    Answers go to `reply_to`; empty if they go to the sender. None is for an email that was frozen before emails had Reply-To,
    Content-Language and OUR_ID: it is built without them, so that its bytes stay as they were. A mail program posts to `unsubscribe_url` when
    its user wants them to end (RFC 8058).
    """

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
    reply_to: str | None = ""
    unsubscribe_url: str = ""
    attachments: Sequence[Attachment] = ()


class MailRefused(Exception):
    """The server rejected the message permanently (a 5xx reply): staff must act."""


class MailDeferred(Exception):
    """The server could not be reached or gave a temporary error: it does not have the message. Retry later."""


class MailUnknown(Exception):
    """The connection broke while the message was being sent: the server may or may not have it."""


class _Server(smtplib.SMTP):
    """Records whether an error came after the transfer of the message began."""

    is_sending_data = False

    def data(self, message: Any) -> tuple[int, bytes]:
        self.is_sending_data = True
        reply = super().data(message)
        self.is_sending_data = False
        return reply


class _TlsServer(smtplib.SMTP_SSL, _Server):
    """The same over implicit TLS."""


def build_message(mail: OutgoingEmail) -> EmailMessage:
    """Build the MIME message. The same email gives the same bytes: boundaries are derived from the Message-ID, the date is `at`.

    A name that the header cannot carry unchanged is left out: the address stays.
    """
    message = EmailMessage()
    message["Message-ID"] = mail.message_id
    message["Date"] = format_datetime(mail.at)
    message["From"] = _address(mail.sender_name, mail.sender)
    message["To"] = _address(mail.recipient_name, mail.recipient)
    # Python folds some subjects with accents so that a space is lost; its older encoder does not.
    message.set_raw("Subject", mail.subject if mail.subject.isascii() else Header(mail.subject, "utf-8", header_name="Subject").encode())
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    for attachment in mail.attachments:
        maintype, _, subtype = attachment.mime_type.partition("/")
        message.add_attachment(attachment.content, maintype=maintype, subtype=subtype, filename=attachment.name)
    _add_later_fields(message, mail)
    prefix = mail.message_id.strip("<>").partition("@")[0]
    for number, part in enumerate(p for p in message.walk() if p.is_multipart()):
        part.set_boundary(f"={prefix}={number}=")
    return message


def _add_later_fields(message: EmailMessage, mail: OutgoingEmail) -> None:
    """Add the fields that emails have had since `reply_to` is frozen. The content is set before: setting it removes or moves Content-Language (RFC 3282)."""
    if mail.reply_to is None:
        return
    if mail.reply_to:
        message["Reply-To"] = _address("", mail.reply_to)
    message["Content-Language"] = mail.language
    message[OUR_ID] = mail.message_id
    if mail.unsubscribe_url:
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def digest(message: EmailMessage) -> bytes:
    """SHA-256 of the message's bytes."""
    return sha256(message.as_bytes()).digest()


def send(mail_url: str, message: EmailMessage, *, bounce_address: str) -> None:
    """Send the message; the servers on its way report to `bounce_address` if it cannot be delivered. Raises MailRefused, MailDeferred or MailUnknown."""
    try:
        server = _connect(mail_url)
    except (OSError, smtplib.SMTPException) as error:
        raise MailDeferred(f"no connection: {type(error).__name__}") from None
    try:
        _hand_over(server, message, bounce_address)
    except smtplib.SMTPRecipientsRefused as error:
        code = max(reply[0] for reply in error.recipients.values())
        raise (MailRefused if code >= 500 else MailDeferred)(f"recipient refused: {code}") from None
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise (MailRefused if error.smtp_code >= 500 else MailDeferred)(f"{type(error).__name__} {error.smtp_code}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise MailRefused(str(error)) from None
    except (OSError, smtplib.SMTPException) as error:
        raise (MailUnknown if server.is_sending_data else MailDeferred)(type(error).__name__) from None
    finally:
        _disconnect(server)


def _hand_over(server: smtplib.SMTP, message: EmailMessage, bounce_address: str) -> None:
    """Send the bytes that `digest` is of.

    The library's own function would put `>` before a line that begins with “From ”, unless an address needs SMTPUTF8.
    """
    options, recipients = _report_options(server, message), [address.addr_spec for address in message["To"].addresses]
    if all(address.isascii() for address in (bounce_address, *recipients)):
        server.sendmail(bounce_address, recipients, message.as_bytes(policy=message.policy.clone(linesep="\r\n")), options)
    else:
        server.send_message(message, from_addr=bounce_address, mail_options=options)


def _report_options(server: smtplib.SMTP, message: EmailMessage) -> list[str]:
    """Ask a server that can for reports that name the Message-ID and return the headers alone, without the receipt (RFC 3461, sections 4.3 and 4.4)."""
    server.ehlo_or_helo_if_needed()
    if not server.has_extn("dsn"):
        return []
    envelope_id = "".join(_xtext(character) for character in message["Message-ID"].strip("<>"))
    return ["RET=HDRS", *([f"ENVID={envelope_id}"] if len(envelope_id) <= MAX_ENVELOPE_ID else [])]


def _xtext(character: str) -> str:
    """A character as SMTP parameters have it (RFC 3461, section 4)."""
    return character if "!" <= character <= "~" and character not in "+=" else "".join(f"+{byte:02X}" for byte in character.encode())


def _disconnect(server: smtplib.SMTP) -> None:
    """Quit. The reply says nothing about the message."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def _connect(mail_url: str) -> _Server:
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
    with_name = Address(display_name=name, username=local, domain=domain)
    return with_name if _is_carried(with_name) else Address(username=local, domain=domain)


def _is_carried(address: Address) -> bool:
    """Whether a reader finds the same name and address in the header. Python folds some long names, and quotes in names, into other text."""
    message = EmailMessage()
    message["To"] = address
    found = message_from_bytes(message.as_bytes(), policy=policy.default)["To"].addresses
    return [(a.display_name, a.addr_spec) for a in found] == [(address.display_name, address.addr_spec)]
