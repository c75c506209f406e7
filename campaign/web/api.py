"""Totals for everybody, as data."""

from hashlib import sha256

from flask import Blueprint, jsonify, make_response, request
from flask.typing import ResponseReturnValue

from campaign.reporting.totals import totals_of
from campaign.web.security import access

bp = Blueprint("api", __name__, url_prefix="/api")


@bp.get("/campaigns/<slug>")
@access("public")
def campaign(slug: str) -> ResponseReturnValue:
    """The campaign's totals (contract.md, section 4); open to other sites, with an ETag that changes when a sum does."""
    totals = totals_of(slug)
    if totals is None:
        answer = make_response(jsonify({"error": "not found"}), 404)
    else:
        found = totals.as_json()
        answer = make_response(jsonify(found))
        sums = repr([value for name, value in found.items() if name != "as_of"])
        answer.set_etag(sha256(sums.encode()).hexdigest()[:32])
        answer.headers["Cache-Control"] = "public, max-age=1"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer.make_conditional(request)
