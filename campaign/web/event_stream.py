"""`GET /api/campaigns/<slug>/stream`: the totals of a campaign pushed as server-sent events, for thousands of open pages on one process.

An open stream takes no thread: it waits in the loop of the ASGI server. What opens none (an unknown campaign, a draft, another method, a host that
is not ours) is the app's to answer.
"""

import asyncio
import math
import random
import re
import resource
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import structlog
from flask import json
from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Request

from campaign.web.asgi import Receive, Scope, Send, environ_of
from campaign.web.bare_headers import bare_headers
from campaign.web.live import Full, Listener, Live, Unavailable
from campaign.web.networks import network_of
from campaign.web.stream_topics import Topic, topic_of
from campaign.web.totals_events import CONTENT_TYPE, HEADERS, HEARTBEAT, StreamEvent

log = structlog.get_logger()

PATH = re.compile(r"/api/campaigns/([a-z0-9-]+)/stream")
# Each is a connection: of those that the server accepts (MAX_REQUESTS in cli/main.py), a quarter is left for pages.
STREAMS = 3000
# Many guests of one event are behind one address.
STREAMS_OF_A_NETWORK = 500
# Between these, so that not all clients act at once. Proxies cut connections that are silent for a minute, some for half of one.
HEARTBEAT_SECONDS = (15.0, 25.0)
STREAM_SECONDS = (240.0, 360.0)
RETRY_MS = (2_000, 6_000)
REFUSED_SECONDS = (20, 60)
# A client that takes no byte for so long is cut.
STUCK_SECONDS = 20.0
WARNING_SECONDS = 60


class EventStreams:
    """Opens streams for the front. `read` returns what a stream says now, or None when strangers may not see the campaign; it is called in a thread."""

    def __init__(
        self, read: Callable[[Topic], StreamEvent | None], *, hosts: Sequence[str], proxy_hops: int = 0, is_https: bool = False
    ) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = STREAMS if files == resource.RLIM_INFINITY else min(STREAMS, files // 2)
        self.live = Live(read, most=most, most_of_network=STREAMS_OF_A_NETWORK)
        self._hosts = list(hosts)
        self._proxies = ProxyFix(lambda _environ, _start: [], *[proxy_hops] * 3)
        self._warned_at = -math.inf
        self._stuck: set[asyncio.Task[None]] = set()
        self._headers = {**bare_headers(is_https=is_https), **HEADERS}

    def close(self) -> None:
        """End all streams, as the server stops."""
        self.live.close()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a request that opens a stream. False if the app has to answer it, with what is wrong with the request."""
        match = PATH.fullmatch(scope["path"])
        request = self._request_of(scope) if match and scope["method"] == "GET" else None
        if match is None or request is None:
            return False
        try:
            with ExitStack() as place:
                place.enter_context(self.live.place(network_of(request.remote_addr)))
                async with self.live.listen(topic_of(match[1], request.args.get("page"))) as listener:
                    if listener is None:
                        return False
                    last_id = request.headers.get("Last-Event-ID", "")
                    await self._stream(listener, receive, send, place=place, last_id=last_id)
        except Full:
            self._warn()
            await self._refuse(send, "too many streams")
        except Unavailable:
            await self._refuse(send, "unavailable")
        return True

    def _warn(self) -> None:
        """Log that streams are refused, once a minute: thousands of pages ask again."""
        now = asyncio.get_running_loop().time()
        if now - self._warned_at > WARNING_SECONDS:
            self._warned_at = now
            log.warning("streams.refused", open=self.live.open_streams)

    def _request_of(self, scope: Scope) -> Request | None:
        """The request as our own proxies saw it; None when its host is not ours."""
        environ = environ_of(scope, b"")
        self._proxies(environ, lambda _status, _headers, _error=None: lambda _: None)
        request = Request(environ)
        request.trusted_hosts = self._hosts
        try:
            _ = request.host
        except SecurityError:
            return None
        return request

    async def _stream(self, listener: Listener, receive: Receive, send: Send, *, place: ExitStack, last_id: str) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + random.uniform(*STREAM_SECONDS)  # noqa: S311  # no secret
        watching = asyncio.create_task(_watch(receive, listener))
        body = listener.take().opening(last_id=last_id, retry_ms=random.randint(*RETRY_MS))  # noqa: S311  # no secret
        try:
            await send(self._start(200, {"Content-Type": CONTENT_TYPE, "Connection": "close"}))
            while loop.time() < end and not listener.is_over:
                async with asyncio.timeout(STUCK_SECONDS):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                heartbeat = random.uniform(*HEARTBEAT_SECONDS)  # noqa: S311  # no secret
                event = await listener.next(min(heartbeat, end - loop.time()))
                body = event.encode() if event else HEARTBEAT
            if not listener.has_left:
                async with asyncio.timeout(STUCK_SECONDS):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # Nothing else is sent to it. Its connection counts as long as the server has it open for what was sent.
            log.info("streams.stuck")
            self._stuck.add(watching)
            watching.add_done_callback(partial(_leave, self._stuck, place.pop_all()))
        except OSError:  # So some servers say that the client has left.
            pass
        finally:
            if watching not in self._stuck:
                watching.cancel()

    async def _refuse(self, send: Send, error: str) -> None:
        """503: pages then ask for the totals now and then."""
        body = json.dumps({"error": error}).encode() + b"\n"
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        headers["Retry-After"] = str(random.randint(*REFUSED_SECONDS))  # noqa: S311  # no secret
        await send(self._start(503, headers))
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _start(self, status: int, headers: dict[str, str]) -> dict[str, Any]:
        lines = [(name.lower().encode(), value.encode()) for name, value in {**self._headers, **headers}.items()]
        return {"type": "http.response.start", "status": status, "headers": lines}


def _leave(stuck: set[asyncio.Task[None]], place: ExitStack, watching: asyncio.Task[None]) -> None:
    stuck.discard(watching)
    place.close()


async def _watch(receive: Receive, listener: Listener) -> None:
    """End the stream when the client closes its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.leave()
