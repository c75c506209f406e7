"""Portraits of the people behind matching funds, as long as a page shows them."""

from flask import Blueprint, Response, abort, request

from campaign.funders.introductions import find_shown_portrait
from campaign.web.security import access

bp = Blueprint("portraits", __name__)


@bp.get("/portraits/<digest>.jpg")
@access("public")
def portrait(digest: str) -> Response:
    """A portrait that a public page shows. One that is taken back is in no cache an hour later."""
    jpeg = find_shown_portrait(digest)
    if jpeg is None:
        abort(404)
    response = Response(jpeg, mimetype="image/jpeg")
    response.headers["Cache-Control"] = "public, max-age=3600"
    response.set_etag(digest)
    response.make_conditional(request)
    return response
