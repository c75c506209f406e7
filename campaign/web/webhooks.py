"""Stripe's door: the raw body is verified, kept and committed before anything is made of it; only then is it a 200.

It stands in front of the app: an event needs neither session nor language nor sign-in, and a flood of them passes here.
"""

from collections.abc import Iterable, Sequence
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from campaign.edges.db import KEEPING, db
from campaign.edges.outside import outside
from campaign.edges.stripe_wire import BadSignature, verify_signature
from campaign.edges.together import Together
from campaign.giving import stripe_events
from campaign.giving.stripe_events import Incoming
from campaign.work import handling

PATH = "/stripe/webhook"
WEBHOOK_LIMIT = 256 * 1024
AT_A_TIME = 64

log = structlog.get_logger()


class WebhookDoor:
    """A WSGI app that answers Stripe and leaves all else to the one behind it."""

    def __init__(self, app: Flask, behind: WSGIApplication) -> None:
        self._app, self._behind = app, behind
        with app.app_context():
            self._outside = outside()
            self._engine = db.engines[KEEPING]
        self._inbox = Together(self._keep, most=AT_A_TIME)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH:
            return self._behind(environ, start_response)
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        request.max_content_length = WEBHOOK_LIMIT
        try:
            return self._receive(request)
        except HTTPException as error:
            return _say(error.name, error.code or 400)
        except (OperationalError, PoolTimeout) as error:
            log.error("database.away", error=type(error).__name__)
            return _say("The database is away.", 503, {"Retry-After": "10"})
        except Exception:
            log.exception("request.failed", endpoint=PATH)
            return _say("Something went wrong.", 500)

    def _receive(self, request: Request) -> Response:
        """200 means that the event is in the books of things to do, whatever happens next; 400 that it is not Stripe's, or not ours."""
        if request.method != "POST":
            return _say("Events are posted here.", 405, {"Allow": "POST"})
        body = request.get_data(cache=False)
        settings = self._outside.settings
        try:
            verify_signature(body, request.headers.get("Stripe-Signature"), settings.webhook_secrets)
            incoming = stripe_events.read_event(body)
        except BadSignature:
            return _say("The signature is missing or wrong.", 400)
        except stripe_events.NotAnEvent:
            return _say("The body is not an event.", 400)
        if incoming.livemode != settings.stripe_livemode:
            return _say("The event is of the other mode.", 400)
        if self._inbox.ask(incoming):
            self._handle_here()
        return _say("Kept.", 200)

    def _keep(self, incoming: Sequence[Incoming]) -> list[bool]:
        """Durable when it returns; true for the one who must do the work that no worker could be woken for."""
        with self._engine.connect() as connection:
            new = stripe_events.keep(*incoming, source="webhook", connection=connection)
        nobody_woke = bool(new) and not self._outside.waker.wake("money")
        return [nobody_woke, *[False] * (len(incoming) - 1)]

    def _handle_here(self) -> None:
        """Redis is away: do the work in this request. What fails stays in the inbox for the next sweep."""
        with self._app.app_context():
            try:
                handling.handle_events()
            except OperationalError as error:
                db.session.rollback()
                log.warning("events.later", error=str(error.orig)[:200])


def _say(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(text + "\n", status=status, mimetype="text/plain", headers={"X-Content-Type-Options": "nosniff", **(headers or {})})
