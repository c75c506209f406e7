"""What the front needs of ASGI: its types, the start and end of a server process, and the WSGI environment of a request."""

import asyncio
import io
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from types import FrameType
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def answer_lifespan(receive: Receive, send: Send, *, stop: Callable[[], None] | None = None) -> None:
    """Acknowledge the start and the end of the server process. `stop` is called as soon as the process is asked to end."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup" and stop:
            call_when_asked_to_end(stop)
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def call_when_asked_to_end(stop: Callable[[], None]) -> None:
    """Call `stop` in this loop at SIGTERM and SIGINT, beside the server's own handlers.

    The server first waits for open responses and reports its shutdown when they have ended, which a stream would put off for minutes.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(number)
        if not callable(previous):
            continue  # Without a handler of the server, the signal ends the process at once.

        def handle(number: int, frame: FrameType | None, previous: Callable[[int, FrameType | None], Any] = previous) -> None:
            loop.call_soon_threadsafe(stop)
            previous(number, frame)

        try:
            signal.signal(number, handle)
        except ValueError:  # Only the main thread may; a server with its loop elsewhere ends streams itself.
            return
        signal.siginterrupt(number, False)  # noqa: FBT003  # positional only


def environ_of(scope: Scope, body: bytes) -> WSGIEnvironment:
    """The WSGI environment of an ASGI request (PEP 3333), with its whole body."""
    host, port = scope.get("server") or ("localhost", 80)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope.get("raw_path") or scope["path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope.get("client") else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name:  # It would be taken for the header with a hyphen.
            continue
        key = name.upper().replace("-", "_")
        key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
        environ[key] = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}" if key in environ else value
    # The body is here as a whole, however it came.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ
