"""Answers each new checkout at once: what opening one costs us, without what it costs Stripe."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4


class Stub(BaseHTTPRequestHandler):
    """An open session for each POST."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        number = uuid4().hex  # No two sessions have one name, those of an earlier run included.
        session = {"id": f"cs_test_{number}", "object": "checkout.session", "status": "open", "payment_status": "unpaid"}
        self._answer(
            {**session, "url": f"http://127.0.0.1/c/{number}", "metadata": {}, "amount_total": 5000, "currency": "cad", "livemode": False}
        )

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, found: dict[str, object]) -> None:
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Stub).serve_forever()
