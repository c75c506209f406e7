"""The charity's logo at the head of donors' pages."""

from flask import Blueprint, Response, abort

from campaign.campaigns import page_logos
from campaign.campaigns.charities import Charity
from campaign.campaigns.page_logos import ShownLogo, find_logo
from campaign.web.security import access

bp = Blueprint("logos", __name__)


@bp.get("/logos/<digest>.png")
@access("public")
def logo(digest: str) -> Response:
    """The logo of a charity. What has this address never changes."""
    found = find_logo(digest)
    if found is None:
        abort(404)
    response = Response(found.png, mimetype="image/png")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@bp.app_template_global()
def logo_of(charity: Charity) -> ShownLogo | None:
    """The charity's logo, which the head of each page for donors shows; None without one."""
    return page_logos.shown_logo(charity.page_logo)
