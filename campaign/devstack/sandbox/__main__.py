"""Runs one of the two programs: `python -m campaign.devstack.sandbox stripe|mailbox --port N --state FILE`."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from campaign.devstack.sandbox import (
    answers,
    billing_controls,
    clock,
    control,
    endpoints,
    faults,
    mailbox,
    money_api,
    setup_api,
    setup_controls,
    stripe_api,
    stripe_pages,
    subscription_api,
)
from campaign.devstack.sandbox.deliveries import EventSender
from campaign.devstack.sandbox.store import Store
from campaign.devstack.sandbox.stripe_account import Account

# Imported for their routes on the blueprint of answers.py, and for what they do before each request, in this order: faults, then the checks
# of permissions and parameters. stripe_api has the catch-all route and comes last.
ROUTES = (faults, endpoints, money_api, setup_api, subscription_api, stripe_api)

# Imported for their routes on the blueprint of control.py.
CONTROLS = (billing_controls, setup_controls)


class Quiet(WSGIRequestHandler):
    """Keeps connections open, does not log requests, and dates responses by the clock that requests are judged by."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The value of the Date header."""
        return super().date_time_string(clock.request_time() if timestamp is None else timestamp)


def stripe_app(state: Path, *, address: str, webhook: str, secret: str) -> Flask:
    """The Stripe sandbox, with its event sender running."""
    app = Flask("campaign.devstack.sandbox")
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # Flask's default provider
    store = Store(state)
    account = Account(store, address)
    app.extensions["account"] = account
    account.webhook = webhook
    clock.set_ahead(int(store.switch("ahead", "0")))
    clock.set_skew(int(store.switch("skew", "0")))
    for module in (answers, control, stripe_pages):
        app.register_blueprint(module.bp)
    EventSender(store, account, webhook=webhook, secret=secret).start()
    return app


def mailbox_app(state: Path, *, smtp_port: int) -> Flask:
    """The mailbox, with its SMTP server running."""
    app = Flask("campaign.devstack.sandbox")
    app.extensions["mailbox"] = mailbox.Mailbox(state)
    app.register_blueprint(mailbox.bp)
    mailbox.listen(app.extensions["mailbox"], smtp_port)
    return app


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="campaign.devstack.sandbox")
    parser.add_argument("which", choices=["stripe", "mailbox"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--webhook", default="")
    parser.add_argument("--smtp-port", type=int, default=0)
    options = parser.parse_args()
    if os.environ.get("STRIPE_SECRET_KEY", "").startswith(("sk_live_", "rk_live_")):
        print("The sandbox refuses to run beside a live key.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _exit)
    if options.which == "stripe":
        secret = os.environ.get("STRIPE_WEBHOOK_SECRETS", "").split(",")[0].strip()
        app = stripe_app(options.state, address=f"http://127.0.0.1:{options.port}", webhook=options.webhook, secret=secret)
    else:
        app = mailbox_app(options.state, smtp_port=options.smtp_port)
    make_server("127.0.0.1", options.port, app, threaded=True, request_handler=Quiet).serve_forever()
    return 0


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
