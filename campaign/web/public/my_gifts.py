"""All gifts of a donor on one page, by a link that is mailed to them: the form that asks for it, the page, receipts and the donor’s data.

The form answers the same for every address, and takes as long. No address is in the address of a page.
"""

import time
from collections.abc import Iterator

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, stream_with_context, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from campaign.campaigns.campaigns import campaign_by_slug, current_campaign
from campaign.donations import donor_merges
from campaign.donations.donations import latest_with_email
from campaign.edges.db import db
from campaign.outbox import donor_access_actions
from campaign.privacy import own_copy
from campaign.reporting import my_gifts
from campaign.rules.contact_addresses import LONGEST_EMAIL, InvalidEmail, parse_email
from campaign.staff import audit
from campaign.texts.file_names import Document, file_name
from campaign.web.downloads import name_file
from campaign.web.public import donor_access, my_gifts_page
from campaign.web.public.receipt_page import send_receipt
from campaign.web.security import LINKS_PER_CLIENT, access, limiter

bp = Blueprint("my_gifts", __name__)

LINKS_PER_NETWORK = "10 per hour"
COPIES_PER_NETWORK = "10 per hour"
# Longer than the link of a known address takes: how long an answer takes says nothing about the address.
ANSWER_SECONDS = 0.3


@bp.get("/<any(en,fr):language>/my-gifts")
@access("public")
def page(language: str) -> ResponseReturnValue:
    """The gifts of the donor by whose link this browser came, or the form that asks for such a link."""
    donor_id = donor_access.granted_donor()
    if donor_id is None:
        return _ask(language, has_ended=_end_expired_grant())
    values = my_gifts_page.values_of(donor_id, language)
    return render_template("donate/my_gifts.html", **values) if values else _ask(language)


def _end_expired_grant() -> bool:
    """Say once that what was open is closed. Returns whether it was open."""
    had_grant = donor_access.had_grant()
    donor_access.end_grant()
    return had_grant


def _ask(language: str, *, has_ended: bool = False, typed: str = "", error: str = "") -> str:
    campaign = campaign_by_slug(request.values.get("campaign", "")) or current_campaign()
    if campaign is None:
        abort(404)
    return render_template(
        "donate/my_gifts_link.html",
        campaign=campaign,
        charity=campaign.charity,
        charity_name=campaign.charity.name(language),
        has_ended=has_ended,
        typed=typed,
        error=error,
    )


@bp.post("/<any(en,fr):language>/my-gifts")
@access("public")
@limiter.limit(LINKS_PER_NETWORK)
def send_link(language: str) -> ResponseReturnValue:
    """Mail the link. The response is the same for every address, so that it reveals no donor."""
    begun_at, typed = time.monotonic(), request.form.get("email", "")[:LONGEST_EMAIL].strip()
    try:
        email = parse_email(typed)
    except InvalidEmail:
        error = gettext("This does not look like an email address. Please check it, for example name@example.com.")
        return _ask(language, typed=typed, error=error), 422
    donor_access_actions.send_link_to_my_gifts(email)
    time.sleep(max(0.0, ANSWER_SECONDS - (time.monotonic() - begun_at)))
    flash(
        gettext("If there are gifts under this address, an email with the link to them is on its way. It works once, within ten minutes.")
    )
    return redirect(url_for("my_gifts.page", language=language, campaign=request.form.get("campaign") or None), 303)


@bp.post("/<any(en,fr):language>/my-gifts/closed")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def close(language: str) -> ResponseReturnValue:
    """End what this browser may see and change."""
    if donor_access.had_grant():
        donor_access.end_grant()
        flash(gettext("Your gifts are closed in this browser. To open them again, ask for another link."))
    return redirect(url_for("my_gifts.page", language=language), 303)


@bp.get("/<any(en,fr):language>/my-gifts/receipts/<code>.pdf")
@access("public")
@limiter.limit(LINKS_PER_CLIENT)
def receipt(language: str, code: str) -> ResponseReturnValue:
    """An official receipt of the donor's own gifts; one that has ended is marked so. `code` is what is printed on it to check it."""
    donor_id = donor_access.granted_donor()
    if donor_id is None:
        return redirect(url_for("my_gifts.page", language=language), 303)
    found = my_gifts.find_own_receipt(donor_merges.ids_of_person(donor_id), code)
    if found is None:
        abort(404)
    return send_receipt(found)


@bp.post("/<any(en,fr):language>/my-gifts/data")
@access("public")
@limiter.limit(COPIES_PER_NETWORK)
def download(language: str) -> ResponseReturnValue:
    """What the donor gave us and what we sent them, as a file."""
    donor_id = donor_access.granted_donor()
    donation = latest_with_email(donor_id) if donor_id else None
    if donor_id is None or donation is None:
        return redirect(url_for("my_gifts.page", language=language), 303)
    audit.record("the donor", "downloaded their data", donation.public_id)
    db.session.commit()

    def encoded() -> Iterator[bytes]:
        for piece in own_copy.pieces(donor_id):
            yield piece.encode()

    response = Response(stream_with_context(encoded()), mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    return name_file(response, file_name(Document.OWN_DATA, language=language, extension="json"))
