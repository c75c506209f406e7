"""Files with live figures that anybody may ask for and whose drawing costs: each is drawn once a minute at most, one at a time in a process.

However many requests come, the others get the file of before, or wait for a short while when there is none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Lock

from flask import Response, abort, current_app, request

LIFETIME = timedelta(minutes=1)
WAIT_SECONDS = 5
# More than the public campaigns of one service have, in two languages.
MOST = 400


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A file, and when it was drawn."""

    content: bytes
    drawn_at: datetime


class Drawings:
    """The latest drawings of one process, by what they show."""

    def __init__(self) -> None:
        self._latest: dict[tuple[object, ...], Drawing] = {}
        self._turn = Lock()

    def get_or_draw(self, key: tuple[object, ...], draw: Callable[[], bytes], *, now: datetime) -> Drawing | None:
        """The drawing of this minute, or the one of before while another is under way. None when there is neither after WAIT_SECONDS."""
        known = self._latest.get(key)
        if known and timedelta() <= now - known.drawn_at < LIFETIME:
            return known
        if not self._turn.acquire(timeout=0 if known else WAIT_SECONDS):
            return known
        try:
            latest = self._latest.get(key)
            if latest is not known:  # Drawn while this request waited.
                return latest
            self._latest.pop(key, None)
            self._latest[key] = drawn = Drawing(content=draw(), drawn_at=now)
            while len(self._latest) > MOST:
                self._latest.pop(next(iter(self._latest)))
            return drawn
        finally:
            self._turn.release()


def drawings() -> Drawings:
    """The drawings of the current app."""
    found = current_app.extensions.setdefault("drawings", Drawings())
    assert isinstance(found, Drawings)
    return found


def respond(drawing: Drawing | None, mimetype: str) -> Response:
    """The file, which browsers and proxies may store for a minute, or 304 where they have it. Without one, 503."""
    if drawing is None:
        abort(503)
    response = Response(drawing.content, mimetype=mimetype)
    return share(response)


def share(response: Response, *, lifetime: timedelta = LIFETIME) -> Response:
    """Let anybody store the response for this time, and answer 304 where it has not changed."""
    response.headers["Cache-Control"] = f"public, max-age={int(lifetime.total_seconds())}"
    response.set_etag(sha256(response.get_data()).hexdigest()[:32])
    conditional = response.make_conditional(request)
    assert isinstance(conditional, Response)
    return conditional
