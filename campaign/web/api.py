"""The public JSON API: the totals of a campaign."""

import random

from flask import Blueprint, Response, jsonify, make_response, request
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import public_campaign
from campaign.matching.funds import funds_of
from campaign.reporting import published_heads
from campaign.web import totals_events
from campaign.web.security import access
from campaign.web.stream_topics import current_event, topic_of

bp = Blueprint("api", __name__, url_prefix="/api")

POLL_MS = (4_000, 6_000)


@bp.get("/campaigns/<slug>/proof")
@access("public")
def proof(slug: str) -> ResponseReturnValue:
    """The heads of the campaign's hash chains as they are published each day, signed, readable from other origins (docs/verify.md)."""
    campaign = public_campaign(slug)
    if campaign is None:
        response = make_response(jsonify({"error": "not found"}), 404)
    else:
        response = make_response(jsonify(published_heads.heads_of(campaign, [fund.id for fund in funds_of(campaign.id)])))
        response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@bp.get("/campaigns/<slug>")
@access("public")
def campaign(slug: str) -> ResponseReturnValue:
    """The campaign's totals (contract.md, section 4), readable from other origins. The ETag changes only when a total changes."""
    payload = totals_events.public_totals(slug)
    if payload is None:
        response = make_response(jsonify({"error": "not found"}), 404)
    else:
        response = make_response(jsonify(payload))
        response.set_etag(totals_events.digest_of(payload))
        response.headers["Cache-Control"] = "public, max-age=1"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response.make_conditional(request)


@bp.get("/campaigns/<slug>/stream")
@access("public")
def stream(slug: str) -> ResponseReturnValue:
    """The campaign's totals (with `?page=` the words about them) as one server-sent event, after which the client connects again: a stream under any WSGI server.

    `campaign web` answers GET itself and lets the connection stay open (event_stream.py).
    """
    event = current_event(topic_of(slug, request.args.get("page")))
    if event is None:
        response = make_response(jsonify({"error": "not found"}), 404)
    else:
        body = event.opening(last_id=request.headers.get("Last-Event-ID", ""), retry_ms=random.randint(*POLL_MS))  # noqa: S311  # no secret
        response = Response(body, content_type=totals_events.CONTENT_TYPE)
    response.headers.update(totals_events.HEADERS)
    return response
