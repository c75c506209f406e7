"""The front of the web server: an ASGI app that reads each request's body before a thread of the WSGI app is used for it.

However slowly clients send, no thread waits for them: a body has BODY_SECONDS to arrive, and less when its network sends many at a time.
A response that is made piece by piece takes a thread only while a piece is made.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar
from wsgiref.types import WSGIApplication, WSGIEnvironment

import structlog
from werkzeug.wrappers import Response

from campaign.edges.links import STRIPE_WEBHOOK
from campaign.web.asgi import Receive, Scope, Send, answer_lifespan, environ_of
from campaign.web.bare_headers import bare_headers
from campaign.web.networks import network_of
from campaign.web.stripe_webhook import MAX_BATCH
from campaign.web.uploads import LARGEST_UPLOAD, takes_upload

log = structlog.get_logger()

BODY_SECONDS = 20
# Stripe's events are the largest bodies. Forms have a limit of their own (security.py).
LARGEST_BODY = 256 * 1024
# Forms with a document are larger (uploads.py): they have more time, and so many may be under way at a time.
UPLOAD_SECONDS = 60
UPLOADS = 8
# How many bodies may be under way at a time. When one more comes, the oldest is cut: it had the most time.
BODIES_OF_A_NETWORK = 100
BODIES = 2000
PIECE = 64 * 1024
THREADS = 24
REFUSED = {
    408: b"The request took too long to arrive.\n",
    413: b"The request is too large.\n",
}

T = TypeVar("T")


class BodyRefused(Exception):
    """The body is too slow or too large; `status` is the HTTP status that says so."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Webhook(Protocol):
    """The webhook endpoint (stripe_webhook.py)."""

    def receive_all(self, environs: Sequence[WSGIEnvironment]) -> Sequence[tuple[Response, bool]]:
        """Each response, and whether events must be handled."""

    def handle_events(self) -> None:
        """Handle the pending events."""


class Streams(Protocol):
    """Streams of events, which take no thread each (event_stream.py)."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a request that opens a stream. False if the app has to answer it."""

    def close(self) -> None:
        """End all streams, as the server stops."""


@dataclass(frozen=True)
class _PendingEvent:
    environ: WSGIEnvironment
    response: "asyncio.Future[Response]"


class Front:
    """Serves a WSGI app to an ASGI server. `proxy_hops` is how many proxies in front add to X-Forwarded-For."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        webhook: "Webhook | None" = None,
        streams: "Streams | None" = None,
        proxy_hops: int = 0,
        is_https: bool = False,
    ) -> None:
        self._app, self._webhook, self._streams, self._proxy_hops = app, webhook, streams, proxy_hops
        self._headers = bare_headers(is_https=is_https)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._arriving: dict[str, list[asyncio.Timeout]] = {}
        self._all_arriving: list[asyncio.Timeout] = []
        self._uploads: list[asyncio.Timeout] = []
        self._events: list[_PendingEvent] = []
        self._storing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Requests of other protocols, such as WebSocket, are not served."""
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send, stop=self._streams.close if self._streams else None)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._read_body(scope, receive)
        except BodyRefused as refused:
            log.warning("request.refused", status=refused.status, path_is_webhook=scope["path"] == STRIPE_WEBHOOK)
            await _refuse(send, refused.status, self._headers)
            return
        if self._webhook and scope["path"] == STRIPE_WEBHOOK:
            await self._store_event(environ_of(scope, body), send)
            return
        if self._streams and await self._streams.serve(scope, receive, send):
            return
        # One context for all pieces, as their threads differ.
        context, loop = contextvars.copy_context(), asyncio.get_running_loop()

        def run(function: Callable[..., T], *values: object) -> Awaitable[T]:
            return loop.run_in_executor(self._threads, context.run, function, *values)

        response = _Response(self._app, environ_of(scope, body))
        try:
            piece, is_last = await run(response.begin)
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            while not is_last:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece, is_last = await run(response.next_piece)
            await send({"type": "http.response.body", "body": piece, "more_body": False})
        finally:
            await run(response.close)

    async def _store_event(self, environ: WSGIEnvironment, send: Send) -> None:
        """Store an event together with those that arrive while others are stored: one thread is enough for all of them."""
        event = _PendingEvent(environ, asyncio.get_running_loop().create_future())
        self._events.append(event)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_events())
        response = await event.response
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.get_data(), "more_body": False})

    async def _store_events(self) -> None:
        assert self._webhook
        loop = asyncio.get_running_loop()
        while self._events:
            batch, self._events = self._events[:MAX_BATCH], self._events[MAX_BATCH:]
            try:
                results = await loop.run_in_executor(self._threads, self._webhook.receive_all, [event.environ for event in batch])
            except Exception as error:
                for event in batch:
                    if not event.response.done():
                        event.response.set_exception(error)
                continue
            for event, (response, _) in zip(batch, results, strict=True):
                if not event.response.done():  # It is when the request was cancelled.
                    event.response.set_result(response)
            if any(must_handle for _, must_handle in results):
                loop.run_in_executor(self._threads, self._webhook.handle_events)
        self._storing = None

    async def _read_body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body. Raises BodyRefused."""
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        is_upload = length.isdigit() and int(length) > LARGEST_BODY and takes_upload(scope["path"])
        largest, seconds = (LARGEST_UPLOAD, UPLOAD_SECONDS) if is_upload else (LARGEST_BODY, BODY_SECONDS)
        if not length.isdigit() or int(length) > largest:
            raise BodyRefused(413)
        if length == b"0" and b"transfer-encoding" not in headers:
            return b""
        sender = self._sender(scope)
        of_sender = self._arriving.setdefault(sender, [])
        _cut_oldest(of_sender, BODIES_OF_A_NETWORK)
        _cut_oldest(self._all_arriving, BODIES)
        if is_upload:
            _cut_oldest(self._uploads, UPLOADS)
        queues = [of_sender, self._all_arriving, *([self._uploads] if is_upload else [])]
        try:
            async with asyncio.timeout(seconds) as deadline:
                for queue in queues:
                    queue.append(deadline)
                return await _receive_all(receive, largest)
        except TimeoutError:
            raise BodyRefused(408) from None
        finally:
            for queue in queues:
                if deadline in queue:
                    queue.remove(deadline)
            if not of_sender and self._arriving.get(sender) is of_sender:
                del self._arriving[sender]

    def _sender(self, scope: Scope) -> str:
        """The network that sends the body, as our own proxies saw it."""
        address = scope["client"][0] if scope.get("client") else ""
        if self._proxy_hops:
            lines = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
            forwarded = [part.strip() for part in ",".join(lines).split(",")]
            address = forwarded[-self._proxy_hops] if len(forwarded) >= self._proxy_hops else address
        return network_of(address)


def _cut_oldest(arriving: list[asyncio.Timeout], most: int) -> None:
    """Let one more body arrive: cut the one that has been under way for the longest time."""
    while len(arriving) >= most:
        arriving.pop(0).reschedule(asyncio.get_running_loop().time())


async def _receive_all(receive: Receive, largest: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyRefused(408)
        body += message.get("body", b"")
        if len(body) > largest:
            raise BodyRefused(413)
        if not message.get("more_body", False):
            return bytes(body)


async def _refuse(send: Send, status: int, secure: Mapping[str, str]) -> None:
    text = REFUSED[status]
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode()), (b"connection", b"close")]
    headers += [(b"retry-after", b"10"), *((name.lower().encode(), value.encode()) for name, value in secure.items())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": False})


class _Response:
    """The response of the WSGI app to one request. Its methods run in threads, one after the other."""

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        self._app, self._environ = app, environ
        self.status, self.headers = 500, list[tuple[bytes, bytes]]()
        self._pieces: Iterator[bytes] = iter(())
        self._iterable: Iterable[bytes] = ()

    def begin(self) -> tuple[bytes, bool]:
        """Call the app. Returns the first piece, and whether it is the last; then the status and headers are known."""
        self._iterable = self._app(self._environ, self._start)
        self._pieces = iter(self._iterable)
        return self.next_piece()

    def _start(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return lambda _: None  # Flask never uses the function that PEP 3333 returns here.

    def next_piece(self) -> tuple[bytes, bool]:
        """The next piece of at least PIECE bytes, and whether it is the last."""
        piece = bytearray()
        for part in self._pieces:
            piece += part
            if len(piece) >= PIECE:
                return bytes(piece), False
        return bytes(piece), True

    def close(self) -> None:
        """Let the app end what it began, whether the client got all of it or left."""
        if close := getattr(self._iterable, "close", None):
            close()
