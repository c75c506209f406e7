"""The public JSON API: the totals of a campaign."""

from hashlib import sha256

from flask import Blueprint, jsonify, make_response, request
from flask.typing import ResponseReturnValue

from campaign.campaigns.campaigns import public_campaign
from campaign.matching.funds import funds_of
from campaign.reporting import published_heads
from campaign.reporting.totals import totals_of
from campaign.web.security import access

bp = Blueprint("api", __name__, url_prefix="/api")


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
    totals = totals_of(slug) if public_campaign(slug) else None
    if totals is None:
        response = make_response(jsonify({"error": "not found"}), 404)
    else:
        payload = totals.as_json()
        response = make_response(jsonify(payload))
        etag_source = repr([value for name, value in payload.items() if name != "as_of"])
        response.set_etag(sha256(etag_source.encode()).hexdigest()[:32])
        response.headers["Cache-Control"] = "public, max-age=1"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response.make_conditional(request)
