"""The Stripe webhook endpoint: verifies and stores the raw body, commits, and only then answers 200. Processing happens later.

It is a WSGI app in front of Flask: an event needs no session, language or sign-in, and bursts of events stay cheap.
"""

from collections.abc import Callable, Iterable, Sequence
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
from campaign.web.bare_headers import bare_headers

WEBHOOK_LIMIT = 256 * 1024
MAX_BATCH = 64

log = structlog.get_logger()

Submit = Callable[[Sequence[IncomingEvent]], Sequence[bool | BaseException]]


class WebhookEndpoint:
    """A WSGI app that handles the webhook path and passes every other request to `inner`."""

    def __init__(self, app: Flask, inner: WSGIApplication) -> None:
        self._app, self._inner = app, inner
        with app.app_context():
            self._services = services()
            self._engine = db.engines[AUTOCOMMIT]
        self._headers = bare_headers(is_https=self._services.settings.is_https)
        self._inbox = GroupCommit(self._store, max_batch=MAX_BATCH)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != STRIPE_WEBHOOK:
            return self._inner(environ, start_response)
        response, must_handle = self.receive_all([environ], self._submit)[0]
        if must_handle:
            self.handle_events()
        return response(environ, start_response)

    def receive_all(self, environs: Sequence[WSGIEnvironment], submit: Submit | None = None) -> list[tuple[Response, bool]]:
        """Store the events of these requests together. Returns each response, and whether the caller must handle events because Redis is down."""
        read = [self._read(Request(environ)) for environ in environs]
        incoming = [event for event in read if isinstance(event, IncomingEvent)]
        results = iter((submit or self._inbox.submit_all)(incoming)) if incoming else iter(())
        responses = [(event, False) if isinstance(event, Response) else _response_to(next(results)) for event in read]
        for response, _ in responses:
            response.headers.update(self._headers)
        return responses

    def _submit(self, incoming: Sequence[IncomingEvent]) -> list[bool | BaseException]:
        """Store the event together with those that other threads have at the same time."""
        try:
            return [self._inbox.submit(event) for event in incoming]
        except Exception as error:
            return [error]

    def _read(self, request: Request) -> IncomingEvent | Response:
        """The event of a request, or why it is none: a 400 says that it is not a valid event of Stripe for this account's mode."""
        settings = self._services.settings
        request.max_content_length, request.trusted_hosts = WEBHOOK_LIMIT, settings.hosts
        try:
            _ = request.host  # Raises SecurityError for a host that is not ours.
            if request.method != "POST":
                return _respond("Events are posted here.", 405, {"Allow": "POST"})
            body = request.get_data(cache=False)
            verify_signature(body, request.headers.get("Stripe-Signature"), settings.webhook_secrets)
            incoming = inbox.parse_event(body)
        except HTTPException as error:
            return _respond(error.name, error.code or 400)
        except InvalidSignature:
            return _respond("The signature is missing or wrong.", 400)
        except inbox.InvalidEvent:
            return _respond("The body is not an event.", 400)
        if incoming.livemode != settings.stripe_livemode:
            return _respond("The event is of the other mode.", 400)
        return incoming

    def _store(self, incoming: Sequence[IncomingEvent]) -> list[bool]:
        """Store a batch, durably when it returns. If no worker could be woken, one result is True: that request handles the events."""
        with self._engine.connect() as connection:
            new = inbox.store_events(*incoming, source="webhook", connection=connection)
        must_handle = bool(new) and not self._services.waker.wake("money")
        return [must_handle, *[False] * (len(incoming) - 1)]

    def handle_events(self) -> None:
        """Handle the pending events in this thread, because Redis is unavailable. A failed event stays in the inbox for the schedule."""
        with self._app.app_context():
            try:
                event_jobs.handle_events()
            except OperationalError as error:
                db.session.rollback()
                log.warning("events.deferred", error=str(error.orig)[:200])


def _response_to(result: object) -> tuple[Response, bool]:
    """The response to what storing an event returned or raised. 200 means that it is durably stored."""
    if isinstance(result, (OperationalError, PoolTimeout)):
        log.error("database.unavailable", error=type(result).__name__)
        return _respond("The database is unavailable.", 503, {"Retry-After": "10"}), False
    if isinstance(result, BaseException):
        log.error("request.failed", endpoint=STRIPE_WEBHOOK, exc_info=result)
        return _respond("Something went wrong.", 500), False
    return _respond("Stored.", 200), bool(result)


def _respond(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(text + "\n", status=status, mimetype="text/plain", headers=headers)
