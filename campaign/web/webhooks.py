"""Stripe's door: the raw body is verified, kept and committed before anything is made of it; only then is it a 200."""

import structlog
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError

from campaign import jobs
from campaign.edges.db import db
from campaign.edges.outside import outside
from campaign.edges.stripe_api import BadSignature, verify_signature
from campaign.giving import stripe_events
from campaign.web.security import WEBHOOK_LIMIT, access, csrf

bp = Blueprint("webhooks", __name__)
log = structlog.get_logger()


@bp.post("/stripe/webhook")
@access("stripe")
@csrf.exempt  # Stripe has no session; its signature stands in place of a token.
def receive() -> ResponseReturnValue:
    """200 means that the event is in the books of things to do, whatever happens next; 400 that it is not Stripe's, or not ours."""
    request.max_content_length = WEBHOOK_LIMIT
    body = request.get_data(cache=False)
    settings = outside().settings
    try:
        verify_signature(body, request.headers.get("Stripe-Signature"), settings.webhook_secrets)
        incoming = stripe_events.read_event(body)
    except BadSignature:
        return _answer("The signature is missing or wrong.", 400)
    except stripe_events.NotAnEvent:
        return _answer("The body is not an event.", 400)
    if incoming.livemode != settings.stripe_livemode:
        return _answer("The event is of the other mode.", 400)
    is_new = stripe_events.keep(incoming, source="webhook")
    db.session.commit()
    if is_new and not outside().waker.wake("money"):
        _handle_here()
    return _answer("Kept.", 200)


def _handle_here() -> None:
    """Redis is away: do the work in this request. What fails stays in the inbox for the next sweep."""
    try:
        jobs.handle_events()
    except OperationalError as error:
        db.session.rollback()
        log.warning("events.later", error=str(error.orig)[:200])


def _answer(text: str, status: int) -> Response:
    return Response(text + "\n", status=status, mimetype="text/plain")
