"""The logo at the head of donors' pages: managers choose, replace and remove it. No receipt prints it, so nothing is to be confirmed again."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_security import current_user

from campaign.campaigns import page_logos
from campaign.campaigns.charities import Charity
from campaign.edges import pictures
from campaign.edges.pictures import UnusablePicture
from campaign.receipts import charity_actions
from campaign.receipts.charity_actions import DetailsHaveChanged
from campaign.rules.pictures import LEAST_LOGO_HEIGHT, LEAST_LOGO_WIDTH, MOST_LOGO_BYTES
from campaign.web.errors import campaign_or_404
from campaign.web.languages import current_language
from campaign.web.security import access, csrf
from campaign.web.staff.picture_words import PictureLimits, describe_flaw

bp = Blueprint("staff_page_logo", __name__, url_prefix="/staff/charity/page-logo")

COLUMN = "page_logo"
LIMITS = PictureLimits(most_bytes=MOST_LOGO_BYTES, least_width=LEAST_LOGO_WIDTH, least_height=LEAST_LOGO_HEIGHT)


class _NoLogo(Exception):
    """No logo came with the form that can be shown; the message says what to do."""


@bp.get("")
@access("manager", fresh=True)
def form() -> ResponseReturnValue:
    """The form with the logo of donors' pages as it is."""
    return _page(campaign_or_404().charity)


def _page(charity: Charity, *, error: str = "") -> str:
    campaign, language = campaign_or_404(), current_language()
    return render_template(
        "staff/page_logo.html",
        title=campaign.title(language),
        logo=page_logos.shown_logo(charity.page_logo),
        charity_name=charity.name(language),
        version=charity_actions.version_of(charity, [COLUMN]),
        error=error,
        limits=LIMITS,
    )


@bp.post("")
@access("manager", fresh=True, takes_document=True)
@csrf.exempt  # Its token is checked here, once the request may be as large as a picture.
def change() -> ResponseReturnValue:
    """Show another logo on donors' pages, or none."""
    csrf.protect()
    charity = campaign_or_404().charity
    try:
        digest = None if request.form.get("change") == "remove" else _store_upload()
        changed = charity_actions.change(charity, {COLUMN: digest}, actor=current_user.email, version=request.form.get("version", ""))
    except _NoLogo as error:
        return _page(charity, error=str(error)), 422
    except DetailsHaveChanged:
        again = gettext("Somebody has changed this picture since you opened the page. It is shown here; choose yours again to replace it.")
        return _page(charity, error=again), 422
    flash(gettext("Saved.") if changed else gettext("Nothing has changed."))
    return redirect(url_for("staff_charity.page"), 303)


def _store_upload() -> str:
    """Store the logo that came with the form; returns its SHA-256. Raises _NoLogo."""
    file = request.files.get("logo")
    upload = file.read(MOST_LOGO_BYTES + 1) if file else b""
    if not upload:
        raise _NoLogo(gettext("Please choose a picture."))
    try:
        return page_logos.store(pictures.page_logo(upload))
    except UnusablePicture as error:
        unreadable = gettext("This file cannot be read as a picture. Please choose a PNG or JPEG.")
        raise _NoLogo(describe_flaw(error.flaw, LIMITS, unreadable=unreadable)) from None
