"""Clients of the stream of totals in tests, over sockets of their own."""

import json
import select
import socket
import time
from typing import Any

from tests.patience import PATIENCE_SECONDS
from tests.web import SLUG


class StreamClient:
    """One open stream."""

    def __init__(
        self, port: int, *, slug: str = SLUG, page: str = "", source: str = "127.0.0.1", host: str = "127.0.0.1", last_id: str = ""
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), source_address=(source, 0), timeout=PATIENCE_SECONDS)
        lines = [f"GET /api/campaigns/{slug}/stream?page={page} HTTP/1.1", f"Host: {host}", "Accept: text/event-stream"]
        lines += [f"Last-Event-ID: {last_id}"] if last_id else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self.text = ""

    def read(self, seconds: float = 0.0) -> bool:
        """Read what has arrived, and wait for it so long. False at the end of the connection."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return True
        received = self.socket.recv(65536)
        self.text += received.decode()
        return bool(received)

    def wait_for(self, text: str, *, seconds: float = PATIENCE_SECONDS) -> float:
        """Read until the text has arrived, and return the seconds since the Unix epoch."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert time.monotonic() < deadline, f"no {text!r} in {self.text!r}"
            assert self.read(0.05) or text in self.text, f"the stream ended: {self.text!r}"
        return time.time()

    def wait_for_end(self, *, seconds: float = PATIENCE_SECONDS) -> str:
        """Read until the server closes the connection, and return all that came."""
        deadline = time.monotonic() + seconds
        while self.read(0.05):
            assert time.monotonic() < deadline, f"it is still open: {self.text!r}"
        return self.text

    @property
    def status(self) -> int:
        """The status of the response."""
        self.wait_for("\r\n\r\n")
        return int(self.text.split(" ", 2)[1])

    def events(self) -> list[dict[str, Any]]:
        """The data of each event that has arrived."""
        return [json.loads(line.removeprefix("data: ")) for line in self.text.splitlines() if line.startswith("data: ")]

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
