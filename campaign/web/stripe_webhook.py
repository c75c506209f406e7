"""The Stripe webhook endpoint: verifies and stores the raw body, commits, and only then answers 200. Processing happens later.

It is a WSGI app in front of Flask: an event needs no session, language or sign-in, and bursts of events stay cheap.
"""

from collections.abc import Iterable, Sequence
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from campaign.edges.db import AUTOCOMMIT, db
from campaign.edges.group_commit import GroupCommit
from campaign.edges.links import STRIPE_WEBHOOK
from campaign.edges.services import services
from campaign.edges.stripe.client import InvalidSignature, verify_signature
from campaign.stripe_sync import event_jobs, inbox
from campaign.stripe_sync.inbox import IncomingEvent

WEBHOOK_LIMIT = 256 * 1024
MAX_BATCH = 64
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

log = structlog.get_logger()


class WebhookEndpoint:
    """A WSGI app that handles the webhook path and passes every other request to `inner`."""

    def __init__(self, app: Flask, inner: WSGIApplication) -> None:
        self._app, self._inner = app, inner
        with app.app_context():
            self._services = services()
            self._engine = db.engines[AUTOCOMMIT]
        self._inbox = GroupCommit(self._store, max_batch=MAX_BATCH)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != STRIPE_WEBHOOK:
            return self._inner(environ, start_response)
        return self._handle_request(Request(environ))(environ, start_response)

    def _handle_request(self, request: Request) -> Response:
        request.max_content_length = WEBHOOK_LIMIT
        request.trusted_hosts = self._services.settings.hosts
        try:
            _ = request.host  # Raises SecurityError for a host that is not ours.
            return self._receive(request)
        except HTTPException as error:
            return _respond(error.name, error.code or 400)
        except (OperationalError, PoolTimeout) as error:
            log.error("database.unavailable", error=type(error).__name__)
            return _respond("The database is unavailable.", 503, {"Retry-After": "10"})
        except Exception:
            log.exception("request.failed", endpoint=STRIPE_WEBHOOK)
            return _respond("Something went wrong.", 500)

    def _receive(self, request: Request) -> Response:
        """200 means that the event is durably stored, 400 that it is not a valid event of Stripe for this account's mode."""
        if request.method != "POST":
            return _respond("Events are posted here.", 405, {"Allow": "POST"})
        body = request.get_data(cache=False)
        settings = self._services.settings
        try:
            verify_signature(body, request.headers.get("Stripe-Signature"), settings.webhook_secrets)
            incoming = inbox.parse_event(body)
        except InvalidSignature:
            return _respond("The signature is missing or wrong.", 400)
        except inbox.InvalidEvent:
            return _respond("The body is not an event.", 400)
        if incoming.livemode != settings.stripe_livemode:
            return _respond("The event is of the other mode.", 400)
        if self._inbox.submit(incoming):
            self._handle_events()
        return _respond("Stored.", 200)

    def _store(self, incoming: Sequence[IncomingEvent]) -> list[bool]:
        """Store a batch, durably when it returns. If no worker could be woken, one result is True: that request handles the events."""
        with self._engine.connect() as connection:
            new = inbox.store_events(*incoming, source="webhook", connection=connection)
        must_handle = bool(new) and not self._services.waker.wake("money")
        return [must_handle, *[False] * (len(incoming) - 1)]

    def _handle_events(self) -> None:
        """Handle the pending events in this request, because Redis is unavailable. A failed event stays in the inbox for the schedule."""
        with self._app.app_context():
            try:
                event_jobs.handle_events()
            except OperationalError as error:
                db.session.rollback()
                log.warning("events.deferred", error=str(error.orig)[:200])


def _respond(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(text + "\n", status=status, mimetype="text/plain", headers={**HEADERS, **(headers or {})})
