"""The pictures of campaign pages."""

from flask import Blueprint, Response, abort

from campaign.campaigns.pictures import find_picture
from campaign.web.security import access

bp = Blueprint("pictures", __name__)


@bp.get("/pictures/<digest>.jpg")
@access("public")
def picture(digest: str) -> Response:
    """The picture of a campaign. What has this address never changes."""
    found = find_picture(digest)
    if found is None:
        abort(404)
    response = Response(found.jpeg, mimetype="image/jpeg")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
