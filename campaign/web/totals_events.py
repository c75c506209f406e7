"""The totals of a campaign as server-sent events (HTML standard, section 9.2), for streams and for answers that end at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import json

from campaign.campaigns.campaigns import public_campaign
from campaign.reporting.totals import totals_of

CONTENT_TYPE = "text/event-stream; charset=utf-8"
# A comment, which browsers ignore.
HEARTBEAT = b":\n\n"
# No store and no proxy may hold an event back: nginx reads the second.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Access-Control-Allow-Origin": "*"}


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """What a stream pushes, as JSON, and an id that changes only when a total or word of it changes."""

    name: str
    id: str
    data: str

    def encode(self) -> bytes:
        """The event as it is sent."""
        return f"event: {self.name}\nid: {self.id}\ndata: {self.data}\n\n".encode()

    def opening(self, *, last_id: str, retry_ms: int) -> bytes:
        """The first bytes of a stream: after how many milliseconds to connect again, and the event unless the client has it."""
        return f"retry: {retry_ms}\n\n".encode() + (HEARTBEAT if last_id == self.id else self.encode())


def public_totals(slug: str) -> dict[str, Any] | None:
    """The totals as the API answers them (contract.md, section 4); None when strangers may not see the campaign."""
    totals = totals_of(slug) if public_campaign(slug) else None
    return totals.as_json() if totals else None


def digest_of(payload: Mapping[str, Any]) -> str:
    """A text that changes only when a total changes."""
    return sha256(repr([value for name, value in payload.items() if name != "as_of"]).encode()).hexdigest()[:32]


def totals_event(slug: str) -> StreamEvent | None:
    """The totals now; None when strangers may not see the campaign."""
    payload = public_totals(slug)
    return event_of("totals", payload) if payload else None


def event_of(name: str, payload: Mapping[str, Any]) -> StreamEvent:
    """The payload as an event."""
    return StreamEvent(name=name, id=digest_of(payload), data=json.dumps(payload, separators=(",", ":")))
