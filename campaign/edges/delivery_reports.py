"""Reads what mail servers report about the delivery of an email (RFC 3464 and 6533, in the multipart/report of RFC 6522).

A report is written by strangers: nothing in it is believed here, whatever is malformed is left out, and nobody's address stays in its texts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message
from enum import StrEnum
from itertools import chain, islice

from campaign.edges.smtp import OUR_ID

# The report and the header of the returned message come first: what follows is the returned text, which is not needed.
MAX_BYTES = 256 * 1024
MAX_RECIPIENTS = 20
# A report is about one email, under the id of its envelope and those of its header.
MAX_MESSAGE_IDS = 20
MAX_DIAGNOSTIC = 300
# Longer ones are cut before anything is looked for in them, which takes time that grows with the square of their length.
MAX_FIELD = 2000
STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}
RETURNED_TYPES = {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"}
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,200}@[^<>@\s]{1,100}>")
_ADDRESS = re.compile(r"[^\s<>();:,\"'=]+@[^\s<>();:,\"'=]+")


class DeliveryAction(StrEnum):
    """What became of the email for one recipient (RFC 3464, section 2.3.3). A server that reports FAILED has given up, whatever the status."""

    FAILED = "failed"
    DELAYED = "delayed"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class RecipientReport:
    """The report about one recipient, under the addresses that it was sent to and forwarded to, in lower case. `status` is as `5.1.1`, or empty."""

    addresses: frozenset[str]
    action: DeliveryAction
    status: str
    diagnostic: str


@dataclass(frozen=True, kw_only=True)
class DeliveryReport:
    """`message_ids` are those, with their brackets, under which the email may be known to us."""

    message_ids: tuple[str, ...]
    recipients: tuple[RecipientReport, ...]


def parse_report(raw: bytes) -> DeliveryReport | None:
    """The report in a message, of which MAX_BYTES are read; None if it is another kind of message."""
    message = message_from_bytes(raw[:MAX_BYTES])
    if message.get_content_type() != "multipart/report" or not message.is_multipart():
        return None
    parts = [part for part in message.get_payload() if isinstance(part, Message)]
    groups = [group for part in parts if part.get_content_type() in STATUS_TYPES for group in _field_groups(part)]
    if not groups:
        return None
    returned = [part for part in parts if part.get_content_type() in RETURNED_TYPES]
    return DeliveryReport(
        message_ids=tuple(islice(_distinct_ids(groups, returned), MAX_MESSAGE_IDS)),
        recipients=tuple(_recipient(group) for group in groups if _names_recipient(group))[:MAX_RECIPIENTS],
    )


def _distinct_ids(groups: list[Message], returned: list[Message]) -> Iterator[str]:
    """The ids in the order of their worth: our own header of the returned message, then what servers say."""
    ids = chain(
        (found for part in returned for found in _returned_ids(part)), (found for group in groups for found in _envelope_ids(group))
    )
    seen: set[str] = set()
    for found in ids:
        if found not in seen:
            seen.add(found)
            yield found


def _field_groups(part: Message) -> Iterator[Message]:
    """The groups of fields of a delivery status: one about the message, then one about each recipient."""
    for inner in _inner(part):
        yield inner
        # The library reads only the first group of the international form.
        yield from (message_from_string(text) for text in re.split(r"\n[ \t]*\n", _text(inner).replace("\r\n", "\n")) if text.strip())


def _inner(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Message)] if isinstance(payload, list) else [message_from_string(_text(part))]


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def _names_recipient(group: Message) -> bool:
    return "Final-Recipient" in group or "Original-Recipient" in group


def _envelope_ids(group: Message) -> list[str]:
    """The id of the envelope, which is our Message-ID without its brackets where the server took one (edges/smtp.py)."""
    return _MESSAGE_ID.findall(f"<{_field(group, 'Original-Envelope-Id')}>")


def _returned_ids(part: Message) -> Iterator[str]:
    for header in _inner(part):
        for name in (OUR_ID, "Message-ID"):
            yield from _MESSAGE_ID.findall(_field(header, name))


def _recipient(group: Message) -> RecipientReport:
    named = (_field(group, name).rpartition(";")[2].strip().strip("<>").lower() for name in ("Original-Recipient", "Final-Recipient"))
    status = _STATUS.search(_field(group, "Status"))
    action = _field(group, "Action").lower()
    return RecipientReport(
        addresses=frozenset(address for address in named if address),
        action=DeliveryAction(action) if action in {DeliveryAction.FAILED, DeliveryAction.DELAYED} else DeliveryAction.OTHER,
        status=status[1] if status else "",
        diagnostic=_without_addresses(_field(group, "Diagnostic-Code").partition(";")[2]),
    )


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub("…", text).strip()[:MAX_DIAGNOSTIC]


def _field(group: Message, name: str) -> str:
    """The printable text of a field on one line, as far as it is of use; empty if it is missing."""
    text = str(group.get(name, ""))[:MAX_FIELD]
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
